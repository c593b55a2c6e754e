"""Read and write CSV with a header (RFC 4180)."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from spanjet.files.lines import MAX_LINE_BYTES, Lines, LineTooLongError
from spanjet.files.record import Columns, Record, Rejected, read_record
from spanjet.reader.answer import Answer

__all__ = ["CsvTable", "write_csv"]

BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class CsvTable:
    """Rows of a UTF-8 CSV file with a header; empty lines are skipped.

    Attributes:
        path: the file.
        columns: names of the columns in the header.
        delimiter: field delimiter, one character.

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
        with self.path.open("rb") as file:
            for block in iter(lambda: file.read(BLOCK), b""):
                parts = block.split(b'"')
                ends += sum(part.count(b"\n") for part in parts[quoted::2])
                quoted ^= len(parts) % 2 == 0
        return max(ends - 1, 0)

    def __iter__(self) -> Iterator[Record | Rejected]:
        """Yield the rows in the order of the file."""
        # The module's limit applies to all of its readers; its default, 131,072 characters, is below real
        # contexts.
        csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE_BYTES))
        with self.path.open("rb") as file:
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
                    values = dict(zip(header, fields, strict=True))
                    yield read_record(row, place, values, self.columns)

    def _header(self, rows: "_Rows") -> list[str]:
        _, header = next(rows, (0, "no header: the file is empty"))
        if isinstance(header, str):
            raise ValueError(f"{self.path}: {header}")
        columns = self.columns
        required = [columns.question, *filter(None, [columns.context])]
        for name in (*required, *([columns.id] if columns.id_required else [])):
            if name not in header:
                found = ", ".join(repr(name) for name in header)
                raise ValueError(f"{self.path}: no column {name!r} in the header; it has {found:.200}")
        for name in (*required, columns.id):
            if header.count(name) > 1:
                raise ValueError(f"{self.path}: the header has the column {name!r} more than once")
        return header


class _Rows:
    """Iterator over rows: the number of the first line, and the fields or an error message."""

    def __init__(self, lines: Lines, delimiter: str) -> None:
        self._lines = lines
        # A map, unlike a generator, can continue after an error of `lines`.
        decoded = map(_decode, lines)
        try:
            self._reader = csv.reader(decoded, delimiter=delimiter, strict=True)
        except (TypeError, ValueError):
            raise ValueError(f"delimiter is {delimiter!r}; expected one character") from None

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
                return number, f"not CSV: {error}"
            if fields:
                return number, fields


def write_csv(rows: Iterable[dict[str, Any]], path: Path, *, delimiter: str = ",") -> None:
    """Write answers as a UTF-8 CSV file: one line per answer, grouped by question, best first.

    Columns: ``row`` of the input, ``id`` (empty if there is none), ``question``, ``rank`` among the answers
    to the question from 1, and the attributes of `Answer`; the null answer has an empty ``text``.
    """
    names = [field.name for field in fields(Answer)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(["row", "id", "question", "rank", *names])
        for row in rows:
            for rank, answer in enumerate(row["answers"], start=1):
                values = (answer[name] for name in names)
                writer.writerow([row["row"], row["id"], row["question"], rank, *values])


def _decode(line: bytes) -> str:
    """Decode a line; invalid UTF-8 becomes lone surrogates, which `read_record` rejects."""
    return line.decode("utf-8", "surrogateescape")
