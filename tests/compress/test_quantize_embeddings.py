"""The setting of the word table's precision: when it becomes INT4, what the card says, what is refused."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import TINY
from spanjet import Reader, RuntimeConfig
from spanjet.cli import app
from spanjet.compress.quantize import embeddings, run, trials
from spanjet.compress.quantize.config import EmbeddingPrecision, QuantizeConfig
from spanjet.compress.quantize.mixed_precision import find_layers
from spanjet.compress.quantize.ptq import calibrate
from spanjet.compress.quantize.quantize import quantize_checkpoint
from spanjet.evaluate import Evaluation, Scores
from spanjet.model import load_model
from spanjet.runtime.openvino import ov
from typer.testing import CliRunner

CONFIG = QuantizeConfig(samples=6, cpu="vnni", held_out=20, floor=0.95)
WORDS = ("the", "city", "was", "on", "a", "river", "by", "king", "who", "had", "there", "later", "up")
TABLE = "embeddings.word"
# Of the tiny model's word table, 159 x 32.
INT8_BYTES, INT4_BYTES = 159 * (32 + 4), 159 * (16 + 2)
#: A table's precision, and how many of the 15 products are in floating point.
State = tuple[str, int]


def state(model: ov.Model) -> State:
    kinds = {
        node.get_element_type().to_string() for node in model.get_ops() if node.get_type_name() == "Constant"
    }
    layers = find_layers(model)
    products = 15 - sum(layer != TABLE for layer in layers)
    return "float32" if TABLE in layers else "int4" if "i4" in kinds else "int8", products


class Script:
    """In place of measurements: F1 by the table's precision and the number of restored products.

    The error of the logits is 1 for each quantized product, and for the table what ``table_errors`` says.
    """

    def __init__(self, calibrated: ov.Model, monkeypatch: pytest.MonkeyPatch) -> None:
        self.f1: dict[State, float] = {("float32", 15): 100}
        self.table_errors = {"float32": 0.0, "int8": 0.01, "int4": 0.5}
        self.measured: list[State] = []
        self._calibrated = calibrated
        for name in ("calibrate", "evaluate", "logits_of"):
            monkeypatch.setattr(trials, name, getattr(self, name))
        monkeypatch.setattr(run, "measure_speed", lambda *_, **__: {})

    def calibrate(self, *_: Any, **__: Any) -> ov.Model:
        return self._calibrated

    def evaluate(self, reader: Reader, *_: Any, **__: Any) -> Evaluation:
        found = state(reader.model.model)
        self.measured.append(found)
        scores = Scores(exact_match=self.f1[found] / 2, f1=self.f1[found], total=20)
        return Evaluation(scores=scores, predictions={}, spans={}, confidence={}, no_answer={}, seconds=1)

    def logits_of(self, model: ov.Model, _: Any) -> Any:
        precision, products = state(model)
        return np.full((2, 3), 15 - products + self.table_errors[precision], np.float32)


@pytest.fixture(scope="module")
def squad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Questions whose scores `Script` makes up."""
    generator, paragraphs = random.Random(1), []
    for index in range(30):
        context = " ".join(generator.choices(WORDS, k=60))
        answer = {"text": context.split(" ")[0], "answer_start": 0}
        paragraphs.append(
            {
                "context": context,
                "qas": [{"id": str(index), "question": "who was there", "answers": [answer]}],
            }
        )
    path = tmp_path_factory.mktemp("squad") / "train.json"
    path.write_text(json.dumps({"data": [{"title": "t", "paragraphs": paragraphs}]}))
    return path


@pytest.fixture(scope="module")
def calibrated() -> ov.Model:
    generator = np.random.default_rng(0)
    inputs = [
        {
            "input_ids": generator.integers(5, 90, (1, 24), np.int32),
            "attention_mask": np.ones((1, 24), np.int32),
            "token_type_ids": generator.integers(0, 2, (1, 24), np.int32),
        }
    ]
    return calibrate(load_model(TINY).model, inputs, half_range=True)


