"""A whole optimisation: its result, its card, what is kept, what is refused, and kill -9 at any time."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import checkpoints
import numpy as np
import pytest
from optimizing import CHECKPOINT, CONFIG, DATA, TABLE, Made, run, write_inputs
from spanjet import Reader, RuntimeConfig, WindowConfig
from spanjet.compress.optimize import candidates, verify
from spanjet.compress.optimize import run as stages
from spanjet.compress.optimize.card import read_card
from spanjet.compress.optimize.config import OptimizeConfig
from spanjet.compress.optimize.optimize import optimize_checkpoint
from spanjet.compress.optimize.splits import Splits
from spanjet.compress.optimize.time_estimate import Probe, plan_run
from spanjet.compress.optimize.verify import compare_speed
from spanjet.compress.prune.network import Network
from spanjet.compress.quantize.mixed_precision import find_layers
from spanjet.evaluate import evaluate, load_squad
from spanjet.measure.progress import OnStep, ignore_step
from spanjet.model import load_model
from spanjet.model.layer_shape import LayerShape


def test_the_model_is_what_the_card_says(made: Made) -> None:
    directory, card = made
    found = card["optimization"]
    assert read_card(directory / "out") == json.loads(json.dumps(card))
    (layer,) = found["layers"]
    assert (layer["heads"], layer["units"]) != (4, 64)
    loaded = load_model(directory / "out")
    constants = {
        node.get_friendly_name(): node for node in Network.load(directory / "export").build().get_ops()
    }
    assert constants["encoder.layer.0.attention.query.weight"].data.shape == (8 * layer["heads"], 32)
    assert len(find_layers(loaded.model)) == 7 + 1
    (kept,) = found["kept"]
    assert {name: len(places) for name, places in kept.items()} == layer
    start, smaller = (Network.load(directory / name).tensors for name in (CHECKPOINT, "export"))
    name = "encoder.layer.0.intermediate.dense.weight"
    assert np.array_equal(smaller[name], start[name][kept["units"]])
    assert found["latency"]["curves"]["heads"]["seconds"] == TABLE.curves["heads"].seconds


def test_the_front(made: Made) -> None:
    found = made[1]["optimization"]
    budgets = [point["budget"] for point in found["front"]]
    assert budgets == sorted(budgets, reverse=True)
    assert budgets[0] == 1
    assert len(budgets) >= 3
    assert all(point["predicted"] <= point["budget"] for point in found["front"])
    assert all(point["measured"] > 0 for point in found["front"])
    holding = [point for point in found["front"] if point["f1"] >= found["least_f1"]]
    assert found["chosen"] == min(holding, key=lambda point: point["predicted"])
    assert found["held"]
    assert found["held_out"]["float32"]["f1"] == 100
    assert found["held_out"]["optimized"]["f1"] == found["chosen"]["f1"]
    assert found["held_out"]["questions"] == CONFIG.held_out
    assert made[1]["evaluation"]["questions"] == 30
    assert set(made[1]["evaluation"]) >= {"float32", "plain", "optimized"}
    assert made[1]["speed"]["optimized_over_plain"] > 0
    assert set(made[1]["operations"]) == {"plain", "optimized"}
    assert made[1]["run"]["peak_megabytes"] > 10


def test_a_round_has_as_many_questions_as_it_has_seconds_for(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, _ = made
    model, questions = load_model(directory / "out"), load_squad(directory / DATA).questions * 2
    timed = {}
    for seconds in (1e-9, 1e9):
        monkeypatch.setattr(verify, "_SECONDS", seconds)
        timed[seconds] = compare_speed(model, model, questions, WindowConfig())["windows"]
    assert timed == {1e-9: 32, 1e9: 60}


def test_the_export_answers_like_the_model(made: Made) -> None:
    """A checkpoint that can be loaded, quantized and optimised again."""
    directory, card = made
    dataset = load_squad(directory / DATA)
    runtime = RuntimeConfig(precision="f32", cache_dir=None)
    scores = [
        evaluate(Reader(directory / name, runtime_config=runtime), dataset).scores.f1
        for name in ("export", "out")
    ]
    assert abs(scores[0] - scores[1]) < 15
    assert load_model(directory / "export").architecture == "bert"
    config = json.loads((directory / "export" / "config.json").read_text())
    assert config["spanjet"]["layers"] == card["optimization"]["layers"]
    assert json.loads((directory / "out" / "config.json").read_text()) == config


def test_another_floor_takes_what_is_there(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is measured or fitted again; a budget in the floor's place chooses among all."""
    directory, card = made

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError

    for name in ("OneShot", "distil", "quantize_network"):
        monkeypatch.setattr(candidates, name, refuse)
    config = replace(CONFIG, floor=0.01, bisections=0)
    other = run(directory, tmp_path / "low", work=directory / "out.stages", config=config)
    assert other["optimization"]["chosen"]["budget"] == 0.5
    assert other["optimization"]["latency"] == card["optimization"]["latency"]
    least = r"budget is 0\.001; expected more than 0\.\d+, the share of the time that what cannot be pruned"
    config = replace(CONFIG, budget=0.001)
    with pytest.raises(ValueError, match=least):
        run(directory, tmp_path / "none", work=directory / "out.stages", config=config)
    config = replace(CONFIG, budget=0.8)
    other = run(directory, tmp_path / "budget", work=directory / "out.stages", config=config)
    assert [point["budget"] for point in other["optimization"]["front"]] == [1, 0.8]
    assert other["optimization"]["chosen"]["budget"] == 0.8
    assert (tmp_path / "low" / "openvino_model.bin").read_bytes() != (
        tmp_path / "budget" / "openvino_model.bin"
    ).read_bytes()


