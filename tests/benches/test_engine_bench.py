"""The code of the engines' table, on a few questions: with ours, and with engines that misbehave."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from rich.console import Console
from spanjet.bench import built_in
from spanjet.evaluate import SquadDataset
from spanjet.runtime.machine import affinity

sys.path.insert(0, str(Path(__file__).parents[2]))
from benches.engine import __main__ as command
from benches.engine import report, rounds
from benches.engine.contestants import Contestant, OptimumIntel, Pairs, Spanjet, Transformers
from benches.engine.rounds import Effort, Entry, Line, measure
from benches.engine.worker import FailedError, Turn, Worker

TINY = Path(__file__).parents[1] / "golden" / "tiny-bert"
QUICK = Effort(rounds=2, keep=3.0, patience=60.0)


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing goes into the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module")
def dataset() -> SquadDataset:
    return built_in(6, 0)


class Peer(Contestant):
    """Answers with the first words of the context, and is slow in one of its settings."""

    package = "pytest"
    settings: ClassVar[Mapping[str, Mapping[str, Any]]] = {"quick": {}, "slow": {}}

    def load(self) -> None:
        print("noise that belongs in no table")

    def answers(self, pairs: Pairs, setting: str) -> list[str]:
        time.sleep(0.5 if setting == "slow" else 0.05)
        return [context[:10] for context in pairs[1]]


class Missing(Peer):
    def load(self) -> None:
        raise ModuleNotFoundError("No module named 'missing'", name="missing")


class Crashing(Peer):
    def answers(self, pairs: Pairs, setting: str) -> list[str]:
        os._exit(7)


class Raising(Peer):
    def answers(self, pairs: Pairs, setting: str) -> list[str]:
        if setting == "slow":
            raise OverflowError("too\nlong")
        return super().answers(pairs, setting)


class Hanging(Peer):
    def answers(self, pairs: Pairs, setting: str) -> list[str]:
        time.sleep(60)
        return []


def entry_of(contestant: type[Contestant], dataset: SquadDataset, effort: Effort = QUICK) -> Entry:
    entry = Entry(contestant, "FP32", TINY)
    measure([entry], dataset, 1, effort)
    return entry


def test_ours_is_measured_and_scored(dataset: SquadDataset) -> None:
    entry = entry_of(Spanjet, dataset, Effort(rounds=2, keep=100.0, patience=120.0))
    assert [line.setting for line in entry.lines] == ["stream", "ask_many"]
    assert not entry.failure
    for line in entry.lines:
        assert not line.failure
        assert len(line.turns) == 2
        assert line.f1 is not None
        assert line.first is not None
        assert all(turn.wall > 0 and turn.cpu > 0 and turn.peak_megabytes > 20 for turn in line.turns)
    one, two = (line.turns[0].answers for line in entry.lines)
    assert one == two
    assert all(answer in each.context for answer, each in zip(one, dataset.questions, strict=True))


def test_slow_settings_sit_out(dataset: SquadDataset) -> None:
    entry = entry_of(Peer, dataset)
    quick, slow = entry.lines
    assert (len(quick.turns), len(slow.turns)) == (2, 1)
    assert entry.best is quick
    assert entry.name == f"pytest {pytest.__version__}"


def test_the_best_setting_took_part_in_all_rounds() -> None:
    entry = Entry(
        Peer, "FP32", TINY, lines=[line("once", 1.0), line("twice", 2.0, 3.0), line("slow", 3.0, 4.0)]
    )
    assert entry.best is entry.lines[1]
    stay = [rounds.stays(entry, each, Effort(keep=2.0)) for each in entry.lines]
    assert stay == [True, True, False]


def test_right_answers_score_100(dataset: SquadDataset) -> None:
    class Answer(Worker):
        def __init__(self) -> None: ...

        def turn(self, setting: str) -> Turn:
            return Turn(1.0, 1.0, [question.answers[0] for question in dataset.questions], 1.0)

    line = Line("any")
    rounds.warm_up(line, Answer(), dataset)
    assert (line.exact_match, line.f1, line.first) == (100.0, 100.0, 1.0)


@pytest.mark.parametrize(
    ("contestant", "reason"),
    [
        (Missing, "missing is not installed"),
        (Crashing, r"crashed \(exit status 7\)"),
        (Raising, "OverflowError: too long"),
    ],
)
def test_failures_have_a_reason(contestant: type[Contestant], reason: str) -> None:
    with pytest.raises(FailedError, match=f"^{reason}$"):
        Worker(contestant, TINY, (["who?"], ["someone"]), 1, patience=60.0).turn("slow")


def test_an_engine_that_hangs_is_ended() -> None:
    worker = Worker(Hanging, TINY, (["who?"], ["someone"]), 1, patience=20.0)
    worker.patience = 0.2
    with pytest.raises(FailedError, match=r"^no answer within 0.2 s$"):
        worker.turn("quick")
    worker.process.join(20)
    assert not worker.process.is_alive()


def test_a_setting_that_fails_leaves_the_others(dataset: SquadDataset) -> None:
    entry = entry_of(Raising, dataset)
    assert [line.failure for line in entry.lines] == ["", "OverflowError: too long"]
    assert len(entry.lines[0].turns) == 2


def test_everyone_gets_as_many_threads_as_cpus(dataset: SquadDataset) -> None:
    assert entry_of(Cpus, dataset).lines[0].turns[0].answers == ["1 1"] * len(dataset)


class Cpus(Peer):
    settings: ClassVar[Mapping[str, Mapping[str, Any]]] = {"quick": {}}

    def answers(self, pairs: Pairs, setting: str) -> list[str]:
        seen = f"{len(affinity())} {os.environ['OMP_NUM_THREADS']}"
        return [seen] * len(pairs[0])


def filled() -> list[Entry]:
    """Two engines that were measured, and one that was not."""
    ours = Entry(Spanjet, "INT8", TINY, version="1")
    ours.lines = [line("stream", 1.0, 2.0), line("ask_many", 3.0)]
    peer = Entry(OptimumIntel, "INT8", TINY, version="2")
    peer.lines = [line("latency, batch 1", 4.0, 6.0), Line("latency, batch 8", failure="too | big")]
    return [ours, peer, Entry(Transformers, "FP32", None, failure=command.NO_CHECKPOINT)]


def line(setting: str, *walls: float) -> Line:
    turns = [Turn(wall, 2 * wall, [], 123.4) for wall in walls]
    return Line(setting, turns=turns, first=9.0, exact_match=50.0, f1=60.0)


def test_tables() -> None:
    found = report.tables(filled(), 12)
    best = {row[0]: dict(zip(report.COLUMNS, row, strict=True)) for row in found[report.BEST]}
    assert best["spanjet 1"]["setting"] == "stream"
    assert best["spanjet 1"]["questions/s"] == "9.0"
    assert best["spanjet 1"]["range"] == "6.0 to 12.0"
    assert best["spanjet 1"]["ours"] == "1.00"
    assert best["optimum-intel 2"]["ours"] == "3.50"
    assert best["optimum-intel 2"]["CPUs"] == "2.00"
    assert best["optimum-intel 2"]["MB"] == "123"
    assert "transformers" not in best
    rows = {row[2]: row for row in found[report.ALL]}
    assert list(rows) == ["stream", "ask_many", "latency, batch 1", "latency, batch 8"]
    assert rows["ask_many"][3:6] == ["4.0", "-", "3.00"]
    assert rows["latency, batch 8"][3:6] == ["-", "-", "-"]


def test_reports_show_everything(tmp_path: Path) -> None:
    entries, about = filled(), {"processor": "a test's"}
    found, notes = report.tables(entries, 12), report.notes(entries, about)
    file = io.StringIO()
    report.show(found, notes, Console(file=file, width=report.WIDTH))
    text, marked = file.getvalue(), report.markdown(found, notes)
    left_out = f"left out: transformers, FP32: {command.NO_CHECKPOINT}"
    failed = "failed: optimum-intel 2, INT8, latency, batch 8: too | big"
    for cell in ("latency, batch 1", left_out, failed, "processor: a test's", "3.50"):
        assert cell in text
        assert cell in marked
    bars = {line.count("|") for line in marked.splitlines() if line.startswith("|")}
    assert bars == {len(report.COLUMNS) + 1}
    report.save_json(entries, about, tmp_path / "found.json")
    saved = json.loads((tmp_path / "found.json").read_text())
    assert [engine["engine"] for engine in saved["engines"]] == ["spanjet", "optimum-intel", "transformers"]
    assert saved["engines"][0]["settings"][0]["turns"][1] == {
        "wall": 2.0,
        "cpu": 4.0,
        "peak_megabytes": 123.4,
    }


def test_who_takes_part(tmp_path: Path) -> None:
    without = command.entries(None, tmp_path)
    assert [(entry.contestant, entry.model is None) for entry in without] == [
        (Spanjet, False),
        (Spanjet, True),
        (OptimumIntel, False),
        (OptimumIntel, True),
        (Transformers, True),
    ]
    assert all(entry.failure for entry in without if entry.model is None)
    assert all(entry.model and not entry.failure for entry in command.entries(tmp_path, tmp_path))


def test_command(tmp_path: Path, capfd: pytest.CaptureFixture[str], data: Path) -> None:
    entries = [Entry(Spanjet, "FP32", TINY), Entry(Missing, "FP32", TINY)]
    options = [
        "--questions",
        "5",
        "--rounds",
        "1",
        "--threads",
        "1",
        "--squad",
        str(data / "squad" / "v1.1.json"),
    ]
    assert (
        command.main(
            [*options, "--markdown", str(tmp_path / "x.md"), "--json", str(tmp_path / "x.json")], entries
        )
        == 0
    )
    out, _ = capfd.readouterr()
    assert "left out: pytest, FP32: missing is not installed" in out
    assert "questions: 5 of v1.1.json" in out
    assert "noise" not in out
    assert "| spanjet" in (tmp_path / "x.md").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "x.json").read_text())["about"]["seed"] == "0"


def test_command_fails_with_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "Spanjet", Missing)
    entries = [Entry(Missing, "INT8", TINY), Entry(Peer, "INT8", TINY)]
    assert command.main(["--questions", "2", "--rounds", "1", "--threads", "1"], entries) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--threads", "0"], "--threads is 0; expected 1 to"),
        (["--rounds", "0"], "--rounds is 0; expected at least 1"),
        (["--model", str(TINY)], "--model without --int8; expected the checkpoint's INT8 model too"),
        (["--model", "nowhere", "--int8", str(TINY)], "nowhere: no such directory"),
        (["--squad", "nowhere.json"], "No such file or directory: 'nowhere.json'"),
        (["--questions", "0"], "limit is 0; expected at least 1"),
    ],
)
def test_bad_options(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code: Any = command.main(arguments, [])
    except SystemExit as error:
        code = error.code
    assert code == 2
    assert message in capsys.readouterr().err