@pytest.fixture
def script(calibrated: ov.Model, monkeypatch: pytest.MonkeyPatch) -> Script:
    monkeypatch.setattr(embeddings, "_LEAST_ROWS", 64)
    return Script(calibrated, monkeypatch)


@pytest.fixture
def quantized(squad: Path, tmp_path: Path) -> Callable[..., tuple[dict[str, Any], ov.Model]]:
    def quantize(**settings: Any) -> tuple[dict[str, Any], ov.Model]:
        out = tmp_path / "int8"
        card = quantize_checkpoint(TINY, squad, out, config=replace(CONFIG, **settings), overwrite=True)
        assert json.loads((out / "card.json").read_text()) == card
        return card, load_model(out).model

    return quantize


Quantized = Callable[..., tuple[dict[str, Any], ov.Model]]


def test_auto_takes_int4_where_the_floor_holds(script: Script, quantized: Quantized) -> None:
    script.f1 |= {("int8", 0): 99, ("int4", 0): 95}
    card, model = quantized()
    assert script.measured == [("float32", 15), ("int8", 0), ("int4", 0)]
    assert state(model) == ("int4", 0)
    floor, table = card["floor"], card["quantization"]["embeddings"][TABLE]
    assert (floor["held"], floor["int8"]["f1"], floor["sensitivity"]) == (True, 95, None)
    assert [
        (each["restored"], each["embeddings"], each["embedding_bytes"], each["f1"]) for each in floor["tried"]
    ] == [(0, "int8", INT8_BYTES, 99), (0, "int4", INT4_BYTES, 95)]
    assert card["quantization"]["embedding_precision"] == "auto"
    assert (table["precision"], table["group_size"], table["bytes"]) == ("int4", 32, INT4_BYTES)
    assert 0.004 < table["relative_error"] < 0.012


def test_auto_keeps_int8_where_it_does_not(script: Script, quantized: Quantized) -> None:
    script.f1 |= {("int8", 0): 95, ("int4", 0): 94.9}
    card, model = quantized()
    assert state(model) == ("int8", 0)
    assert (card["floor"]["held"], card["floor"]["int8"]["f1"]) == (True, 95)
    assert [each["f1"] for each in card["floor"]["tried"]] == [95, 94.9]
    assert card["quantization"]["embeddings"][TABLE]["bytes"] == INT8_BYTES


def test_no_product_is_restored_for_int4(script: Script, quantized: Quantized) -> None:
    """As many as INT8 tables need, and INT4 ones if they hold the floor with these too."""
    script.f1 |= {("int8", 0): 90, ("int8", 1): 96, ("int4", 1): 95}
    card, model = quantized()
    assert script.measured == [("float32", 15), ("int8", 0), ("int8", 1), ("int4", 1)]
    assert state(model) == ("int4", 1)
    assert len(card["quantization"]["restored"]) == 1
    assert [(each["restored"], each["embeddings"]) for each in card["floor"]["tried"]] == [
        (0, "int8"),
        (1, "int8"),
        (1, "int4"),
    ]


def test_int4_is_searched_with_where_it_is_asked_for(script: Script, quantized: Quantized) -> None:
    """A table that is the most sensitive layer is restored first, to INT8."""
    script.table_errors["int4"] = 5
    script.f1 |= {("int4", 0): 80, ("int8", 0): 97}
    card, model = quantized(embedding_precision="int4")
    assert script.measured == [("float32", 15), ("int4", 0), ("int8", 0)]
    assert state(model) == ("int8", 0)
    assert card["quantization"]["restored"] == [TABLE]
    assert card["quantization"]["embeddings"][TABLE]["precision"] == "int8"
    tried = [
        (each["restored"], each["embeddings"], each["embedding_bytes"]) for each in card["floor"]["tried"]
    ]
    assert tried == [(0, "int4", INT4_BYTES), (1, "int4", INT8_BYTES)]


def test_int8_tries_nothing_else(script: Script, quantized: Quantized) -> None:
    script.f1 |= {("int8", 0): 99}
    card, model = quantized(embedding_precision="int8")
    assert (script.measured, state(model)) == ([("float32", 15), ("int8", 0)], ("int8", 0))
    assert card["quantization"]["embedding_precision"] == "int8"


