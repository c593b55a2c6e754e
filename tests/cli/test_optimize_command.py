"""`spanjet optimize`: with and without the name of its first command, its options and errors."""

import json
from pathlib import Path
from typing import Any

import pytest
from optimizing import CHECKPOINT, DATA, Made
from spanjet.cli import app
from spanjet.cli import optimize as command_module
from spanjet.compress.optimize.config import OptimizeConfig
from spanjet.compress.optimize.time_estimate import Plan, Step
from typer.testing import CliRunner

CARD = {
    "name": "out",
    "optimization": {"held": True, "layers": [{"heads": 3, "units": 64}], "held_out": {"questions": 5}},
    "evaluation": None,
    "speed": {"optimized_over_plain": 1.5},
    "run": {"seconds": 9, "peak_megabytes": 100.0},
}


class Calls:
    """In the place of `optimize_checkpoint`."""

    def __init__(self, *, held: bool = True) -> None:
        self.arguments: tuple[Any, ...] = ()
        self.options: dict[str, Any] = {}
        self.held = held

    def __call__(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        self.arguments, self.options = arguments, options
        options["on_plan"](Plan((Step("read activations", 75), Step("verify", 30))))
        return {**CARD, "optimization": {**CARD["optimization"], "held": self.held}}  # type: ignore[dict-item]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    calls = Calls()
    monkeypatch.setattr(command_module, "optimize_checkpoint", calls)
    return calls


@pytest.mark.parametrize("name", [[], ["run"]])
def test_the_first_command_needs_no_name(calls: Calls, name: list[str]) -> None:
    result = CliRunner().invoke(app, ["optimize", *name, "MODEL", "--data", "train.json", "-o", "out"])
    assert result.exit_code == 0, result.output
    assert calls.arguments == ("MODEL", Path("train.json"), Path("out"))
    assert calls.options["config"] == OptimizeConfig()
    values = dict(line.split("\t") for line in result.stdout.splitlines())
    assert values["layers.0"] == "3 heads, 64 units"
    assert values["speed.optimized_over_plain"] == "1.50"
    assert result.stderr.splitlines()[0].split() == ["0:01:15", "read", "activations"]
    assert "0:01:45  in all" in result.stderr


def test_every_option_arrives(calls: Calls) -> None:
    options = {
        "--floor": "0.97", "--budget": "0.6", "--trials": "5", "--samples": "64", "--held-out": "50",
        "--training": "700", "--hours": "1.5", "--embedding-precision": "int4",
        "--seed": "3", "--cpu": "vnni", "--work": "w", "--export": "e", "--eval": "dev.json",
        "--license": "MIT", "--data": "t.json", "--held-out-data": "h.json",
    }  # fmt: skip
    flags = [part for pair in options.items() for part in pair]
    command = ["optimize", *flags, "--keep-best", "--overwrite", "MODEL", "-o", "out"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert calls.options["config"] == OptimizeConfig(
        floor=0.97,
        budget=0.6,
        trials=5,
        samples=64,
        training=700,
        hours=1.5,
        held_out=50,
        seed=3,
        cpu="vnni",
        keep_best=True,
        embedding_precision="int4",
    )
    names = ("work", "export", "evaluation", "held_out_data", "license_name", "overwrite")
    assert {name: calls.options[name] for name in names} == {
        "work": Path("w"),
        "export": Path("e"),
        "evaluation": Path("dev.json"),
        "held_out_data": Path("h.json"),
        "license_name": "MIT",
        "overwrite": True,
    }


def test_a_missed_floor_is_told(calls: Calls) -> None:
    calls.held = False
    result = CliRunner().invoke(
        app, ["optimize", "MODEL", "--data", "train.json", "-o", "out", "--keep-best"]
    )
    assert result.exit_code == 0
    assert result.stderr.endswith("spanjet: below the floor: the best of those tried\n")


def test_help() -> None:
    result = CliRunner().invoke(app, ["optimize", "--help"])
    assert result.exit_code == 0
    for name in ("run", "report", "verify"):
        assert name in result.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--floor", "2"], "floor is 2.0; expected a share of the F1"),
        (["--budget", "0"], "budget is 0.0; expected a share of the time"),
        ([], "nowhere: no such directory"),
    ],
)
def test_errors(tmp_path: Path, options: list[str], message: str) -> None:
    command = [
        "optimize",
        str(tmp_path / "nowhere"),
        "--data",
        "t.json",
        "-o",
        str(tmp_path / "out"),
        *options,
    ]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert message in result.stderr


def test_report_and_verify(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = made[0]
    page, picture = tmp_path / "page.html", tmp_path / "page.png"
    command = ["optimize", "report", str(directory / "out"), "-o", str(page), "--png", str(picture)]
    assert CliRunner().invoke(app, command).exit_code == 0
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert picture.stat().st_size > 1000
    assert CliRunner().invoke(app, ["optimize", "report", str(directory / "out")]).exit_code == 0
    assert (directory / "out.html").read_text() == page.read_text()
    (directory / "out.html").unlink()
    monkeypatch.chdir(directory / "out")
    assert CliRunner().invoke(app, ["optimize", "report", "."]).exit_code == 0
    assert (directory / "out.html").read_text() == page.read_text()
    command = ["optimize", "verify", str(directory / "out"), "--data", str(directory / DATA), "--json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["repeated"]
    result = CliRunner().invoke(app, ["optimize", "report", str(directory / CHECKPOINT)])
    assert result.exit_code == 2
    assert "card.json" in result.stderr
