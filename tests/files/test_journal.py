"""The journal: nothing lost, nothing twice, nothing replaced without leave."""

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from job_inputs import scripted_answer
from spanjet.files import Journal, Record, Rejected, journal
from spanjet.files.formats import row_writer
from windows_files import keep_files_in_use

RUN = {"input": "abc", "top_k": 1}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


def record(row: int) -> Record:
    return Record(row, f"line {row + 1}", None, f"question {row}", "a context")


def add(sink: Journal, first: int, last: int) -> None:
    """Every fourth row is rejected."""
    for row in range(first, last):
        if row % 4 == 1:
            sink.reject(Rejected(row, f"line {row + 1}", "bad"))
        else:
            sink.answer(record(row), [scripted_answer(f"question {row}", "a context")])
    sink.settle()


def names(out: Path) -> list[str]:
    return sorted(path.name for path in out.parent.iterdir())


def complete(out: Path, rows: int, **options: Any) -> None:
    with Journal(out, RUN, **options) as sink:
        add(sink, 0, rows)
        sink.finish()


def stop(out: Path, first: int, last: int, run: dict[str, Any] | None = None, **options: Any) -> None:
    """A run that is interrupted."""

    def interrupted() -> None:
        with Journal(out, RUN if run is None else run, **options) as sink:
            assert sink.rows == sink.resumed_rows == first
            add(sink, first, last)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()


def test_an_output_appears_when_it_is_complete(out: Path) -> None:
    with Journal(out, RUN) as sink:
        assert (sink.rows, sink.resumed_rows, sink.complete) == (0, 0, False)
        add(sink, 0, 10)
        assert names(out) == ["out.jsonl.partial"]
        assert (sink.rows, sink.answered, sink.rejected) == (10, 7, 3)
        sink.finish()
    assert names(out) == ["out.jsonl", "out.jsonl.rejected.jsonl", "out.jsonl.run.json"]
    assert out.read_bytes().count(b"\n") == 7
    assert sink.rejected_out.read_bytes().count(b"\n") == 3


def test_no_file_of_rejected_rows_without_any(out: Path) -> None:
    complete(out, 1)
    assert names(out) == ["out.jsonl", "out.jsonl.run.json"]


def test_resume_after_an_error(out: Path) -> None:
    complete(out.with_name("whole"), 20)
    for first, last in ((0, 7), (7, 8), (8, 8), (8, 15)):
        stop(out, first, last, resume=True)
    with Journal(out, RUN, resume=True) as sink:
        add(sink, 15, 20)
        sink.finish()
    assert out.read_bytes() == out.with_name("whole").read_bytes()
    assert sink.rejected_out.read_bytes() == out.with_name("whole.rejected.jsonl").read_bytes()


def test_what_is_not_settled_is_answered_again(out: Path) -> None:
    def interrupted() -> None:
        with Journal(out, RUN) as sink:
            add(sink, 0, 6)
            sink.answer(record(6), [])
            assert sink.rows == 7
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with Journal(out, RUN, resume=True) as sink:
        assert (sink.rows, sink.answered, sink.rejected) == (6, 4, 2)
        add(sink, 6, 8)
        sink.finish()
    complete(out.with_name("whole"), 8)
    assert out.read_bytes() == out.with_name("whole").read_bytes()


def test_what_was_not_committed_is_cut_off(out: Path) -> None:
    stop(out, 0, 5)
    with (out.with_name("out.jsonl.partial") / "answers.jsonl").open("ab") as file:
        file.write(b'{"row": 5, "answ')
    with Journal(out, RUN, resume=True) as sink:
        add(sink, 5, 8)
        sink.finish()
    complete(out.with_name("whole"), 8)
    assert out.read_bytes() == out.with_name("whole").read_bytes()


def test_a_complete_output_is_not_answered_again(out: Path) -> None:
    complete(out, 8)
    before = {name: (out.parent / name).read_bytes() for name in names(out)}
    out.with_name("out.jsonl.partial").mkdir()  # left by a kill at the very end
    with Journal(out, RUN, resume=True) as sink:
        assert (sink.complete, sink.rows, sink.rejected) == (True, 8, 2)
        sink.finish()
    assert {name: (out.parent / name).read_bytes() for name in names(out)} == before


def test_another_run_is_not_resumed(out: Path) -> None:
    stop(out, 0, 3)
    message = "belongs to a different run: input was 'abc', is 'abd'"
    other = {**RUN, "input": "abd"}
    with pytest.raises(ValueError, match=message):
        Journal(out, other, resume=True)
    with Journal(out, RUN, resume=True) as sink:
        assert sink.rows == 3
        sink.finish()
    with pytest.raises(ValueError, match=message):
        Journal(out, other, resume=True)


