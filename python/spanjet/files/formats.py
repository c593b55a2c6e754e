"""The formats that questions are read from."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from spanjet.files.csv import CsvTable
from spanjet.files.jsonl import JsonLines
from spanjet.files.parquet import ParquetTable, check_pyarrow
from spanjet.files.record import Columns, Record, Rejected
from spanjet.files.squad_rows import SquadFile

__all__ = ["FORMATS", "Source", "find_format", "open_source"]

FORMATS = ("jsonl", "csv", "parquet", "squad")

SUFFIXES = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".json": "squad",
}


class Source(Protocol):
    """Rows of an input; they can be iterated over again, unless they come from standard input."""

    def count(self) -> int | None:
        """About the number of rows; None where it cannot be known before they are read."""

    def __iter__(self) -> Iterator[Record | Rejected]:
        """The rows in their order."""


def find_format(path: Path) -> str:
    """The format that a file's name stands for.

    Raises:
        ValueError: none that is known.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{path}: unknown format; expected a name that ends in {', '.join(SUFFIXES)}")
    return SUFFIXES[suffix]


def open_source(path: Path | None, form: str, columns: Columns, *, delimiter: str = ",") -> Source:
    """The rows of an input.

    Args:
        path: the file; None: standard input, for JSON Lines alone.
        form: one of `FORMATS`.
        columns: names of the columns; SQuAD files have their own.
        delimiter: what separates the fields of CSV.

    Raises:
        OSError: the file cannot be read.
        ImportError: the format is Parquet and pyarrow is not installed.
        ValueError: an unknown format, or one that is not read from standard input.
    """
    if form not in FORMATS:
        raise ValueError(f"format is {form!r}; expected {', '.join(FORMATS)}")
    if path is None:
        if form != "jsonl":
            raise ValueError(f"standard input is read as JSON Lines only, not as {form}")
        return JsonLines(None, columns)
    with path.open("rb"):
        pass
    if form == "jsonl":
        return JsonLines(path, columns)
    if form == "csv":
        return CsvTable(path, columns, delimiter)
    if form == "squad":
        return SquadFile(path)
    check_pyarrow()
    return ParquetTable(path, columns)
