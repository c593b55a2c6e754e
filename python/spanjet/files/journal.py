"""Write the output of a job crash-safely, so that it can be resumed after a kill at any moment.

During a run, a directory ``OUT.partial`` has its answers and rejected rows, in append-only files, and its
state: the number of finished rows and their bytes in the files. The state is replaced atomically, after these
bytes are on disk, and only at points where the run can be resumed. A resumed run truncates the files to these
sizes and continues with the next row, so that no row is lost or duplicated. ``OUT`` is written when the run
is complete, with ``OUT.rejected.jsonl`` (if rows were rejected) and the last state as ``OUT.run.json``, which
records the input and settings.
"""

import json
import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from errno import EEXIST
from pathlib import Path
from typing import Any, BinaryIO

from spanjet.files.formats import RowWriter
from spanjet.files.job_state import State, differences, read_state, write_state
from spanjet.files.output_rows import answers_line, rejected_line
from spanjet.files.record import Record, Rejected
from spanjet.reader.answer import Answer
from spanjet.storage import STAGE_SUFFIX, lock, sync

__all__ = ["Journal"]

COMMIT_SECONDS = 1.0
"""Seconds between two states: rows settled since the last one are answered again after a kill."""

ANSWERS, REJECTED, STATE, LOCK, OUTPUT = "answers.jsonl", "rejected.jsonl", "state.json", "lock", "output"
OWN_FILES = {ANSWERS, REJECTED, STATE, LOCK, OUTPUT}
EXPECTED = "expected a new file, or permission to replace it (--overwrite, overwrite=True)"


