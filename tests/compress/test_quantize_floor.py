"""The accuracy floor: which layers are restored, how few, what is kept, and what happens below it."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import checkpoints
import numpy as np
import pytest
from checkpoints import TINY
from spanjet import Reader, RuntimeConfig
from spanjet.cli import app
from spanjet.compress.artifacts import ArtifactStore
from spanjet.compress.data import choose_questions, hold_out
from spanjet.compress.quantize import run, trials
from spanjet.compress.quantize.bisect import fewest
from spanjet.compress.quantize.config import QuantizeConfig
from spanjet.compress.quantize.mixed_precision import find_layers, restore
from spanjet.compress.quantize.ptq import calibrate, finish
from spanjet.compress.quantize.quantize import quantize_checkpoint
from spanjet.compress.quantize.sensitivity import logits_of, relative_error
from spanjet.evaluate import Evaluation, Scores, evaluate, load_squad
from spanjet.model import load_model
from spanjet.runtime.openvino import ov, shared_core
from typer.testing import CliRunner

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
CONFIG = QuantizeConfig(samples=6, cpu="vnni", held_out=20, floor=0.95)


def squad_file(path: Path) -> Path:
    """Questions whose right answers are the float32 model's own, so that its F1 is 100."""
    generator = random.Random(1)
    paragraphs = [
        {
            "context": " ".join(generator.choices(WORDS, k=60)),
            "qas": [{"id": str(index), "question": " ".join(generator.choices(WORDS, k=5)), "answers": []}],
        }
        for index in range(30)
    ]
    content: dict[str, Any] = {"data": [{"title": "t", "paragraphs": paragraphs}]}
    path.write_text(json.dumps(content))
    runtime = RuntimeConfig(precision="f32", cache_dir=None)
    answers = evaluate(Reader(TINY, runtime_config=runtime), load_squad(path)).predictions
    for index, paragraph in enumerate(paragraphs):
        paragraph["qas"][0]["answers"] = [{"text": answers[str(index)], "answer_start": 0}]  # type: ignore[index]
    path.write_text(json.dumps(content))
    return path


@pytest.fixture(scope="module")
def squad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return squad_file(tmp_path_factory.mktemp("squad") / "train.json")


def windows(names: tuple[str, ...], count: int = 4) -> list[dict[str, Any]]:
    generator = np.random.default_rng(0)
    values: dict[str, Callable[[], Any]] = {
        "input_ids": lambda: generator.integers(5, 90, (1, 24), np.int32),
        "attention_mask": lambda: np.ones((1, 24), np.int32),
        "token_type_ids": lambda: generator.integers(0, 2, (1, 24), np.int32),
    }
    return [{name: values[name]() for name in names} for _ in range(count)]


@pytest.mark.parametrize("name", ["bert", "deberta-v2", "electra-onnx"])
def test_all_layers_restored_give_the_original(tmp_path: Path, name: str) -> None:
    """Whatever the architecture; between, each layer that is restored is one that is not quantized."""
    path = TINY if name == "bert" else checkpoints.copy(name, tmp_path / name)
    original = load_model(path).model
    inputs = windows(tuple(port.get_any_name() for port in original.inputs))
    ov.save_model(calibrate(original, inputs), tmp_path / "int8.xml", compress_to_fp16=False)

    def quantized(restored: list[str]) -> ov.Model:
        model = shared_core().read_model(tmp_path / "int8.xml")
        restore(model, original, restored)
        return finish(model, restored=restored)

    layers = find_layers(quantized([]))
    assert len(set(layers)) == len(layers) >= 15
    expected = logits_of(original, inputs)
    assert relative_error(logits_of(quantized([]), inputs), expected) > 1e-4
    assert relative_error(logits_of(quantized(layers), inputs), expected) < 1e-5
    assert find_layers(quantized(layers[1:3])) == [layers[0], *layers[3:]]


@pytest.mark.parametrize("most", [1, 2, 3, 7, 20])
def test_fewest(most: int) -> None:
    for answer in range(1, most + 1):
        tried: list[int] = []

        def holds(count: int, answer: int = answer, tried: list[int] = tried) -> bool:
            tried.append(count)
            return count >= answer

        assert fewest(holds, most) == answer
        assert len(tried) == len(set(tried)) <= 2 * np.log2(most) + 2
    assert fewest(lambda _: False, most) is None
    assert fewest(lambda _: True, 0) is None


def test_held_out_questions(squad: Path) -> None:
    dataset = load_squad(squad)
    calibrated = choose_questions(dataset, count=6, seed=0)
    chosen = hold_out(dataset, calibrated, count=20, seed=0)
    assert len(chosen) == len({question.id for question in chosen.questions}) == 20
    assert not {each.context for each in chosen.questions} & {each.context for each in calibrated}
    assert list(chosen.questions) == [each for each in dataset.questions if each in chosen.questions]
    assert hold_out(dataset, calibrated, count=20, seed=0) == chosen
    assert hold_out(dataset, calibrated, count=20, seed=1) != chosen
    assert len(hold_out(dataset, calibrated, count=99, seed=0)) == 24
    with pytest.raises(ValueError, match="all 30 contexts are calibrated with"):
        hold_out(dataset, dataset.questions, count=1, seed=0)


