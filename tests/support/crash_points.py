"""Runs a job that is killed before each of its file system operations in turn, then resumed.

Arguments: an empty directory, ``jsonl``, ``csv`` or ``parquet``. Prints the number of kills, after each of
which the resumed run has given the files of the run that was not killed. A script of its own: it forks.
"""

import shutil
import sys
from itertools import count
from pathlib import Path
from typing import Any

from job_inputs import ScriptedReader, write_json_lines
from kills import in_child, kill_before
from spanjet.files import Columns, Journal, answer_records, open_rows
from spanjet.files import journal as journal_module
from spanjet.files.arrow import load_pyarrow
from spanjet.files.formats import row_writer

ROWS = 40
COMMIT_EVERY = 15


def run(source: Path, out: Path, *, resume: bool, operations: int | None) -> None:
    """The job; killed before this many operations on the files of its output, None: never."""
    journal_module.COMMIT_SECONDS = 3600.0
    if out.suffix == ".parquet":
        load_pyarrow()  # its own files do not count
    if operations is not None:
        kill_before(operations, out.parent)
    writer = row_writer(out.suffix.removeprefix("."))
    with Journal(out, {"input": 1}, resume=resume, writer=writer) as journal:

        def progress(done: int) -> None:
            if done % COMMIT_EVERY == 0:
                journal.commit()

        if not journal.complete:
            rows = open_rows(source, "jsonl", Columns())
            reader: Any = ScriptedReader(rounding=True)
            answer_records(reader, rows, journal, look_ahead=8, progress=progress)
        journal.finish()


def ends(source: Path, out: Path, *, resume: bool, operations: int | None) -> bool:
    """Whether the job ended by itself."""
    return in_child(lambda: run(source, out, resume=resume, operations=operations))


def contents(directory: Path) -> dict[str, bytes]:
    """Every file in a directory, by its path."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def main(directory: Path, form: str) -> None:
    source = directory / "in.jsonl"
    write_json_lines(source, ROWS)
    whole, broken = directory / "whole", directory / "broken"
    whole.mkdir()
    ends(source, whole / f"out.{form}", resume=False, operations=None)
    expected = contents(whole)
    if len(expected) != 3:
        raise SystemExit(f"expected an output, rejected rows and a record, found {list(expected)}")
    for operations in count():
        broken.mkdir()
        out = broken / f"out.{form}"
        ended = ends(source, out, resume=False, operations=operations)
        ends(source, out, resume=True, operations=None)
        if contents(broken) != expected or any(path.is_dir() for path in broken.iterdir()):
            raise SystemExit(
                f"other files after a kill before operation {operations}: {list(contents(broken))}"
            )
        shutil.rmtree(broken)
        if ended:
            print(operations)
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
