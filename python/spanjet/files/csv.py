"""Read and write CSV with a header (RFC 4180)."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from spanjet.files.encoding import describe_undecodable, open_text, undecodable_bytes
from spanjet.files.lines import MAX_LINE_CHARACTERS, Lines, LineTooLongError
from spanjet.files.record import Columns, Record, Rejected, read_record
from spanjet.reader.answer import Answer

__all__ = ["CsvTable", "write_csv"]

BLOCK = 1 << 20

DELIMITERS = ",;\t|"
"""What a header of one field is searched for, to say which delimiter the file may have."""

TABS = {"\\t": "\t", "tab": "\t"}
"""What people write where a shell gives them no tab."""


@dataclass(frozen=True, slots=True)
class CsvTable:
    """The rows of a CSV file with a header. Empty lines are no rows.

    Attributes:
        path: the file.
        columns: names in the header.
        delimiter: one character between two fields; a backslash and a t, or the word "tab", are a tab too.

    Raises:
        ValueError: on iteration: the header lacks a column or is not CSV, or the delimiter is not one
            character.
    """

    path: Path
    columns: Columns
    delimiter: str = ","

    def count(self) -> int:
        """Estimate the number of rows by the line ends outside quotes."""
        ends, quoted = 0, False
        with open_text(self.path, newline=None) as file:
            for block in iter(lambda: file.read(BLOCK), ""):
                parts = block.split('"')
                ends += sum(part.count("\n") for part in parts[quoted::2])
                quoted ^= len(parts) % 2 == 0
        return max(ends - 1, 0)

    def __iter__(self) -> Iterator[Record | Rejected]:
        """Read the rows, in the order of the file."""
        # The module's limit is for all of its readers; at 131,072 characters it is below real contexts.
        csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE_CHARACTERS))
        with open_text(self.path) as file:
            lines = Lines(file)
            rows = _Rows(lines, self.delimiter)
            header = self._header(rows)
            for row, (number, fields) in enumerate(rows):
                place = f"line {number}"
                if isinstance(fields, str):
                    yield Rejected(row, place, fields)
                elif len(fields) != len(header):
                    yield Rejected(
                        row, place, f"{len(fields)} fields; expected {len(header)}, as in the header"
                    )
                else:
                    values = dict(zip(header, map(_decoded, fields), strict=True))
                    yield read_record(row, place, values, self.columns)

    def _header(self, rows: "_Rows") -> list[str]:
        _, header = next(rows, (0, "no header: the file is empty"))
        if isinstance(header, str):
            raise ValueError(f"{self.path}: {header}")
        header[0] = header[0].lstrip("\ufeff")
        for name in header:
            data = undecodable_bytes(name)
            if data is not None:
                raise ValueError(f"{self.path}: the header is {describe_undecodable(data)}")
        required = dict(self.columns.required())
        for role, name in required.items():
            if name not in header:
                found = ", ".join(repr(name) for name in header)
                raise ValueError(
                    f"{self.path}: no column {name!r} in the header (--{role}-column); "
                    f"it has {found:.200}{self._delimiter_hint(header)}"
                )
        for name in (*required.values(), self.columns.id):
            if header.count(name) > 1:
                raise ValueError(f"{self.path}: the header has the column {name!r} more than once")
        return header

    def _delimiter_hint(self, header: list[str]) -> str:
        """Name the delimiter that a header of a single field seems to have."""
        others = [sign for sign in DELIMITERS if sign != self.delimiter and sign in header[0]]
        if len(header) > 1 or not others:
            return ""
        likely = max(others, key=header[0].count)
        return f"; expected --delimiter {likely!r}?"


class _Rows:
    """Iterator over rows: the number of the first line, and the fields or an error message."""

    def __init__(self, lines: Lines, delimiter: str) -> None:
        self._lines = lines
        delimiter = TABS.get(delimiter, delimiter)
        if len(delimiter) != 1 or delimiter in '"\r\n':
            raise ValueError(f"delimiter is {delimiter!r}; expected one character, no quote and no line end")
        self._reader = csv.reader(lines, delimiter=delimiter, strict=True)

    def __iter__(self) -> "_Rows":
        return self

    def __next__(self) -> tuple[int, list[str] | str]:
        while True:
            number = self._lines.number + 1
            try:
                fields = next(self._reader)
            except LineTooLongError as error:
                return number, str(error)
            except csv.Error as error:
                unclosed = str(error) == "unexpected end of data"
                return number, f"not CSV: {'a quoted field has no end' if unclosed else error}"
            if fields:
                return number, fields


def write_csv(rows: Iterable[dict[str, Any]], path: Path, *, delimiter: str = ",") -> None:
    """Write answers as a UTF-8 CSV file: one line per answer, grouped by question, best first.

    Columns: ``row`` of the input, ``id`` (empty where there is none), ``question``, ``rank`` among the
    answers to the question from 1, the attributes of `Answer`, and the ``warning`` of a cut question, else
    empty; the null answer has an empty ``text``.
    """
    names = [field.name for field in fields(Answer)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(["row", "id", "question", "rank", *names, "warning"])
        for row in rows:
            for rank, answer in enumerate(row["answers"], start=1):
                values = (answer[name] for name in names)
                writer.writerow([row["row"], row["id"], row["question"], rank, *values, row.get("warning")])


def _decoded(field: str) -> str | bytes:
    """Return a field, or its bytes where they are not UTF-8."""
    data = undecodable_bytes(field)
    return field if data is None else data
