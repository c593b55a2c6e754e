"""`spanjet mlperf`: its three commands, and one line for what goes wrong."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from mlperf_runs import SMALL, SQUAD, SQUAD2, TINY, with_card
from spanjet.bench.mlperf.loadgen import estimate
from spanjet.bench.mlperf.table import measure
from spanjet.cli import app
from spanjet.cli import mlperf as command
from spanjet.model import random_weights
from spanjet.model.layer_shape import LayerShape
from typer.testing import CliRunner


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(estimate, "SECONDS", 0.05)
    monkeypatch.setattr(measure, "SHORTEST", 0.01)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def run(*arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the command."""
    result = CliRunner().invoke(app, ["mlperf", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_one_scenario(tmp_path: Path) -> None:
    arguments = (TINY, "--squad", SQUAD, "--scenario", "SingleStream", "--short", "--seconds", "0.2")
    code, out, error = run(*arguments)
    assert code == 0, error
    lines = dict(line.split("\t") for line in out.splitlines())
    assert lines["scenario"] == "SingleStream"
    assert lines["LoadGen.90th percentile latency"].endswith(" ms")
    assert float(lines["accuracy.f1"]) >= 0
    assert "NOT VALID: not the MLPerf data set: 20 questions" in error
    assert "a short run of 0.2 s; expected 600 s" in error
    assert (tmp_path / "mlperf-tiny-bert-SingleStream" / "result.json").is_file()
    code, _, error = run(*arguments)
    assert (code, "exists already" in error) == (2, True)
    code, out, _ = run("run", *arguments, "--overwrite", "--json", "--mode", "performance")
    assert code == 0
    assert json.loads(out)["accuracy"] is None


def test_options_of_a_run(tmp_path: Path) -> None:
    arguments = ("--squad", SQUAD, "--short", "--seconds", "0.1", TINY, "--out", "runs/offline", "--json")
    code, out, error = run(*arguments, "--target-qps", "30", "--threads", "1", "--test01")
    assert code == 0, error
    found = json.loads(out)
    assert found["scenario"] == "Offline"
    assert found["settings"]["load"]["target_qps"] == 30
    assert found["settings"]["runtime"]["threads"] == "1"
    assert found["test01"]["mismatches"] == 0
    code, out, _ = run(
        TINY,
        "--squad",
        SQUAD,
        "--mode",
        "accuracy",
        "--scenario",
        "MultiStream",
        "--short",
        "--target-latency",
        "9",
    )
    assert code == 0
    assert "LoadGen" not in out
    load = json.loads((tmp_path / "mlperf-tiny-bert-MultiStream" / "result.json").read_text())["settings"][
        "load"
    ]
    assert load["target_latency"] == 9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--squad", SQUAD], "nowhere: no such directory"),
        ([TINY, "--squad", "nowhere.json"], "nowhere.json: No such file"),
        ([TINY, "--squad", TINY / "vocab.txt"], "vocab.txt: not JSON"),
        ([TINY, "--squad", SQUAD2], "expected SQuAD v1.1"),
        ([TINY, "--squad", SQUAD, "--out", TINY / "vocab.txt" / "run"], "vocab.txt: no such directory"),
        ([TINY, "--squad", SQUAD, "--scenario", "Interactive"], "scenario is 'Interactive'"),
        ([TINY, "--squad", SQUAD, "--mode", "fast"], "mode is 'fast'"),
        ([TINY, "--squad", SQUAD, "--seconds", "5"], "--seconds is given without --short"),
        (["table", "--squad", SQUAD, "--json", SQUAD], "v1.1.json: is also the input"),
        (["table", "--squad", SQUAD, "--json", "x", "--markdown", "./x"], "is given for two outputs"),
        (["submission", "--out", "x", "--submitter", "us", "."], "no result.json"),
        (["table", "nowhere", "--squad", SQUAD], "nowhere: no such directory"),
        (["table", "--squad", SQUAD, "--html", "no/x.html"], "no such directory"),
        (["table", "--squad", SQUAD, "--baseline", "bert-huge"], "--baseline is 'bert-huge'"),
        (["table", "--squad", SQUAD, "--random", "small"], "--random is 'small'; expected bert-base"),
        (["table", "--squad", SQUAD, "--rounds", "0"], "rounds is 0"),
        (["table", "--squad", SQUAD, "--seconds", "0"], "--seconds is 0.0"),
    ],
)
def test_what_goes_wrong_is_said_in_one_line(
    tmp_path: Path, arguments: list[str | Path], message: str
) -> None:
    code, out, error = run(*arguments)
    assert (code, out) == (2, "")
    assert message in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] in ([], ["cache"])


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlperf_loadgen", None)
    for arguments in ((TINY, "--squad", SQUAD), ("table", "--squad", SQUAD)):
        code, _, error = run(*arguments)
        assert code == 1
        assert "pip install 'spanjet[mlperf]'" in error


