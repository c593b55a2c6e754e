"""The table, the page and the command of `spanjet bench`."""

import builtins
import json
import re
import sys
from dataclasses import replace
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from html_pages import Page
from spanjet import RuntimeConfig
from spanjet.bench import BenchConfig, BenchResult, built_in, run_bench
from spanjet.bench.report import page, table
from spanjet.bench.report.latency_plot import latency_plot
from spanjet.bench.report.operations_plot import operations_plot
from spanjet.bench.result import Measurement
from spanjet.cli import app
from spanjet.cli.terminal.bench_table import PIPED_COLUMNS, show_bench
from spanjet.measure import html
from spanjet.measure.rounds import Turn
from typer.testing import CliRunner

TINY = Path(__file__).parents[1] / "golden" / "tiny-bert"


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing goes into the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module")
def result() -> BenchResult:
    config = BenchConfig(limit=8, rounds=2, single_questions=3, document_questions=2, document_tokens=200)
    runtime = RuntimeConfig(cache_dir=None)
    return run_bench(TINY, built_in(8, 0), data="<a & test>", config=config, runtime=runtime)


@pytest.fixture(scope="module")
def found(result: BenchResult) -> Page:
    return Page(page.render_page(result))


def test_page_is_whole(found: Page, result: BenchResult) -> None:
    assert found.open == []
    text = " ".join(" ".join(found.words).split())
    assert "<a & test>" in text
    for _, rows in groupby(result.rows(), key=lambda row: row.section):
        for cells in table.written(list(rows)):
            assert all(cell in text for cell in cells)
    for value in (*result.machine.values(), "runtime.batch_tokens", "default"):
        assert value in text


def test_page_needs_no_other_file(found: Page) -> None:
    for tag, attributes in found.tags:
        assert tag not in {"script", "link", "img", "iframe"}
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#")


def test_plots_are_accessible(found: Page) -> None:
    ids = [attributes["id"] for _, attributes in found.tags if attributes.get("id")]
    assert len(ids) == len(set(ids)), "ids are unique in the page"
    drawings = [attributes for tag, attributes in found.tags if tag == "svg"]
    assert len(drawings) == 2
    for attributes in drawings:
        assert attributes["role"] == "img"
        assert set((attributes["aria-labelledby"] or "").split()) <= set(ids)
    references = {
        name for _, attributes in found.tags for name in re.findall(r"url\(#([^)]+)\)", str(attributes))
    }
    assert references
    assert references <= set(ids)


def test_plots_have_their_numbers(result: BenchResult) -> None:
    assert result.latency is not None
    found = latency_plot(result.latency)
    sides = ("answers", "inference")
    assert found.rows[1] == ("p90", *(f"{result.latency.percentile(90, side):.2f}" for side in sides))
    assert f"{result.latency.questions} single questions" in found.caption


