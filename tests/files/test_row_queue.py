"""Rows through a reader: their order, what waits for what, and what ends a run."""

import random
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from job_inputs import UNANSWERABLE, ScriptedReader, scripted_answer, write_json_lines
from spanjet import Answer, Reader
from spanjet.files import Columns, Journal, Record, Rejected, Sink, answer_records, open_rows
from spanjet.files.row_queue import MAX_WAITING_REJECTED


class Kept:
    """A sink that keeps everything."""

    def __init__(self, rows: int = 0) -> None:
        self.rows = rows
        self.kept: list[tuple[int, Any]] = []
        self.settled: list[int] = []

    def answer(self, record: Record, answers: Any) -> None:
        self._add(record.row, answers)

    def reject(self, rejected: Rejected) -> None:
        self._add(rejected.row, rejected.reason)

    def _add(self, row: int, value: Any) -> None:
        assert row == self.rows
        self.rows += 1
        self.kept.append((row, value))

    def settle(self) -> None:
        self.settled.append(self.rows)


def row(index: int, kind: str) -> Record | Rejected:
    if kind == "bad":
        return Rejected(index, f"line {index + 1}", "bad")
    question = UNANSWERABLE if kind == "unanswerable" else f"question {index}"
    return Record(index, f"line {index + 1}", None, question, f"context {index}")


def expected(index: int, kind: str, top_k: int = 1) -> tuple[int, Any]:
    if kind == "bad":
        return index, "bad"
    if kind == "unanswerable":
        return index, "it cannot be answered"
    answers = [scripted_answer(f"question {index}", f"context {index}", rank) for rank in range(top_k)]
    return index, answers


def run(source: Any, sink: Sink, reader: ScriptedReader | None = None, **options: Any) -> None:
    answer_records(reader or ScriptedReader(), source, sink, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(20))
def test_every_row_in_its_place(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = random.Random(seed)
    monkeypatch.setattr("spanjet.files.row_queue.MAX_WAITING_REJECTED", generator.choice([1, 3, 10_000]))
    kinds = generator.choices(["good", "bad", "unanswerable"], generator.choices(range(1, 9), k=3), k=100)
    rows = [row(index, kind) for index, kind in enumerate(kinds)]
    top_k, done = generator.randrange(1, 4), generator.choice([0, 0, 1, 57, 100])
    sink, calls = Kept(done), list[int]()
    run(rows, sink, top_k=top_k, look_ahead=generator.randrange(1, 30), progress=calls.append)
    assert sink.kept == [expected(index, kind, top_k) for index, kind in enumerate(kinds)][done:]
    assert calls == list(range(done, 101))


@pytest.mark.parametrize("seed", range(10))
def test_the_same_parts_from_every_settled_row(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores that depend on what is batched together are the same wherever a run was resumed."""
    generator = random.Random(seed)
    monkeypatch.setattr("spanjet.files.row_queue.MAX_WAITING_REJECTED", generator.choice([2, 5, 10_000]))
    kinds = generator.choices(["good", "bad", "unanswerable"], generator.choices(range(1, 9), k=3), k=150)
    rows = [row(index, kind) for index, kind in enumerate(kinds)]
    look_ahead = generator.choice([1, 2, 7, 16])
    whole = Kept()
    run(rows, whole, ScriptedReader(rounding=True), look_ahead=look_ahead)
    assert len(whole.settled) > 3
    for settled in whole.settled:
        rest = Kept(settled)
        run(rows, rest, ScriptedReader(rounding=True), look_ahead=look_ahead)
        assert rest.kept == whole.kept[settled:]
        assert rest.settled == [row for row in whole.settled if row > settled]


def test_one_context_for_all() -> None:
    rows = [Record(0, "line 1", None, "question", "")]
    sink = Kept()
    run(rows, sink, context="the text")
    assert sink.kept == [(0, [scripted_answer("question", "the text")])]


def test_many_rejected_rows_do_not_wait_for_answers() -> None:
    """A reader that reads ahead would otherwise read all of them before the first answer."""
    read = 0
    waiting = 0

    def source() -> Iterator[Record | Rejected]:
        nonlocal read
        for index in range(100_000):
            read += 1
            yield row(index, "good" if index == 0 else "bad")

    class Watching(Kept):
        def _add(self, row: int, value: Any) -> None:
            nonlocal waiting
            super()._add(row, value)
            waiting = max(waiting, read - self.rows)

    sink = Watching()
    run(source(), sink)
    assert sink.rows == 100_000
    assert waiting <= MAX_WAITING_REJECTED + 1


@pytest.mark.parametrize("kind", ["bad", "unanswerable"])
def test_strict(kind: str) -> None:
    rows = [row(index, kind if index == 12 else "good") for index in range(30)]
    sink = Kept()
    reason = "bad" if kind == "bad" else "it cannot be answered"
    with pytest.raises(ValueError, match=f"line 13: {reason}"):
        run(rows, sink, strict=True, look_ahead=8)
    assert sink.kept == [expected(index, "good") for index in range(12)]


def test_an_error_of_the_input_comes_after_the_rows_before_it() -> None:
    def source() -> Iterator[Record | Rejected]:
        yield from (row(index, "good") for index in range(13))
        yield row(13, "bad")
        raise OSError("the disk is gone")

    sink = Kept()
    with pytest.raises(OSError, match="the disk is gone"):
        run(source(), sink)
    assert sink.kept == [expected(index, "bad" if index == 13 else "good") for index in range(14)]


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_memory_is_flat(tmp_path: Path, form: str) -> None:
    """Ten times the rows do not take ten times the memory; how much garbage there is at a time varies."""

    def peak(rows: int) -> int:
        path = tmp_path / f"{rows}"
        if form == "jsonl":
            write_json_lines(path, rows)
        else:
            path.write_text("question,context\n" + "".join(f"q{row},c{row}\n" for row in range(rows)))
        tracemalloc.start()
        with Journal(tmp_path / f"{rows}.jsonl", {}) as journal:
            run(open_rows(path, form, Columns()), journal, ScriptedReader(), look_ahead=512)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(20_000) < 3 * peak(2_000)


def test_with_a_real_reader(reader: Reader) -> None:
    """A context without tokens is not empty, but cannot be answered."""
    rows = [Record(index, "", None, "who built the tower?", "the king") for index in range(20)]
    rows[7] = Record(7, "", None, "who?", "\u200b")
    sink = Kept()
    answer_records(reader, rows, sink)
    found = dict(sink.kept)
    assert "no tokens" in found.pop(7)
    assert list(found.values()) == [[reader.ask("who built the tower?", "the king")]] * 19
    assert isinstance(found[0][0], Answer)