@pytest.fixture(scope="module")
def two_layers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("two-layers")
    write_inputs(directory, layers=2)
    return directory


@pytest.mark.parametrize(("name", "training"), [("distil", 6), ("refit", 0)])
def test_what_answers_worse_is_not_kept(
    made: Made, monkeypatch: pytest.MonkeyPatch, name: str, training: int
) -> None:
    """Whether it was trained, or fitted layer by layer: then a run takes nothing that was trained."""

    def ruined(_: Network, start: Network, *__: Any, **___: Any) -> Network:
        name = "qa_outputs.weight"
        return start.with_tensors({name: -start.tensors[name]})

    monkeypatch.setattr(candidates, name, ruined)
    directory, out = made[0], f"guarded-{name}"
    config = replace(CONFIG, training=training)
    run(
        directory,
        directory / out,
        config=config,
        work=directory / f"{out}-work",
        export=directory / f"{out}-export",
    )
    start, kept = (
        Network.load(directory / path).tensors["qa_outputs.weight"] for path in (CHECKPOINT, f"{out}-export")
    )
    assert np.array_equal(kept, start)


def test_layers_fitted_one_after_another(two_layers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without training: layers of different shapes, quantized, described and written."""
    shapes = (LayerShape(3, 64), LayerShape(1, 32))
    monkeypatch.setattr(stages.OptimizationRun, "shapes", lambda *_: shapes)
    seen: list[str] = []

    @contextmanager
    def progress(name: str) -> Iterator[OnStep]:
        seen.append(name)
        yield ignore_step

    config = replace(CONFIG, budget=0.7, training=0)
    out, export = two_layers / "fitted", two_layers / "fitted-export"
    card = run(two_layers, out, config=config, progress=progress, export=export)
    assert "rebuild" in seen
    assert "train" not in seen
    assert card["optimization"]["method"].endswith("fitted layer by layer")
    assert card["optimization"]["layers"] == [{"heads": 3, "units": 64}, {"heads": 1, "units": 32}]
    assert Network.load(export).shapes == shapes
    text = "the city was on a river by the king"
    for path in (out, export):
        answer = Reader(path, runtime_config=RuntimeConfig(cache_dir=None)).ask("who was there", text)
        assert text[answer.start : answer.end] == answer.text


def test_bars_move_forward(two_layers: Path) -> None:
    seen: dict[str, list[tuple[int, int | None]]] = {}

    @contextmanager
    def progress(name: str) -> Iterator[Callable[[int, int | None], None]]:
        seen.setdefault(name, [])
        yield lambda done, total: seen[name].append((done, total))

    config = replace(CONFIG, budget=0.7, trials=0)
    card = run(two_layers, two_layers / "bars", config=config, progress=progress)
    assert card["optimization"]["chosen"]["predicted"] <= 0.7
    assert {"activations", "curvature", "orders", "cost of cuts", "train"} <= set(seen)
    for steps in seen.values():
        assert [done for done, _ in steps] == sorted(done for done, _ in steps)
        assert all(total is None or done <= total for done, total in steps)


def test_killed_at_any_time(tmp_path: Path) -> None:
    """Before operations on its files and at random moments: the model is the same in every bit."""
    write_inputs(tmp_path)
    script = Path(__file__).parents[1] / "support" / "optimize_crashes.py"
    command = [sys.executable, "-W", "ignore", str(script), str(tmp_path), "5"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 3


def shortened(directory: Path) -> None:
    content = json.loads((directory / DATA).read_text())
    content["data"][0]["paragraphs"] = content["data"][0]["paragraphs"][:10]
    (directory / DATA).write_text(json.dumps(content))


def other_architecture(directory: Path) -> None:
    shutil.rmtree(directory / CHECKPOINT)
    checkpoints.copy("deberta-v3", directory / CHECKPOINT)


def foreign_work(directory: Path) -> None:
    (directory / "new.stages").mkdir()
    (directory / "new.stages" / "letter").touch()


@pytest.mark.parametrize(
    ("edit", "error", "message"),
    [
        (shortened, ValueError, "all 10 contexts are calibrated with"),
        (
            other_architecture,
            ValueError,
            "layers of deberta-v2 models cannot be cut, expected one of .*bert",
        ),
        (foreign_work, FileExistsError, "not a work directory"),
        (lambda directory: (directory / "new").mkdir(), FileExistsError, "exists already"),
        (lambda directory: (directory / DATA).unlink(), FileNotFoundError, "train.json"),
    ],
)
def test_refused(
    made: Made,
    tmp_path: Path,
    edit: Callable[[Path], None],
    error: type[Exception],
    message: str,
) -> None:
    """Before any work is done."""
    for name in (CHECKPOINT, DATA):
        (shutil.copytree if name == CHECKPOINT else shutil.copyfile)(made[0] / name, tmp_path / name)
    edit(tmp_path)
    with pytest.raises(error, match=message):
        run(tmp_path, tmp_path / "new")
    assert not (tmp_path / "new" / "card.json").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"export": "new"}, "export is .*new, which is also the output"),
        ({"work": "new"}, "work is .*new, which is also the output"),
        ({"export": "other", "work": "other"}, "export is .*other, which is also work"),
    ],
)
def test_outputs_that_are_one_directory(
    made: Made, tmp_path: Path, options: dict[str, str], message: str
) -> None:
    paths: dict[str, Any] = {name: tmp_path / value for name, value in options.items()}
    with pytest.raises(ValueError, match=message):
        optimize_checkpoint(made[0] / CHECKPOINT, made[0] / DATA, tmp_path / "new", **paths)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"floor": 1.1}, "floor is 1.1; expected a share"),
        ({"budget": 0.0}, "budget is 0.0; expected a share"),
        ({"budgets": (0.5, 1.0)}, "expected shares of the time between 0 and 1"),
        ({"samples": 7}, "samples is 7; expected an integer of at least 8"),
        ({"training": -1}, "training is -1; expected an integer of at least 0"),
        ({"trials": -1}, "trials is -1; expected an integer of at least 0"),
        ({"cpu": "arm"}, "cpu is 'arm'"),
    ],
)
def test_settings(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OptimizeConfig(**values)


def test_splits_share_no_context(made: Made) -> None:
    dataset = load_squad(made[0] / DATA)
    splits = Splits.choose(dataset, CONFIG)
    parts = [splits.samples, splits.validation, splits.search, splits.held_out.questions]
    assert [len(part) for part in parts] == [8, 2, 3, 12]
    contexts: list[set[str]] = [{question.context for question in part} for part in parts]
    assert sum(map(len, contexts)) == len(set.union(*contexts))
    trained = {question.context for question in splits.training}
    assert len(splits.training) == CONFIG.training
    assert not any(trained & part for part in contexts[1:])
    assert Splits.choose(dataset, CONFIG) == splits
    assert Splits.choose(dataset, replace(CONFIG, seed=1)) != splits


def test_plan() -> None:
    """More work takes longer; a faster machine is faster."""
    config = OptimizeConfig()
    plan = plan_run(Probe(rate=30, compiling=0.5), config, layers=6)
    assert plan.seconds == pytest.approx(sum(step.seconds for step in plan.steps))
    assert 300 < plan.seconds < 3600
    for more in (
        replace(config, trials=100),
        replace(config, samples=2000),
        replace(config, held_out=9000),
        replace(config, training=9000),
        replace(config, training=0, samples=2000),
    ):
        assert plan_run(Probe(rate=30, compiling=0.5), more, layers=6).seconds > plan.seconds
    one = plan_run(Probe(rate=30, compiling=0.5), replace(config, budget=0.6), layers=6)
    assert any("fit, quantize and measure 2 models" in step.name for step in one.steps)
    assert one.seconds < plan.seconds / 2
    assert plan_run(Probe(rate=60, compiling=0.5), config, layers=6).seconds < plan.seconds
    assert plan_run(Probe(rate=30, compiling=0.5), config, layers=12).seconds > plan.seconds
