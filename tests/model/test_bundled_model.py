"""The bundled INT8 model is what its card says, and close to the float32 checkpoint it was made of."""

import asyncio
import json
import random
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from decoding import MODES, Mode
from spanjet import Answer, Calibration, DecodeConfig, Reader, RuntimeConfig, WindowConfig
from spanjet.cli import app
from spanjet.model import Model, load_model
from spanjet.model.directory import BUNDLED_MODEL
from spanjet.runtime.openvino import shared_core
from spanjet.runtime.precision import suited
from typer.testing import CliRunner

GOLDEN = Path(__file__).parents[1] / "golden" / "bundled-reader-logits.npz"


@pytest.fixture(scope="module")
def bundled() -> Model:
    return load_model(BUNDLED_MODEL)


def test_card(bundled: Model) -> None:
    card = bundled.card
    assert card is not None
    assert card["name"] == BUNDLED_MODEL.name
    assert card["license"] == "Apache-2.0"
    assert card["floor"]["held"]
    assert card["floor"]["int8"]["HasAns_f1"] >= 0.99 * card["floor"]["float32"]["HasAns_f1"]
    # Nothing was chosen on SQuAD's dev sets.
    chosen_on = (card["floor"], card["quantization"]["calibration"], card["calibration"])
    assert {part["data"] for part in chosen_on} == {"held-out.json"}
    assert card["calibration"]["articles"] == 40
    assert 0 < card["calibration"]["threshold"] < 1
    assert card["calibration"]["cross_fitted"]["ece"] < 0.05
    assert bundled.calibration == Reader(bundled).calibration != Calibration()
    assert card["bytes"] == {
        file.name: file.stat().st_size for file in BUNDLED_MODEL.iterdir() if file.name != "card.json"
    }
    assert sum(card["bytes"].values()) < 30e6
    assert {"LICENSE", "tokenizer.json"} <= set(card["bytes"])


def test_licences_are_named(bundled: Model) -> None:
    package = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    for text in ((bundled.path / "README.md").read_text(encoding="utf-8"), package):
        for name in ("all-mpnet-base-v2", "SQuAD", "CC BY-SA 4.0", "Apache-2.0"):
            assert name in text
    assert "bad at" in package


BRIDGE = (
    "The bridge was built in 1903 by the engineer Jose\u0301 Ho\u0308\u00df. The roof was renewed in 2003."
)


@pytest.mark.parametrize("mode", MODES)
def test_answers_are_whole(bundled: Model, mode: Mode) -> None:
    """No grapheme or word is cut, at any rank, and no year comes with the sentences up to the next."""
    reader = Reader(bundled, threshold=None, decode_config=DecodeConfig(mode=mode))
    (who, *_) = answers = reader.ask("Who built the bridge?", BRIDGE, top_k=8)
    assert who.text.rstrip(".").endswith("Jose\u0301 Ho\u0308\u00df")
    for answer in answers:
        before, behind = BRIDGE[: answer.start], BRIDGE[answer.end :]
        assert not behind.startswith(("\u0301", "\u0308"))
        assert mode == "squad" or not (before[-1:].isalnum() and answer.text[:1].isalnum())
        assert mode == "squad" or not (behind[:1].isalnum() and answer.text[-1:].isalnum())
    when = reader.ask("When was it built?", BRIDGE, top_k=8 if mode == "global" else 1)
    years = [answer.text for answer in (when if isinstance(when, list) else [when])]
    assert not any("1903" in text and "2003" in text for text in years)


