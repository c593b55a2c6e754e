"""A checkpoint becomes an INT8 model directory: how good, from what, and the same each time."""

import hashlib
import json
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import checkpoints
import numpy as np
import pytest
from spanjet import Reader, RuntimeConfig, WindowConfig
from spanjet.compress.card import describe_source
from spanjet.compress.data import calibration_inputs, choose_questions
from spanjet.compress.prune.network import Network
from spanjet.compress.quantize.config import QuantizeConfig
from spanjet.compress.quantize.embeddings import round_tables
from spanjet.compress.quantize.ptq import quantize
from spanjet.compress.quantize.quantize import quantize_checkpoint
from spanjet.evaluate import Question, SquadDataset, load_squad
from spanjet.model import load_model
from spanjet.model.directory import COMPANIONS
from spanjet.model.hub import HubModel
from spanjet.runtime.openvino import ops, ov, shared_core
from spanjet.runtime.precision import suited

GOLDEN = Path(__file__).parents[1] / "golden"
TINY = GOLDEN / "tiny-bert"
WORDS = (
    "the",
    "city",
    "was",
    "on",
    "a",
    "river",
    "by",
    "first",
    "king",
    "who",
    "had",
    "there",
    "later",
    "up",
)
SAMPLES = 12
WITHOUT_CACHE = RuntimeConfig(cache_dir=None)


@pytest.fixture(scope="module")
def squad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQuAD file of random words: 8 long contexts with 2 questions, 8 short ones with 1."""
    generator = random.Random(5)
    paragraphs = []
    for index in range(16):
        context = " ".join(generator.choices(WORDS, k=120 if index % 2 else 12))
        answer = {"text": context.split(" ")[0], "answer_start": 0}
        asked = [
            {
                "id": f"{index}-{part}",
                "question": " ".join(generator.choices(WORDS, k=6)),
                "answers": [answer],
            }
            for part in range(1 + index % 2)
        ]
        paragraphs.append({"context": context, "qas": asked})
    path = tmp_path_factory.mktemp("squad") / "train.json"
    path.write_text(json.dumps({"data": [{"title": "t", "paragraphs": paragraphs}]}))
    return path


@pytest.fixture(scope="module")
def steps() -> dict[str, list[tuple[int, int | None]]]:
    return {}


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory, squad: Path, steps: dict[str, list[tuple[int, int | None]]]
) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("made") / "tiny-int8"

    @contextmanager
    def progress(name: str) -> Iterator[Callable[[int, int | None], None]]:
        yield lambda done, total: steps.setdefault(name, []).append((done, total))

    card = quantize_checkpoint(
        TINY,
        squad,
        out,
        evaluation=squad,
        config=QuantizeConfig(samples=SAMPLES, seed=3, cpu="vnni"),
        license_name="Apache-2.0",
        license_file=squad,
        progress=progress,
    )
    return out, card


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_card(made: tuple[Path, dict[str, Any]], squad: Path) -> None:
    out, card = made
    assert json.loads((out / "card.json").read_text()) == card
    assert (card["name"], card["license"]) == ("tiny-int8", "Apache-2.0")
    weights = TINY / "model.safetensors"
    assert card["source"] == {
        "name": "tiny-bert",
        "architecture": "bert",
        "weights": {weights.name: {"bytes": weights.stat().st_size, "sha256": digest(weights)}},
    }
    data = {"data": "train.json", "sha256": digest(squad)}
    quantization = card["quantization"]
    assert quantization["calibration"] == {**data, "count": SAMPLES, "seed": 3}
    assert (quantization["cpu"], quantization["overflow_fix"]) == ("vnni", False)
    assert (quantization["layers"], quantization["restored"]) == (2 * 7 + 1, [])
    assert (card["floor"], card["calibration"], card["evaluation"]["threshold"]) == (None, None, None)
    evaluation = card["evaluation"]
    assert evaluation.items() >= {**data, "questions": 24}.items()
    assert evaluation["windows"] == {
        "max_length": 384,
        "doc_stride": 128,
        "convention": "advance",
        "max_question_length": 64,
        "allow_empty": False,
    }
    for scores in (evaluation["float32"], evaluation["int8"]):
        assert 0 <= scores["exact_match"] <= scores["f1"] <= 100
    assert set(card["versions"]) == {"spanjet", "openvino", "nncf", "numpy", "python"}
    assert card["machine"]["instructions"]
    assert card["bytes"]["openvino_model.bin"] == (out / "openvino_model.bin").stat().st_size
    assert (out / "LICENSE").read_bytes() == squad.read_bytes()
    speed = card["speed"]
    assert min(speed["float32"], speed["default"], speed["int8"]) > 0
    assert speed["windows"] == SAMPLES
    assert {file.name for file in out.parent.iterdir()} == {out.name}


def test_the_source_of_shards(tmp_path: Path) -> None:
    path = Path(shutil.copytree(TINY, tmp_path / "sharded"))
    checkpoints.split(path)
    source = describe_source(load_model(path))
    names = [f"model-0000{part}-of-00003.safetensors" for part in (1, 2, 3)]
    assert list(source["weights"]) == names
    for name in names:
        size = (path / name).stat().st_size
        assert source["weights"][name] == {"bytes": size, "sha256": digest(path / name)}


def test_the_source_on_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The card names the repository and the commit, not the cache's directory."""
    monkeypatch.chdir(tmp_path)
    snapshot = Path(shutil.copytree(TINY, tmp_path / "snapshots" / "0123abc"))
    monkeypatch.setattr(HubModel, "download", lambda _: snapshot)
    for model in (load_model("team/tiny@main"), Network.load("team/tiny@main").loaded()):
        source = describe_source(model)
        assert (source["name"], source["revision"]) == ("team/tiny", "0123abc")
    assert "revision" not in describe_source(load_model("snapshots/0123abc"))