def test_submission(tmp_path: Path) -> None:
    model = with_card(tmp_path / "model")
    code, _, error = run(model, "--squad", SQUAD, "--short", "--seconds", "0.1", "--out", "one")
    assert code == 0, error
    options = ("--submitter", "us", "--system", "here", "--out", "folder")
    code, out, _ = run("submission", "one", *options)
    assert code == 0
    assert out.startswith("tiny, Offline\tnot the MLPerf data set")
    assert (tmp_path / "folder" / "open" / "us" / "systems" / "here.json").is_file()
    code, out, _ = run("submission", "one", *options, "--overwrite", "--json")
    assert json.loads(out)["runs"][0]["benchmark"] == "tiny"
    code, _, error = run("submission", "one", *options, "--overwrite", "--division", "closed")
    assert code == 2
    assert "the closed division expects at least 89.965" in error


def test_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setitem(random_weights.SHAPES, "bert-base", SMALL)
    cut = replace(SMALL, pruned=LayerShape(heads=2, units=96))
    monkeypatch.setitem(random_weights.SHAPES, "base-6x1536", cut)
    monkeypatch.setattr(command, "BUNDLED_MODEL", TINY)
    cache = tmp_path_factory.getbasetemp() / "mlperf"
    options = (
        "--baseline",
        "bert-base",
        "--random",
        "base-6x1536",
        "--rounds",
        "1",
        "--seconds",
        "0.1",
        "--no-accuracy",
        "--threads",
        "1",
    )
    files = ("--markdown", "table.md", "--json", "table.json", "--html", "table.html")
    model = with_card(tmp_path / "model")
    code, out, error = run("table", model, "--squad", SQUAD, "--cache", cache, *options, *files)
    assert code == 0, error
    assert len(list(cache.iterdir())) == 2
    assert "base-6x1536 INT8 (architecture only)" in out
    assert "pruning" not in out  # a step from the bundled model, of which it is no part
    assert "tiny-bert (bundled)\t" in out
    assert "bert-base INT8, our schedule (architecture only)" in out
    found = json.loads((tmp_path / "table.json").read_text())
    assert [row["f1"] for row in found["rows"]] == [None] * 5
    assert found["rounds"] == 1
    assert found["runtime"]["threads"] == "1"
    assert "| tiny |" in (tmp_path / "table.md").read_text()
    assert "Configuration Details" in (tmp_path / "table.html").read_text()


def test_where_the_baseline_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []

    def make(directory: Path, **_: object) -> None:
        asked.append(directory)
        raise ValueError("no more")

    monkeypatch.setattr(command, "random_int8", make)
    for options in ((), ("--cache", "there")):
        assert run("table", "--squad", SQUAD, *options)[0] == 2
    assert asked == [tmp_path / "cache" / "spanjet" / "mlperf", Path("there")]
    monkeypatch.setattr(command, "default_cache_dir", lambda: None)
    code, _, error = run("table", "--squad", SQUAD)
    assert (code, "expected --cache DIR" in error) == (2, True)


def test_a_command_comes_before_a_model() -> None:
    """A directory that is called like a command has to be given with its path."""
    code, _, error = run("table")
    assert (code, "--squad" in error) == (2, True)
    code, _, error = run("./table", "--squad", SQUAD)
    assert "table: no such directory" in error
    code, out, _ = run("--help")
    assert (code, "submission" in out) == (0, True)