@pytest.mark.filterwarnings("default::UserWarning")
def test_a_question_that_is_cut_is_named_with_both_lengths(tmp_path: Path) -> None:
    question = "very " * 80 + "when was it built?"
    (tmp_path / "rows.jsonl").write_text(json.dumps({"question": question, "context": BRIDGE}) + "\n")
    out = str(tmp_path / "out.jsonl")
    for command in (["ask", question, BRIDGE], ["answer", str(tmp_path / "rows.jsonl"), "--out", out]):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0
        assert "has 85 tokens and is cut to 64, the max_question_length\n" in result.stderr
    whole = WindowConfig(max_question_length=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Reader(window_config=whole, threshold=None).ask(question, BRIDGE).text


def test_weights_are_int8_and_the_word_table_is_int4(bundled: Model) -> None:
    sizes: Counter[str] = Counter()
    for node in bundled.model.get_ordered_ops():
        if node.get_type_name() == "Constant":
            sizes[node.get_element_type().to_string()] += node.data.nbytes
    assert sizes["i4"] == 30527 * 768 // 2
    assert sizes["i8"] == 6 * (4 * 768 * 256 + 2 * 768 * 896) + 2 * 768
    assert sizes.total() - sizes["i4"] - sizes["i8"] < 3e6
    table = (bundled.card or {})["quantization"]["embeddings"]["embeddings.word"]
    assert (table["precision"], table["group_size"]) == ("int4", 64)
    assert table["relative_error"] < 0.01
    tried = {each["embeddings"]: each["best_f1"] for each in (bundled.card or {})["floor"]["tried"]}
    assert tried["int4"] > tried["int8"] - 0.2


def test_logits_are_close_to_the_checkpoint(bundled: Model) -> None:
    compiled = shared_core().compile_model(suited(bundled.model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    with np.load(GOLDEN) as arrays:
        for batch in ("0", "1"):
            names = [each.get_any_name() for each in compiled.inputs]
            inputs = {name: arrays[f"{batch}/{name}"].astype(np.int32) for name in names}
            tokens = inputs["attention_mask"] == 1
            logits = compiled(inputs)
            for name in ("start_logits", "end_logits"):
                expected = arrays[f"{batch}/{name}"][tokens]
                difference = np.abs(logits[name][tokens] - expected)
                assert 0 < difference.mean() < 0.1 * expected.std()
                assert np.corrcoef(logits[name][tokens], expected)[0, 1] > 0.995


def asked(count: int) -> list[tuple[str, str]]:
    """Questions about the licence's paragraphs, whose windows have many lengths."""
    paragraphs = (BUNDLED_MODEL / "LICENSE").read_text().split("\n\n")
    generator = random.Random(41)
    questions = ("Who may use the Work?", "What does the License grant to each Contributor or Licensee?")
    return [
        (generator.choice(questions), "\n\n".join(paragraphs[first : first + generator.randint(1, 5)]))
        for first in generator.choices(range(len(paragraphs) - 5), k=count)
    ]


@pytest.mark.parametrize("threshold", ["reader", None, 0.999])
def test_all_ways_of_asking_agree(bundled: Model, tmp_path: Path, threshold: Any) -> None:
    pairs = asked(12)
    reader = Reader(bundled, runtime_config=RuntimeConfig(cache_dir=None))
    questions, contexts = zip(*pairs, strict=True)
    expected = reader.ask_many(questions, contexts, top_k=3, threshold=threshold)
    assert list(reader.stream(pairs, top_k=3, threshold=threshold)) == expected
    assert [reader.ask(*pair, threshold=threshold) for pair in pairs] == [found[0] for found in expected]

    async def all_at_once() -> list[list[Answer]]:
        asking = (reader.ask_async(*pair, top_k=3, threshold=threshold) for pair in pairs)
        return list(await asyncio.gather(*asking))

    with reader:
        assert asyncio.run(all_at_once()) == expected
    for (question, context), answers in zip(pairs, expected, strict=True):
        found = reader.search(question, [context], top_k=3, threshold=threshold)
        if answers[0].is_null:
            assert not found
        else:  # without those that are less likely than the threshold
            kept = answers[: len(found)]
            assert kept
            assert threshold is not None or kept == answers
            names = Answer.__dataclass_fields__
            assert [[getattr(each, name) for name in names] for each in found] == [
                [getattr(each, name) for name in names] for each in kept
            ]
        assert found.no_answer == pytest.approx(answers[0].no_answer)
    assert answers_of_files(pairs, tmp_path, threshold) == [
        [each.as_dict() for each in found] for found in expected
    ]


def answers_of_files(
    pairs: list[tuple[str, str]], directory: Path, threshold: Any
) -> list[list[dict[str, Any]]]:
    """The answers of `spanjet answer`."""
    rows = [json.dumps({"question": question, "context": context}) for question, context in pairs]
    (directory / "in.jsonl").write_text("\n".join(rows), encoding="utf-8")
    names = {"reader": "model", None: "none"}
    arguments = [str(directory / "in.jsonl"), "--out", str(directory / "out.jsonl"), "--top-k", "3"]
    arguments += ["--threshold", names.get(threshold, str(threshold))]
    result = CliRunner().invoke(app, ["answer", *arguments])
    assert result.exit_code == 0, result.output
    lines = (directory / "out.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["answers"] for line in lines]