class StoppedError(Exception):
    """As if the process ended there."""


class Script:
    """In place of measurements: F1 by the number of restored layers, and known sensitivities.

    What takes time is not done: calibration is done once, logits are the sum of the layers' sensitivities.
    """

    def __init__(self, calibrated: ov.Model, monkeypatch: pytest.MonkeyPatch) -> None:
        self.f1: dict[int, float] = {}
        self.measured: list[int] = []
        self.calibrated = 0
        self.stop_at: int | None = None
        self._model = calibrated
        layers = find_layers(calibrated)
        order = np.random.default_rng(7).permutation(len(layers))
        self.sensitivity = {layer: 1 + float(rank) for layer, rank in zip(layers, order, strict=True)}
        self.by_sensitivity = sorted(layers, key=self.sensitivity.__getitem__, reverse=True)
        for name in ("calibrate", "evaluate", "logits_of"):
            monkeypatch.setattr(trials, name, getattr(self, name))
        monkeypatch.setattr(run, "measure_speed", lambda *_, **__: {})

    def calibrate(self, *_: Any, **__: Any) -> ov.Model:
        self.calibrated += 1
        return self._model

    def evaluate(self, reader: Reader, *_: Any, **__: Any) -> Evaluation:
        count = len(self.sensitivity) - len(find_layers(reader.model.model))
        if count == self.stop_at:
            raise StoppedError
        self.measured.append(count)
        f1 = 100 if count == len(self.sensitivity) else self.f1[count]
        scores = Scores(exact_match=f1 / 2, f1=f1, total=20)
        return Evaluation(scores=scores, predictions={}, spans={}, confidence={}, no_answer={}, seconds=1)

    def logits_of(self, model: ov.Model, _: Any) -> Any:
        return np.full((2, 3), sum(map(self.sensitivity.__getitem__, find_layers(model))), np.float32)


@pytest.fixture(scope="module")
def calibrated() -> ov.Model:
    inputs = windows(("input_ids", "attention_mask", "token_type_ids"))
    return calibrate(load_model(TINY).model, inputs, half_range=True)


@pytest.fixture
def script(calibrated: ov.Model, monkeypatch: pytest.MonkeyPatch) -> Script:
    return Script(calibrated, monkeypatch)


def test_as_few_layers_as_hold_the_floor(script: Script, squad: Path, tmp_path: Path) -> None:
    script.f1 = {0: 80, 1: 85, 2: 90, 4: 94.9, 5: 95.1, 7: 99}
    card = quantize_checkpoint(TINY, squad, tmp_path / "int8", config=CONFIG)
    assert script.measured == [15, 0, 1, 2, 4, 7, 5]
    assert card["quantization"]["restored"] == script.by_sensitivity[:5]
    floor = card["floor"]
    assert floor["held"]
    assert (floor["float32"]["f1"], floor["int8"]["f1"]) == (100, 95.1)
    assert [each["restored"] for each in floor["tried"]] == [0, 1, 2, 4, 5, 7]
    assert list(floor["sensitivity"]) == script.by_sensitivity
    assert find_layers(load_model(tmp_path / "int8").model) == [
        layer for layer in script.sensitivity if layer not in script.by_sensitivity[:5]
    ]
    assert json.loads((tmp_path / "int8" / "card.json").read_text()) == card


def test_nothing_is_restored_without_need(script: Script, squad: Path, tmp_path: Path) -> None:
    script.f1 = {0: 95.0}
    card = quantize_checkpoint(TINY, squad, tmp_path / "int8", config=CONFIG)
    assert (script.measured, card["quantization"]["restored"]) == ([15, 0], [])
    assert card["floor"]["sensitivity"] is None


def test_a_floor_that_cannot_be_held(script: Script, squad: Path, tmp_path: Path) -> None:
    script.f1 = {0: 80, 1: 85, 2: 93, 3: 90}
    config = replace(CONFIG, max_restored=3)
    message = (
        r"floor is not held: F1 is 93\.00 at best, 93\.00% of the float32 model's 100\.00, with 2 layers "
        r"restored of 3 at most, and the floor is 95\.00%: .* kept in .*int8\.partial"
    )
    with pytest.raises(ValueError, match=message):
        quantize_checkpoint(TINY, squad, tmp_path / "int8", config=config)
    assert [file.name for file in tmp_path.iterdir()] == ["int8.partial"]
    script.measured.clear()
    card = quantize_checkpoint(TINY, squad, tmp_path / "int8", config=replace(config, keep_best=True))
    assert (script.measured, script.calibrated) == ([], 1)
    assert not card["floor"]["held"]
    assert card["quantization"]["restored"] == script.by_sensitivity[:2]
    assert [file.name for file in tmp_path.iterdir()] == ["int8"]


