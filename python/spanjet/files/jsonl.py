"""Read JSON Lines: one object per line."""

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spanjet.files.datasets.json_node import json_type, parse_json
from spanjet.files.lines import Lines, LineTooLongError
from spanjet.files.record import Columns, Record, Rejected, read_record

__all__ = ["JsonLines"]

BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class JsonLines:
    """Rows of a UTF-8 JSON Lines file; blank lines are skipped.

    Attributes:
        path: the file; None: standard input.
        columns: keys of the objects.
    """

    path: Path | None
    columns: Columns

    def count(self) -> int | None:
        """Estimate the number of rows; None for standard input."""
        if self.path is None:
            return None
        with self.path.open("rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(BLOCK), b""))

    def __iter__(self) -> Iterator[Record | Rejected]:
        """Read the rows, in the order of the file."""
        with nullcontext(sys.stdin.buffer) if self.path is None else self.path.open("rb") as file:
            lines = Lines(file)
            row = 0
            while True:
                try:
                    line = next(lines)
                except StopIteration:
                    return
                except LineTooLongError as error:
                    yield Rejected(row, f"line {lines.number}", str(error))
                else:
                    if line.isspace():
                        continue
                    yield self._read(row, f"line {lines.number}", line)
                row += 1

    def _read(self, row: int, place: str, line: bytes) -> Record | Rejected:
        try:
            values = _parse(line)
        except ValueError as error:
            return Rejected(row, place, str(error))
        return read_record(row, place, values, self.columns)


def _parse(line: bytes) -> dict[str, Any]:
    try:
        value = parse_json(line.decode().rstrip())
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: {error.reason} at byte {error.start}") from None
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, found {json_type(value)}")
    return value