def test_operations_are_plotted(result: BenchResult) -> None:
    found = result.operations
    assert found is not None
    drawn = operations_plot(found)
    assert len(drawn.rows) == len(found.operations)
    assert f"{found.batches} batches" in drawn.caption
    svg = drawn.svg
    for part in found.by_part():
        assert part.name in svg
        assert f"{100 * part.share:.1f} %" in svg
    assert "var(--second)" in svg
    assert "#0" not in svg


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12345.6, "12,346"),
        (99.96, "100.0"),
        (12.34, "12.3"),
        (5.058, "5.06"),
        (0.9984, "0.998"),
        (-3.6, "-3.60"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert table.number(value) == text


def test_numbers_of_a_unit_have_the_same_decimals() -> None:
    rows = [
        Measurement("x", "fast", "ms", 9.876),
        Measurement("x", "slow", "ms", 123.456),
        Measurement("x", "share", "%", 0.0333, -1.908, 14.27),
        Measurement("x", "rate", "questions/s", 99.96, 62.0, 183.7),
    ]
    assert table.written(rows) == [
        ("fast", "9.88", "", "ms"),
        ("slow", "123.46", "", "ms"),
        ("share", "0.0", "-1.9 to 14.3", "%"),
        ("rate", "100.0", "62.0 to 183.7", "questions/s"),
    ]


def test_rounds_that_disagree_are_said(result: BenchResult, monkeypatch: pytest.MonkeyPatch) -> None:
    """A median of rounds that disagree is an accident; the ratios still count."""
    even, odd = [Turn(1.0, 1.0)] * 4, [Turn(1.0, 1.0), Turn(1.35, 1.0)] * 2
    steady, busy = (
        replace(
            result,
            throughput=replace(
                result.throughput, turns=dict.fromkeys(("answers", "stream", "inference"), turns)
            ),
        )
        for turns in (even, odd)
    )
    assert steady.warnings() == []
    assert "Unsteady" not in page.render_page(steady)
    assert len(busy.warnings()) == 2
    assert busy.as_dict()["warnings"] == busy.warnings()
    words = " ".join(" ".join(Page(page.render_page(busy)).words).split())
    assert "the rounds disagree about text to answers: a quarter of them is below" in words
    monkeypatch.setattr(import_module("spanjet.cli.bench"), "run_bench", lambda *_, **__: busy)
    code, _, error = run()
    assert code == 0
    assert [line.partition(":")[0] for line in error.splitlines()] == ["spanjet"] * 2
    assert "the rounds disagree about inference alone" in error


def test_sections_are_rows_so_that_narrow_pages_show_the_numbers(found: Page) -> None:
    assert "rowspan" not in str(found.tags)
    spans = [attributes for tag, attributes in found.tags if attributes.get("scope") == "rowgroup"]
    assert spans
    assert {attributes["colspan"] for attributes in spans} == {"4"}


def test_table_when_piped(result: BenchResult, capsys: pytest.CaptureFixture[str]) -> None:
    show_bench(result)
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == list(PIPED_COLUMNS)
    assert len(lines) == len(result.rows()) + 1
    assert {len(line) for line in lines} == {len(PIPED_COLUMNS)}
    assert float(lines[1][2]) == pytest.approx(result.rows()[0].value, rel=1e-4)


def test_table_on_a_terminal(
    result: BenchResult, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "100")
    show_bench(result)
    text = capsys.readouterr().out
    assert "\t" not in text
    assert text.count("single questions") == 1
    assert all(row.name in text for row in result.rows())
    monkeypatch.setenv("COLUMNS", "40")
    show_bench(result)
    narrow = capsys.readouterr().out
    for _, rows in groupby(result.rows(), key=lambda row: row.section):
        assert all(median in narrow for _, median, _, _ in table.written(list(rows)))


def run(*arguments: str | Path) -> tuple[int, str, str]:
    found = CliRunner().invoke(app, ["bench", *map(str, arguments)])
    return found.exit_code, found.stdout, found.stderr


QUICK = (
    "--rounds",
    "1",
    "--single-questions",
    "2",
    "--document-questions",
    "1",
    "--document-tokens",
    "50",
)


def test_command(tmp_path: Path, data: Path) -> None:
    json_file, html_file = tmp_path / "found.json", tmp_path / "found.html"
    squad = data / "squad" / "v1.1.json"
    code, out, error = run(
        TINY,
        "--squad",
        squad,
        "--limit",
        "5",
        *QUICK,
        "--json",
        json_file,
        "--html",
        html_file,
        "--batch-tokens",
        "512",
    )
    assert (code, error) == (0, "")
    assert out.startswith("section\tmeasure\t")
    # In bfloat16 on CPUs that have it.
    assert re.search(r"time by operation\tFullyConnected, b?f(32|16)\t", out)
    values = json.loads(json_file.read_text(encoding="utf-8"))
    assert values["data"] == "v1.1.json"
    assert values["throughput"]["questions"] == 5
    assert values["settings"]["runtime"]["batch_tokens"] == 512
    assert Page(html_file.read_text(encoding="utf-8")).open == []


def test_command_without_data() -> None:
    few = ("--single-questions", "0", "--document-questions", "0", "--no-operations")
    code, out, error = run(TINY, "--limit", "4", "--rounds", "1", *few)
    assert (code, error) == (0, "")
    assert "time by operation" not in out
    assert "4 questions\ttext to answers\t" in out
    assert "single questions" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["/no/such"], "/no/such: no such directory"),
        (["--squad", "nowhere.json"], "nowhere.json: No such file or directory"),
        (["--json", "/nowhere/x.json"], "/nowhere: no such directory"),
        (["--html", "/"], "/: is a directory"),
        (["--streams", "0"], "--streams is 0; expected an integer of at least 1"),
    ],
)
def test_bad_input(arguments: list[str], message: str) -> None:
    code, out, error = run(*arguments)
    assert (code, out) == (2, "")
    assert error == f"spanjet: {message}\n"


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(html, "find_spec", lambda name: None if name == "jinja2" else builtins)
    code, out, error = run("--html", tmp_path / "x.html")
    assert (code, out) == (1, "")
    assert error == "spanjet: the HTML page needs jinja2: pip install 'spanjet[report]'\n"


def test_pages_are_imported_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table works where Matplotlib is not installed."""
    blocked: dict[str, Any] = dict.fromkeys(("matplotlib", "jinja2"))
    for name, value in blocked.items():
        monkeypatch.setitem(sys.modules, name, value)
    code, _, error = run(
        TINY, "--limit", "2", "--rounds", "1", "--single-questions", "0", "--document-questions", "0"
    )
    assert (code, error) == (0, "")
