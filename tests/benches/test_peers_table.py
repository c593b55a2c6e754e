"""The code of the peers' table, on tiny texts: with ``tokenizers``, and with peers that misbehave."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from spanjet import Tokenizer

sys.path.insert(0, str(Path(__file__).parents[2]))
from benches.peers import __main__ as command
from benches.peers import memory, report, rounds, texts
from benches.peers.contestants import Contestant, ExampleScripts, Spanjet, Tokenizers, in_code_points
from benches.peers.report import Heat
from benches.peers.rounds import Effort, Entry, measure
from benches.peers.tasks import UNCASED, Task
from benches.peers.worker import FailedError, Turn, Worker

QUICK = Effort(rounds=3, cold=1, turn_seconds=0.0, seconds=5.0)
SCALE = 0.01


class Wrong(Tokenizers):
    """Gives the first text other ids, and the second one other offsets."""

    name = "wrong"
    cannot = "count"
    reference = False

    def offsets_rows(self, found: Any, texts: list[str]) -> Any:
        for index, (ids, offsets) in enumerate(super().offsets_rows(found, texts)):
            yield ids[: None if index else -1], offsets[: None if index != 1 else -1]


class Missing(Wrong):
    name = "missing"

    def load(self) -> None:
        raise ModuleNotFoundError("No module named 'missing'", name="missing")


class Crashing(Wrong):
    name = "crashing"

    def offsets(self, _: list[str]) -> Any:
        os._exit(7)


class Raising(Wrong):
    name = "raising"

    def offsets(self, _: list[str]) -> Any:
        raise OverflowError("the text is too long")


class Hanging(Wrong):
    name = "hanging"

    def offsets(self, _: list[str]) -> Any:
        time.sleep(60)


@pytest.mark.parametrize("name", texts.MAKERS)
def test_texts_have_their_size_and_are_seeded(name: str) -> None:
    one, two = (sum(len(text.encode()) for text in texts.load(name, scale=scale)) for scale in (0.05, 0.2))
    size = texts.MAKERS[name][1]
    assert one == pytest.approx(0.05 * size, rel=0.3)
    assert two == pytest.approx(4 * one, rel=0.3)
    assert texts.load(name, scale=SCALE) == texts.load(name, scale=SCALE)
    assert texts.load(name, scale=SCALE) != texts.load(name, scale=SCALE, seed=1)


def test_new_words_never_come_again() -> None:
    words = " ".join(text for seed in range(3) for text in texts.new_words(20_000, seed)).split()
    assert len(words) == len(set(words)) > 6000
    with pytest.raises(ValueError, match="pseudo-word 7,077,888: there are only 7,077,888"):
        texts.pseudo_word(texts.PSEUDO_WORDS)


def test_worst_cases_are_what_they_say() -> None:
    tokenizer = Tokenizer(UNCASED)
    (unknown,) = texts.all_unknown(20_000, 0)
    ids = tokenizer.encode(unknown).ids
    assert len(ids) == len(unknown.split())
    assert set(ids.tolist()) == {tokenizer.unk_token_id}
    for name in ("one word", "100,000 combining marks"):
        (text,) = texts.load(name)
        assert len(tokenizer.encode(text)) == 1
    (text,) = texts.load("100,000 combining marks")
    assert len(text) == 100_001


def test_squad_file_without_questions(tmp_path: Path) -> None:
    path = tmp_path / "empty.json"
    path.write_text(json.dumps({"data": []}), encoding="utf-8")
    with pytest.raises(ValueError, match="no questions"):
        texts.load("SQuAD", squad_file=path)


@pytest.fixture(scope="module")
def heat() -> Heat:
    tasks = [Task("ids + offsets", "all CJK", scale=SCALE), Task("ids + offsets", "all CJK", scale=SCALE / 4)]
    many = Task("ids + offsets", "SQuAD", scale=SCALE)
    heat = Heat(
        [
            Entry(peer, task, has_cold_runs=task is tasks[0])
            for task in tasks
            for peer in (Spanjet, Tokenizers)
        ]
    )
    measure(heat.entries, QUICK)
    misbehaving = [Entry(peer, many) for peer in (Wrong, Missing, Crashing, Raising, Tokenizers)]
    measure(misbehaving, QUICK)
    return Heat([*heat.entries, *misbehaving])


def named(heat: Heat, name: str) -> Entry:
    return next(entry for entry in heat.entries if entry.contestant.name == name)


def test_ours_is_measured(heat: Heat) -> None:
    entry = named(heat, "spanjet")
    assert (entry.failure, entry.ids_equal, entry.offsets_equal) == ("", 1.0, 1.0)
    assert (len(entry.warm), len(entry.cold), len(entry.cores)) == (3, 1, 3)
    assert min(*entry.warm, *entry.cold) > 0
    assert entry.amount == pytest.approx(0.01, rel=0.01)
    assert (len(heat.entries[2].warm), heat.entries[2].cold) == (3, [])
    growth = heat.growth(entry)
    assert growth == pytest.approx(min(entry.warm) / min(heat.entries[2].warm), rel=3)


def test_differences_are_counted(heat: Heat) -> None:
    entry = named(heat, "wrong")
    rows = len(texts.load("SQuAD", scale=SCALE))
    assert rows > 3
    assert entry.ids_equal == pytest.approx(1 - 1 / rows)
    assert entry.offsets_equal == pytest.approx(1 - 1 / rows)


@pytest.mark.parametrize(
    ("name", "failure"),
    [
        ("missing", "missing is not installed"),
        ("crashing", "crashed (exit status 7)"),
        ("raising", "OverflowError: the text is too long"),
    ],
)
def test_failures_are_lines(heat: Heat, name: str, failure: str) -> None:
    entry = named(heat, name)
    assert (entry.failure, entry.warm, entry.ids_equal) == (failure, [], None)


def test_hanging_is_a_failure() -> None:
    worker = Worker(Hanging, Task("ids + offsets", "one word", scale=SCALE), 1)
    worker.patience = 0.2
    with pytest.raises(FailedError, match=r"no answer within 0\.2 s"):
        worker.turn(0.0)
    assert not worker.process.is_alive()


def test_features_and_decode_are_equal() -> None:
    entries = [
        *(Entry(peer, Task("features", "SQuAD", scale=SCALE)) for peer in (Spanjet, Tokenizers)),
        *(Entry(peer, Task("decode, 20 of 20", "SQuAD", scale=SCALE)) for peer in (Spanjet, ExampleScripts)),
        *(Entry(peer, Task("decode, 1 of 20", "SQuAD", scale=SCALE)) for peer in (Spanjet, ExampleScripts)),
    ]
    measure(entries, Effort(rounds=1, cold=0, turn_seconds=0.0))
    for entry in entries:
        assert (entry.failure, entry.ids_equal, len(entry.warm)) == ("", 1.0, 1)
        assert entry.amount > 10


def test_report(heat: Heat, tmp_path: Path) -> None:
    single = Heat([Entry(Missing, Task("ids", "one word"), failure="missing is not installed")])
    machine = {"processor": "abacus"}
    output = io.StringIO()
    report.show([heat, single], machine, Console(file=output, width=report.WIDTH))
    marked = report.markdown([heat, single], machine)
    lines = [line.split("|") for line in marked.splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1
    for text in (output.getvalue(), marked):
        assert all(part in text for part in ("all CJK", "abacus", "did not run:", "ids + offsets"))
    assert "did not run: missing is not installed" in marked
    path = tmp_path / "table.json"
    report.save_json([heat, single], machine, path)
    records = json.loads(path.read_text(encoding="utf-8"))["entries"]
    assert records[0]["warm"] == pytest.approx(heat.entries[0].warm, rel=1e-5)
    assert records[-1]["failure"] == "missing is not installed"


def test_numbers() -> None:
    found = [report.number(value) for value in (None, 0.123, 1.0, 12.34, 412.9, 341_000)]
    assert found == ["-", "0.12", "1.00", "12.3", "413", "341,000"]
    assert [report.share(value) for value in (None, 1.0, 0.999_999, 0.5)] == [
        "-",
        "all",
        "99.99 %",
        "50.00 %",
    ]


def test_entry_speeds() -> None:
    entry = Entry(Spanjet, Task("ids", "SQuAD"), amount=10.0, warm=[1.0, 2.0, 3.0, 4.0, 5.0])
    assert entry.speed(entry.warm) == pytest.approx(10 / 3)
    assert entry.spread() == pytest.approx((10 / 4, 10 / 2))
    assert entry.speed([]) is None
    assert Entry(Spanjet, Task("ids", "SQuAD"), warm=[1.0]).spread() is None


def test_all_heats() -> None:
    heats = list(command.heats(None))
    titles = [(heat.work, heat.text) for heat in heats]
    assert len(titles) == len(set(titles)) == 2 * len(texts.MAKERS) + 3
    assert all(any(entry.contestant is Spanjet for entry in heat.entries) for heat in heats)
    assert all(any(entry.contestant.reference for entry in heat.entries) for heat in heats)


def test_command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heat = Heat(
        [Entry(peer, Task("ids", "mixed scripts", scale=SCALE)) for peer in (Spanjet, Missing, Tokenizers)]
    )
    monkeypatch.setattr(command, "heats", lambda _: [heat])
    paths = tmp_path / "table.json", tmp_path / "table.md"
    options = ["--only", "mixed", "--rounds", "1", "--cold", "0", "--turn-seconds", "0"]
    assert command.main([*options, "--json", str(paths[0]), "--markdown", str(paths[1])]) == 0
    assert "mixed scripts" in capsys.readouterr().out
    assert all(path.stat().st_size > 100 for path in paths)
    with pytest.raises(SystemExit, match="2"):
        command.main(["--only", "no such text"])


def test_command_fails_when_ours_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    heat = Heat([Entry(Spanjet, Task("ids", "one word"), ids_equal=0.5)])
    monkeypatch.setattr(command, "heats", lambda _: [heat])
    monkeypatch.setattr(command, "run", lambda *_: None)
    assert command.main([]) == 1


class Slow:
    """A worker whose turns take a second, as it says."""

    def turn(self, _seconds: float, *, seed: int) -> Turn:
        return Turn(wall=1.0, cpu=seed / 10)


def test_slow_contestants_drop_out() -> None:
    entry = Entry(Spanjet, Task("ids", "one word"))
    worker: Any = Slow()
    rounds.warm_rounds([(entry, worker)], Effort(rounds=9, seconds=2.5), lambda _: None)
    assert entry.warm == [1.0] * rounds.FEWEST_TURNS
    assert entry.cores == [0.1, 0.2, 0.3]


def test_byte_offsets_in_code_points() -> None:
    found = in_code_points("aé漢b", [(0, 1), (1, 3), (3, 6), (6, 7), (2, 99)])
    assert found.tolist() == [[0, 1], [1, 2], [2, 3], [3, 4], [-1, -1]]


def test_contestants_say_what_they_can() -> None:
    assert Spanjet.can("decode, 1 of 20")
    assert not Tokenizers.can("decode, 20 of 20")
    assert not ExampleScripts.can("ids")
    with pytest.raises(TypeError, match="abstract"):
        Contestant("ids", 1)  # type: ignore[abstract]


def test_memory(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "PART", 20_000)
    sizes = iter(range(100, 1000, 10))
    small = ["--total", "200000", "--warm-up", "50000"]
    assert memory.resident() > 20_000_000
    monkeypatch.setattr(memory, "resident", lambda: 1000)
    assert memory.main(small) == 0
    assert "passed" in capsys.readouterr().out
    monkeypatch.setattr(memory, "resident", lambda: next(sizes))
    assert memory.main(small) == 1
    assert "FAILED" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        memory.main(["--total", "5", "--warm-up", "5"])