class Journal:
    """Crash-safe sink for answers; a context manager that commits the settled rows on any exit.

    Args:
        out: output file.
        run: input and settings by name, JSON-serialisable; only a run with the same is resumed.
        resume: resume the unfinished run of ``out``, if there is one.
        overwrite: replace ``out`` when the run is complete, and discard an unfinished run now.
        writer: writer of ``out`` when all rows are finished; None: ``out`` has the lines of `answers_line`.

    Attributes:
        resumed_rows: number of rows finished by earlier runs.
        rejected_out: file of the rejected rows.

    Raises:
        FileExistsError: an output or an unfinished run exists, without ``resume`` or ``overwrite``.
        BlockingIOError: another process is running the job.
        ValueError: the run to resume has another ``run``, or its files are damaged.
        OSError: the directory cannot be written.
    """

    def __init__(
        self,
        out: Path,
        run: Mapping[str, Any],
        *,
        resume: bool = False,
        overwrite: bool = False,
        writer: RowWriter | None = None,
    ) -> None:
        if resume and overwrite:
            raise ValueError("resume and overwrite are both True; expected at most one")
        self._out = out
        self._writer = writer
        self._directory = out.with_name(f"{out.name}.partial")
        self.rejected_out = out.with_name(f"{out.name}.rejected.jsonl")
        self._record = out.with_name(f"{out.name}.run.json")
        unfinished = (self._directory / STATE).exists()
        if unfinished and not (resume or overwrite):
            raise FileExistsError(
                EEXIST,
                "holds an unfinished run; go on with it (--resume, resume=True) or drop it (--overwrite, "
                "overwrite=True)",
                str(self._directory),
            )
        self._writing = threading.Lock()  # guards the consistency of the two files and the state
        self._committing = threading.Lock()
        self._stopping = threading.Event()
        self._committer = threading.Thread(target=self._keep_committing, name="journal", daemon=True)
        self._error: Exception | None = None
        self._state = State(json.loads(json.dumps(run)), replaces=overwrite)
        with ExitStack() as files:
            self._files = files
            if resume and not unfinished and out.exists():
                self._state = self._completed()
            else:
                self._begin(resume=resume)
            self._settled = self._state
            self.resumed_rows = self._state.rows
            self._files = files.pop_all()
        if not self._state.complete:
            self._committer.start()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with ExitStack() as last:
            if kind is not None:
                last.enter_context(suppress(OSError))  # of a full disk, say, which the error is about
            with self._files:
                self._stop_commits()
                if not self._state.complete:
                    self.commit()
                    if self._settled.rows == 0:  # nothing to go on with
                        self._close_rows()
                        self._remove_directory(record=False)

    @property
    def rows(self) -> int:
        """Number of finished rows of the input."""
        return self._state.rows

    @property
    def answered(self) -> int:
        """Number of rows with answers."""
        return self._state.answered

    @property
    def rejected(self) -> int:
        """Number of rejected rows."""
        return self._state.rejected

    @property
    def complete(self) -> bool:
        """True if all rows are finished."""
        return self._state.complete

    def answer(self, record: Record, answers: Sequence[Answer]) -> None:
        """Append the answers of the next row."""
        line = answers_line(record, answers)
        with self._writing:
            state = self._state
            self._answers.write(line)
            self._state = replace(
                state,
                rows=record.row + 1,
                answered=state.answered + 1,
                answers_bytes=state.answers_bytes + len(line),
            )
        self._check_commits()

    def reject(self, rejected: Rejected) -> None:
        """Append the next row as rejected."""
        line = rejected_line(rejected)
        with self._writing:
            state = self._state
            self._rejections.write(line)
            self._state = replace(
                state,
                rows=rejected.row + 1,
                rejected=state.rejected + 1,
                rejected_bytes=state.rejected_bytes + len(line),
            )
        self._check_commits()

    def settle(self) -> None:
        """Mark the rows so far as a point to resume at."""
        self._settled = self._state

    def commit(self) -> None:
        """Flush all settled rows and the state to disk."""
        with self._committing:
            with self._writing:
                state = self._settled
                self._answers.flush()
                self._rejections.flush()
            for file in (self._answers, self._rejections):
                os.fsync(file.fileno())
            write_state(self._directory / STATE, state)

    @property
    def kept(self) -> int:
        """Number of rows with which a resumed run would go on."""
        return self._settled.rows

    def finish(self) -> None:
        """Complete the run, and write the output."""
        self._stop_commits()
        if not self._state.complete:
            self._state = self._settled = replace(self._state, complete=True)
            self.commit()
            self._close_rows()
        journal, rejections = self._directory / ANSWERS, self._directory / REJECTED
        if self._state.rejected == 0:
            self.rejected_out.unlink(missing_ok=True)  # of the output that is replaced
            rejections.unlink(missing_ok=True)
        elif rejections.exists():
            rejections.replace(self.rejected_out)
        if journal.exists():
            if self._writer is None:
                journal.replace(self._out)
            else:
                self._write_output(journal, self._writer)
        sync(self._out.parent)
        if (self._directory / STATE).exists():
            self._remove_directory(record=True)

    def _keep_committing(self) -> None:
        """Commit periodically in a thread, as answers arrive in bursts of unknown end."""
        try:
            while not self._stopping.wait(COMMIT_SECONDS):
                self.commit()
        except Exception as error:
            self._error = error

    def _stop_commits(self) -> None:
        self._stopping.set()
        if self._committer.ident is not None:
            self._committer.join()

    def _check_commits(self) -> None:
        if self._error is not None:
            raise self._error

    def _write_output(self, journal: Path, writer: RowWriter) -> None:
        output = self._directory / OUTPUT
        with journal.open("rb") as lines:
            writer(map(json.loads, lines), output)
        sync(output)
        output.replace(self._out)
        journal.unlink()

    def _close_rows(self) -> None:
        """Close the files of rows: Windows neither moves nor removes an open file."""
        self._answers.close()
        self._rejections.close()

    def _remove_directory(self, *, record: bool) -> None:
        is_locked = False
        try:
            (self._directory / LOCK).unlink(missing_ok=True)
        except PermissionError:  # Windows removes it only when it is released
            is_locked = True
        for name in (OUTPUT, *(() if record else (ANSWERS, REJECTED, STATE))):
            (self._directory / name).unlink(missing_ok=True)
        if record:
            (self._directory / STATE).replace(self._record)
        if is_locked:
            self._files.close()
            (self._directory / LOCK).unlink(missing_ok=True)
        self._directory.rmdir()
        sync(self._out.parent)

    def _completed(self) -> State:
        """Read the state of the existing output, which must be of the same run."""
        if not self._record.exists():
            message = f"exists already, and there is nothing to resume; {EXPECTED}"
            raise FileExistsError(EEXIST, message, str(self._out))
        state = read_state(self._record)
        self._check_same(state, self._record)
        with suppress(OSError):
            self._directory.rmdir()  # of a run that was killed as it ended
        return state

    def _begin(self, *, resume: bool) -> None:
        for path in (self._out, self.rejected_out, self._record):
            if not resume and not self._state.replaces and path.exists():
                raise FileExistsError(EEXIST, f"exists already; {EXPECTED}", str(path))
        self._directory.mkdir(exist_ok=True)
        sync(self._out.parent)
        others = [path for path in self._directory.iterdir() if path.name not in OWN_FILES]
        if not all(path.suffix == STAGE_SUFFIX for path in others):
            raise FileExistsError(EEXIST, "holds files that do not belong to a run", str(self._directory))
        self._files.enter_context(lock(self._directory / LOCK))
        for path in others:
            path.unlink(missing_ok=True)  # of a run that was killed as it wrote its state
        state = self._directory / STATE
        if resume and state.exists():
            found = read_state(state)
            self._check_same(found, state)
            self._state = found
        else:
            write_state(self._directory / STATE, self._state)
        if not self._state.complete:
            self._answers = self._open(ANSWERS, self._state.answers_bytes)
            self._rejections = self._open(REJECTED, self._state.rejected_bytes)

    def _check_same(self, found: State, path: Path) -> None:
        changes = differences(found.run, self._state.run)
        if changes:
            raise ValueError(f"{path}: belongs to a different run: {'; '.join(changes)}")

    def _open(self, name: str, size: int) -> BinaryIO:
        """Open a file of the directory for appending, truncated to its size in the state."""
        path = self._directory / name
        file = self._files.enter_context(path.open("ab"))
        found = path.stat().st_size
        if found < size:
            raise ValueError(f"{path}: {found} bytes, expected at least {size}: it was changed")
        file.truncate(size)
        return file
