"""Register the input and output formats; a new one is a module of its own and a line here."""

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from spanjet.files.arrow import load_pyarrow
from spanjet.files.csv import CsvTable, write_csv
from spanjet.files.datasets.squad import SquadJson
from spanjet.files.jsonl import JsonLines, is_json_lines
from spanjet.files.parquet import ParquetTable, write_parquet
from spanjet.files.record import Columns, Record, Rejected
from spanjet.storage import check_readable

__all__ = ["READERS", "WRITERS", "RowReader", "RowWriter", "find_format", "open_rows", "row_writer"]


class RowReader(Protocol):
    """Rows of an input, which can be iterated repeatedly unless it is standard input."""

    def count(self) -> int | None:
        """Estimate the number of rows; None if it is unknown before they are read."""

    def __iter__(self) -> Iterator[Record | Rejected]:
        """Yield the rows in order; raise ValueError if the file as a whole cannot be read."""


class RowWriter(Protocol):
    """Writer of output rows, which are those of `answers_row`, to a file."""

    def __call__(self, rows: Iterable[dict[str, Any]], path: Path) -> None:
        """Write the rows to a file."""


def open_json_lines(path: Path, columns: Columns) -> RowReader:
    """Open a file of JSON Lines.

    Raises:
        ValueError: it is compressed.
    """
    with path.open("rb") as file:
        if file.read(2) == b"\x1f\x8b":
            raise ValueError(f"{path}: not text but gzip data; expected JSON Lines, not compressed")
    return JsonLines(path, columns)


def open_json(path: Path, columns: Columns) -> RowReader:
    """Open a file with JSON in it: SQuAD's, an array of rows, or JSON Lines."""
    return open_json_lines(path, columns) if is_json_lines(path) else SquadJson(path, columns)


READERS: dict[str, Callable[[Path, Columns], RowReader]] = {
    "jsonl": open_json_lines,
    "csv": CsvTable,
    "tsv": partial(CsvTable, delimiter="\t"),
    "parquet": ParquetTable,
    "json": open_json,
    "squad": SquadJson,
}

WRITERS: dict[str, RowWriter | None] = {
    "jsonl": None,  # the format of a job's own files
    "csv": write_csv,
    "tsv": partial(write_csv, delimiter="\t"),
    "parquet": write_parquet,
}

SUFFIXES = {".ndjson": "jsonl", ".tab": "tsv", ".pq": "parquet"}
"""Ends of names besides those that are the format's name."""


def find_format(path: Path, formats: Collection[str]) -> str:
    """Determine the format of a file by its name.

    Raises:
        ValueError: the name is of none of ``formats``.
    """
    suffixes = {f".{name}": name for name in formats if name != "squad"}  # no file is called x.squad
    suffixes |= {suffix: name for suffix, name in SUFFIXES.items() if name in formats}
    name = suffixes.get(path.suffix.lower())
    if name is None:
        raise ValueError(f"{path}: unknown format; expected a name that ends in {', '.join(suffixes)}")
    return name


def open_rows(path: Path | None, form: str, columns: Columns, *, delimiter: str | None = None) -> RowReader:
    """Open the rows of an input.

    Args:
        path: the file; None: standard input, only for JSON Lines.
        form: a key of `READERS`.
        columns: names of the columns; SQuAD files have their own.
        delimiter: the character between two fields of a CSV or TSV file; None: a comma or a tab.

    Raises:
        OSError: the file cannot be read.
        ImportError: the format is Parquet and pyarrow is not installed.
        ValueError: the format is unknown, cannot be read from standard input, or has no delimiter; the file
            is a pipe; or JSON Lines are compressed.
    """
    _check_format(form, READERS)
    if delimiter is not None and form not in ("csv", "tsv"):
        raise ValueError(f"a delimiter is given; expected none, as the format is {form} and not csv or tsv")
    if path is None:
        if form != "jsonl":
            raise ValueError(f"standard input is read as JSON Lines only, not as {form}")
        return JsonLines(None, columns)
    check_readable(path)
    return READERS[form](path, columns) if delimiter is None else CsvTable(path, columns, delimiter)


def row_writer(form: str) -> RowWriter | None:
    """Return the writer of a format; None for JSON Lines.

    Raises:
        ImportError: the format is Parquet and pyarrow is not installed.
        ValueError: the format is unknown.
    """
    _check_format(form, WRITERS)
    if form == "parquet":
        load_pyarrow()
    return WRITERS[form]


def _check_format(form: str, formats: Collection[str]) -> None:
    if form not in formats:
        raise ValueError(f"format is {form!r}; expected {', '.join(formats)}")