def test_an_interrupted_run_goes_on(script: Script, squad: Path, tmp_path: Path) -> None:
    script.f1 = {0: 80, 1: 85, 2: 96}
    script.stop_at = 2
    with pytest.raises(StoppedError):
        quantize_checkpoint(TINY, squad, tmp_path / "int8", config=CONFIG)
    assert script.measured == [15, 0, 1]
    assert not (tmp_path / "int8").exists()
    script.stop_at = None
    quantize_checkpoint(TINY, squad, tmp_path / "int8", config=CONFIG)
    assert (script.measured, script.calibrated) == ([15, 0, 1, 2], 1)
    quantize_checkpoint(TINY, squad, tmp_path / "at-once", config=CONFIG)
    weights = [(tmp_path / name / "openvino_model.bin").read_bytes() for name in ("int8", "at-once")]
    assert weights[0] == weights[1]


def contents(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in directory.iterdir()}


def test_another_run_s_work_is_left_alone(script: Script, squad: Path, tmp_path: Path) -> None:
    """It lies beside what other settings made, takes nothing of it, and is there to go on with."""
    script.f1 = {0: 96}
    work = tmp_path / "int8.partial"
    script.stop_at = 0
    for seed in (0, 1):
        with pytest.raises(StoppedError):
            quantize_checkpoint(TINY, squad, tmp_path / "int8", config=replace(CONFIG, seed=seed))
        if seed == 0:
            before = contents(work)
    assert (script.measured, script.calibrated) == ([15, 15], 2)
    after = contents(work)
    assert {name: after[name] for name in before} == before
    assert len(after) > len(before)
    script.stop_at = None
    quantize_checkpoint(TINY, squad, tmp_path / "int8", config=CONFIG)
    assert (script.measured, script.calibrated) == ([15, 15, 0], 2)
    assert [file.name for file in tmp_path.iterdir()] == ["int8"]
    (tmp_path / "other.partial").mkdir()
    (tmp_path / "other.partial" / "letter").touch()
    with pytest.raises(FileExistsError, match=r"not a work directory .*other\.partial"):
        quantize_checkpoint(TINY, squad, tmp_path / "other", config=CONFIG)


def test_two_runs_do_not_meet(script: Script, squad: Path, tmp_path: Path) -> None:
    with (
        ArtifactStore(tmp_path / "int8.partial").locked(),
        pytest.raises(BlockingIOError, match="another process is using this run"),
    ):
        quantize_checkpoint(TINY, squad, tmp_path / "int8", config=CONFIG)
    assert (script.measured, script.calibrated) == ([], 0)


def test_damaged_work_is_said_and_made_anew(script: Script, squad: Path, tmp_path: Path) -> None:
    script.f1 = {0: 96}
    script.stop_at = 0
    with pytest.raises(StoppedError):
        quantize_checkpoint(TINY, squad, tmp_path / "int8", config=CONFIG)
    (scores,) = (tmp_path / "int8.partial").glob("scores-*.json")
    scores.write_text('{"a"')
    script.stop_at = None
    with pytest.warns(RuntimeWarning, match=r"scores-.*\.json: damaged; what was lost is computed again"):
        quantize_checkpoint(TINY, squad, tmp_path / "int8", config=CONFIG)
    assert script.measured == [15, 15, 0]


def test_the_command(script: Script, squad: Path, tmp_path: Path) -> None:
    script.f1 = {0: 80.0, 1: 85.0}
    options = ["--samples", "6", "--held-out", "20", "--floor", "0.9", "--max-restored", "1"]
    command = ["quantize", str(TINY), "--data", str(squad), "-o", str(tmp_path / "int8"), *options]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert result.stderr.startswith("spanjet: the floor is not held: F1 is 85.00 at best")
    result = CliRunner().invoke(app, [*command, "--keep-best"])
    assert (result.exit_code, result.stderr) == (0, "spanjet: below the floor: the best of those tried\n")
    values = dict(line.split("\t") for line in result.stdout.splitlines())
    assert values["floor.int8.f1"] == "85.00"


def test_a_real_floor(squad: Path, tmp_path: Path) -> None:
    card = quantize_checkpoint(TINY, squad, tmp_path / "int8", config=replace(CONFIG, keep_best=True))
    floor = card["floor"]
    assert floor["float32"]["f1"] == 100
    assert (floor["questions"], floor["contexts"], floor["seed"], floor["floor"]) == (20, 20, 0, 0.95)
    tried = {each["restored"]: each["f1"] for each in floor["tried"]}
    count = len(card["quantization"]["restored"])
    assert floor["int8"]["f1"] == tried[count]
    assert floor["held"] == (tried[count] >= 95)
    assert card["quantization"]["restored"] == list(floor["sensitivity"] or {})[:count]
    assert len(find_layers(load_model(tmp_path / "int8").model)) == 15 - count
    assert {file.name for file in tmp_path.iterdir()} == {"int8"}