def test_what_the_tokenizer_needs_goes_along(made: tuple[Path, dict[str, Any]]) -> None:
    kept = {
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.json",
        "merges.txt",
        "tokenizer_config.json",
    }
    assert kept < set(COMPANIONS)
    assert {"config.json", "tokenizer.json", "vocab.txt"} <= {file.name for file in made[0].iterdir()}
    assert not kept & {file.name for file in made[0].iterdir()} - {file.name for file in TINY.iterdir()}


def test_the_model_is_int8_and_answers(made: tuple[Path, dict[str, Any]]) -> None:
    model = load_model(made[0]).model
    weights = {
        node.get_friendly_name(): node
        for node in model.get_ordered_ops()
        if node.get_type_name() == "Constant" and node.get_element_type() in (ov.Type.i8, ov.Type.u8)
    }
    # Six products in each of two layers, and the last one.
    assert len(weights) == 2 * 6 + 1
    assert any("smooth_quant" in node.get_friendly_name() for node in model.get_ordered_ops())
    with np.load(GOLDEN / "tiny-bert-logits.npz") as arrays:
        inputs = {name: arrays[f"gelu/1/{name}"].astype(np.int32) for name in checkpoints.INPUTS}
        expected = arrays["gelu/1/start_logits"]
    logits = shared_core().compile_model(suited(model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(inputs)
    tokens = inputs["attention_mask"] == 1
    correlation = np.corrcoef(logits["start_logits"][tokens], expected[tokens])[0, 1]
    assert 0.98 < correlation < 1
    reader = Reader(made[0], runtime_config=RuntimeConfig(cache_dir=None))
    text = " ".join(WORDS)
    answer = reader.ask("who built the city?", text)
    assert text[answer.start : answer.end] == answer.text


def test_progress(made: tuple[Path, dict[str, Any]], steps: dict[str, list[tuple[int, int | None]]]) -> None:
    name = f"F1 of train.json ({made[1]['evaluation']['sha256'][:12]})"
    assert list(steps) == [
        "calibrate",
        f"{name}, float32",
        f"{name}, 0 restored",
        "speed",
    ]
    assert steps["calibrate"] == [(done, 2 * SAMPLES) for done in range(1, 2 * SAMPLES + 1)]
    assert steps[f"{name}, float32"][-1] == (24, 24)
    assert steps["speed"] == [(done, 12) for done in range(1, 13)]


def test_same_seed_same_model(made: tuple[Path, dict[str, Any]], squad: Path, tmp_path: Path) -> None:
    for seed in (3, 4):
        config = QuantizeConfig(samples=SAMPLES, seed=seed, cpu="vnni")
        quantize_checkpoint(TINY, squad, tmp_path / str(seed), config=config)
    name = "openvino_model.bin"
    assert (tmp_path / "3" / name).read_bytes() == (made[0] / name).read_bytes()
    assert (tmp_path / "4" / name).read_bytes() != (made[0] / name).read_bytes()


def test_keeping_the_work_changes_nothing(
    made: tuple[Path, dict[str, Any]], squad: Path, tmp_path: Path
) -> None:
    """A model that was written and read between the steps is the one that comes of all at once."""
    original = load_model(TINY)
    chosen = choose_questions(load_squad(squad), count=SAMPLES, seed=3)
    inputs = calibration_inputs(Reader(original, runtime_config=WITHOUT_CACHE), chosen, count=SAMPLES)
    ov.save_model(quantize(original.model, inputs), tmp_path / "openvino_model.xml", compress_to_fp16=True)
    name = "openvino_model.bin"
    assert (tmp_path / name).read_bytes() == (made[0] / name).read_bytes()


def test_nothing_is_printed(squad: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = QuantizeConfig(samples=2)
    quantize_checkpoint(TINY, squad, tmp_path / "model", config=config)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")
    quantize_checkpoint(TINY, squad, tmp_path / "verbose", config=config, verbose=True)
    assert capfd.readouterr().out != ""


def test_choice_of_questions(squad: Path) -> None:
    dataset = load_squad(squad)
    chosen = choose_questions(dataset, count=100, seed=0)
    assert sorted(one.id for one in chosen) == sorted(one.id for one in dataset.questions)
    lengths = [len(one.context) for one in chosen]
    assert min(lengths[:8]) > 400 > max(lengths[8:16])
    assert len({one.context for one in chosen[:16]}) == 16
    assert choose_questions(dataset, count=5, seed=0) == chosen[:5]
    assert choose_questions(dataset, count=100, seed=1) != chosen


def test_calibration_windows_have_no_padding(squad: Path) -> None:
    questions = list(load_squad(squad).questions)
    reader = Reader(
        TINY, window_config=WindowConfig(max_length=48, doc_stride=16), runtime_config=WITHOUT_CACHE
    )
    inputs = calibration_inputs(reader, questions, count=30)
    assert len(inputs) == 30
    for item in inputs:
        assert item["input_ids"].shape[0] == 1
        assert item["input_ids"].shape[1] <= 48
        assert item["attention_mask"].all()


def test_fewer_windows_than_asked_for() -> None:
    question = Question(id="a", question="who?", context="the king", answers=("king",))
    chosen = choose_questions(SquadDataset(version="1.1", questions=(question,)), count=300, seed=0)
    assert chosen == [question]
    assert len(calibration_inputs(Reader(TINY, runtime_config=WITHOUT_CACHE), chosen, count=300)) == 1


def slice_model(table: np.ndarray) -> ov.Model:
    length = ops.parameter([1], np.int64, name="length")
    start, step, axes = (np.array([value], np.int64) for value in (0, 1, 0))
    rows = ops.slice(ops.constant(table, name="table.weight"), start, length, step, axes)
    return ov.Model([ops.result(rows)], [length], "slice")


def test_sliced_tables_have_bfloat16_values() -> None:
    # 1 + 2^-8 is halfway between 1 and the next value, 1 + 2^-7, and 1 is even; 1 + 3 * 2^-8 is halfway too.
    table = np.array([[1, 1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-9, 0.1, 0, -3e-5, 1e30]], np.float32)
    model = slice_model(table)
    assert round_tables(model) == ["table.weight"]
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    rows = shared_core().compile_model(model, "CPU", options)([np.array([1], np.int64)])[0]
    assert rows[0, :4].tolist() == [1, 1, 1 + 2**-6, -1]
    assert not (rows.view(np.uint32) & 0xFFFF).any()
    assert (np.abs(rows - table) <= 2**-8 * np.abs(table)).all()
    indices = ops.parameter([1], np.int64, name="indices")
    looked_up = ops.gather(ops.constant(table), indices, np.int64(0))
    assert round_tables(ov.Model([ops.result(looked_up)], [indices], "gather")) == []


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_a_fixed_length_gives_the_same_logits(made: tuple[Path, dict[str, Any]], precision: str) -> None:
    model = load_model(made[0]).model
    options = {"INFERENCE_PRECISION_HINT": precision}
    free = shared_core().compile_model(model, "CPU", options)
    generator = np.random.default_rng(0)
    for length in (32, 48):
        fixed = model.clone()
        fixed.reshape({port: ov.PartialShape([-1, length]) for port in fixed.inputs})
        inputs = {
            "input_ids": generator.integers(0, 100, (3, length), np.int32),
            "attention_mask": np.ones((3, length), np.int32),
            "token_type_ids": generator.integers(0, 2, (3, length), np.int32),
        }
        inputs["attention_mask"][1, 20:] = 0
        logits, expected = shared_core().compile_model(fixed, "CPU", options)(inputs), free(inputs)
        for name in ("start_logits", "end_logits"):
            tokens = inputs["attention_mask"] == 1
            assert np.array_equal(logits[name][tokens], expected[name][tokens])


def test_no_calibration_data() -> None:
    with pytest.raises(ValueError, match="no calibration data"):
        quantize(load_model(TINY).model, [])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"samples": 0}, "samples is 0; expected an integer of at least 1"),
        ({"held_out": 0}, "held_out is 0; expected an integer of at least 1"),
        ({"max_restored": -1}, "max_restored is -1; expected an integer of at least 0"),
        ({"seed": -1}, "seed is -1; expected an integer of at least 0"),
        ({"floor": 0.0}, "floor is 0.0; expected a share"),
        ({"floor": 99.0}, "floor is 99.0; expected a share"),
        ({"cpu": "avx2"}, "cpu is 'avx2'; expected 'auto' or 'vnni' or 'any'"),
        (
            {"embedding_precision": "int2"},
            "embedding_precision is 'int2'; expected 'auto' or 'int8' or 'int4'",
        ),
    ],
)
def test_bad_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        QuantizeConfig(**settings)


def test_without_nncf(squad: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(ImportError, match=r"pip install 'spanjet\[quantize\]'"):
        quantize_checkpoint(TINY, squad, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("argument", ["checkpoint", "calibration", "evaluation", "fitting", "license_file"])
def test_missing_files(squad: Path, tmp_path: Path, argument: str) -> None:
    arguments: dict[str, Any] = {"checkpoint": TINY, "calibration": squad, "out": tmp_path / "model"}
    arguments[argument] = tmp_path / "nowhere" / "model"
    with pytest.raises(FileNotFoundError, match="nowhere"):
        quantize_checkpoint(**arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_quantized_model_is_refused(made: tuple[Path, dict[str, Any]], squad: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="tiny-int8: the model is quantized already"):
        quantize_checkpoint(made[0], squad, tmp_path / "again")
    assert list(tmp_path.iterdir()) == []


def test_out_is_checked_before_the_work(squad: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(FileExistsError, match="exists already"):
        quantize_checkpoint(tmp_path / "nowhere", squad, tmp_path / "model")
    with pytest.raises(FileExistsError, match=r"holds no openvino_model\.xml"):
        quantize_checkpoint(tmp_path / "nowhere", squad, tmp_path / "model", overwrite=True)