def test_nothing_is_replaced_without_leave(out: Path) -> None:
    out.write_text("precious")
    with pytest.raises(FileExistsError, match="exists already"):
        Journal(out, RUN)
    with pytest.raises(FileExistsError, match="exists already, and there is nothing to resume"):
        Journal(out, RUN, resume=True)
    with pytest.raises(ValueError, match="both True; expected at most one"):
        Journal(out, RUN, resume=True, overwrite=True)
    assert names(out) == ["out.jsonl"]
    stop(out, 0, 3, overwrite=True)
    assert out.read_text() == "precious"
    with pytest.raises(FileExistsError, match=r"holds an unfinished run; go on with it \(--resume, resume"):
        Journal(out, RUN)
    with Journal(out, RUN, resume=True) as sink:
        assert sink.rows == 3
        sink.finish()
    assert out.read_bytes().count(b"\n") == 2


@pytest.mark.parametrize("suffix", [".rejected.jsonl", ".run.json"])
def test_no_file_beside_the_output_is_replaced_without_leave(out: Path, suffix: str) -> None:
    other = out.with_name(f"{out.name}{suffix}")
    other.write_text("precious")
    with pytest.raises(FileExistsError, match=rf"exists already; .*{re.escape(suffix)}"):
        Journal(out, RUN)
    assert other.read_text() == "precious"
    with Journal(out, RUN, overwrite=True) as sink:
        sink.finish()
    assert not other.exists() or other.read_text() != "precious"


def test_overwriting_drops_an_unfinished_run(out: Path) -> None:
    stop(out, 0, 9, {"input": "other"})
    complete(out, 1, overwrite=True)
    assert out.read_bytes().count(b"\n") == 1
    assert names(out) == ["out.jsonl", "out.jsonl.run.json"]


def test_overwriting_removes_old_rejected_rows(out: Path) -> None:
    complete(out, 5)
    complete(out, 1, overwrite=True)
    assert names(out) == ["out.jsonl", "out.jsonl.run.json"]


def test_a_run_without_rows_leaves_nothing(out: Path) -> None:
    with pytest.raises(ValueError, match="no header"), Journal(out, RUN):
        raise ValueError("no header")
    assert names(out) == []


def test_directories_of_others_are_left_alone(out: Path) -> None:
    directory = out.with_name("out.jsonl.partial")
    directory.mkdir()
    (directory / "thesis.txt").touch()
    with pytest.raises(FileExistsError, match="holds files that do not belong to a run"):
        Journal(out, RUN)
    assert [path.name for path in directory.iterdir()] == ["thesis.txt"]


def test_one_process_at_a_time(out: Path) -> None:
    with Journal(out, RUN) as sink:
        add(sink, 0, 3)
        sink.commit()
        with pytest.raises(BlockingIOError, match="another process is using this run"):
            Journal(out, RUN, resume=True)
        sink.finish()
    assert out.read_bytes().count(b"\n") == 2


@pytest.mark.parametrize("name", ["answers.jsonl", "rejected.jsonl", "state.json"])
def test_changed_files_are_not_resumed(out: Path, name: str) -> None:
    stop(out, 0, 6)
    path = out.with_name("out.jsonl.partial") / name
    os.truncate(path, path.stat().st_size - 3)
    with pytest.raises(ValueError, match="damaged" if name == "state.json" else "it was changed") as error:
        Journal(out, RUN, resume=True)
    assert str(path) in str(error.value)


def test_answers_are_committed_while_nothing_comes(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of a burst of answers is not left to the next burst."""
    monkeypatch.setattr(journal, "COMMIT_SECONDS", 0.01)
    state = out.with_name("out.jsonl.partial") / "state.json"
    with Journal(out, RUN) as sink:
        add(sink, 0, 7)
        deadline = time.monotonic() + 60
        while b'"rows": 7' not in state.read_bytes():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        sink.finish()
    assert not any(thread.name == "journal" for thread in threading.enumerate())


def test_a_commit_that_fails_ends_the_run(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    def fill_the_disk() -> None:
        with Journal(out, RUN) as sink:
            monkeypatch.setattr(journal, "write_state", fail)
            deadline = time.monotonic() + 60
            for row in range(10_000_000):
                add(sink, row, row + 1)
                assert time.monotonic() < deadline

    monkeypatch.setattr(journal, "COMMIT_SECONDS", 0.01)
    with pytest.raises(OSError, match="No space left"):
        fill_the_disk()
    monkeypatch.undo()
    with Journal(out, RUN, resume=True) as sink:
        assert sink.rows == 0


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_a_kill_before_every_operation(tmp_path: Path, form: str) -> None:
    """Before each single opening, renaming, removing or cutting of a file."""
    script = Path(__file__).parents[1] / "support" / "crash_points.py"
    result = subprocess.run(
        [sys.executable, script, tmp_path, form], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert int(result.stdout) > 20


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_no_open_file_is_moved_or_removed(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Windows forbids it: a run that ends, one that is resumed, and one without rows."""
    keep_files_in_use(monkeypatch)
    writer = row_writer(form)
    out = tmp_path / f"out.{form}"
    stop(out, 0, 0, writer=writer)
    assert names(out) == []
    stop(out, 0, 7, writer=writer)
    with Journal(out, RUN, resume=True, writer=writer) as sink:
        add(sink, 7, 20)
        sink.finish()
    complete(out, 20, overwrite=True, writer=writer)
    complete(out, 1, overwrite=True, writer=writer)
    assert names(out) == [out.name, f"{out.name}.run.json"]