def test_a_table_of_int8_is_restored_to_float32(script: Script, quantized: Quantized) -> None:
    script.table_errors["int8"] = 5
    script.f1 |= {("int8", 0): 80, ("float32", 0): 97}
    card, model = quantized(embedding_precision="int8")
    assert state(model) == ("float32", 0)
    table = card["quantization"]["embeddings"][TABLE]
    assert (table["precision"], table["group_size"], table["bytes"]) == ("float32", None, 159 * 32 * 4)


@pytest.mark.parametrize(("setting", "expected"), [("auto", "int8"), ("int8", "int8"), ("int4", "int4")])
def test_without_a_floor(
    script: Script, quantized: Quantized, setting: EmbeddingPrecision, expected: str
) -> None:
    """Nothing is measured, and only what is asked for is INT4."""
    card, model = quantized(floor=None, embedding_precision=setting)
    assert (script.measured, card["floor"]) == ([], None)
    assert state(model) == (expected, 0)
    assert card["quantization"]["embeddings"][TABLE]["precision"] == expected


def test_int4_is_not_tried_below_the_floor(script: Script, quantized: Quantized) -> None:
    script.f1 |= {("int8", count): 80.0 + count for count in (0, 1, 2)}
    with pytest.raises(ValueError, match=r"F1 is 82\.00 at best, .* with 2 layers restored of 2 at most"):
        quantized(max_restored=2)
    card, model = quantized(max_restored=2, keep_best=True)
    assert state(model) == ("int8", 2)
    assert not card["floor"]["held"]
    assert not any(precision == "int4" for precision, _ in script.measured)


def test_a_run_that_was_stopped_goes_on(script: Script, quantized: Quantized) -> None:
    script.f1 |= {("int8", 0): 99}
    with pytest.raises(KeyError):
        quantized()
    script.f1[("int4", 0)] = 97
    _, model = quantized()
    assert script.measured == [("float32", 15), ("int8", 0), ("int4", 0), ("int4", 0)]
    assert state(model) == ("int4", 0)


def test_a_model_without_a_large_table(squad: Path, tmp_path: Path) -> None:
    """Nothing can be INT4, which is said before any work is done."""
    config = replace(CONFIG, embedding_precision="int4")
    with pytest.raises(
        ValueError, match="tiny-bert: no embedding table can be INT4; expected one of at least"
    ):
        quantize_checkpoint(TINY, squad, tmp_path / "int8", config=config)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("script")
def test_the_command(squad: Path, tmp_path: Path) -> None:
    out = tmp_path / "int8"
    command = ["quantize", str(TINY), "--data", str(squad), "-o", str(out), "--samples", "6"]
    result = CliRunner().invoke(app, [*command, "--embedding-precision", "int2"])
    assert result.exit_code == 2
    assert "--embedding-precision is int2; expected auto or int8 or int4" in result.stderr.replace("'", "")
    result = CliRunner().invoke(app, [*command, "--embedding-precision", "int4"])
    assert (result.exit_code, result.stderr) == (0, "")
    values = dict(line.split("\t") for line in result.stdout.splitlines())
    assert values[f"quantization.embeddings.{TABLE}.precision"] == "int4"
    assert state(load_model(out).model) == ("int4", 0)


@pytest.mark.usefixtures("script")
def test_answers_of_a_model_with_an_int4_table(quantized: Quantized, tmp_path: Path) -> None:
    """They are spans of the text, and do not depend on what else is asked."""
    quantized(floor=None, embedding_precision="int4")
    reader = Reader(tmp_path / "int8", threshold=None, runtime_config=RuntimeConfig(cache_dir=None))
    texts = ["the city was on a river by the king " * count for count in (1, 3, 2, 9)]
    together = reader.ask_many(["who was there"] * 4, texts, top_k=2)
    for text, answers in zip(texts, together, strict=True):
        assert reader.ask("who was there", text, top_k=2) == answers
        assert all(text[each.start : each.end] == each.text for each in answers)
