"""Read JSON Lines: one object per line."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spanjet.files.datasets.json_node import json_type, parse_json
from spanjet.files.encoding import open_text, undecodable_bytes
from spanjet.files.lines import Lines, LineTooLongError
from spanjet.files.record import Columns, Record, Rejected, read_record

__all__ = ["JsonLines", "is_json_lines"]

BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class JsonLines:
    """The rows of a JSON Lines file. Lines of nothing but white space are no rows.

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
        with open_text(self.path, newline=None) as file:
            return sum(block.count("\n") for block in iter(lambda: file.read(BLOCK), ""))

    def __iter__(self) -> Iterator[Record | Rejected]:
        """Read the rows, in the order of the file."""
        with open_text(self.path) as file:
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

    def _read(self, row: int, place: str, line: str) -> Record | Rejected:
        try:
            values = _parse(line)
        except ValueError as error:
            return Rejected(row, place, str(error))
        return read_record(row, place, values, self.columns)


def is_json_lines(path: Path) -> bool:
    """Tell JSON Lines from one JSON document by the first lines, or by the name where they do not tell.

    Raises:
        OSError: the file cannot be read.
    """
    compressed = path.suffix.lower() == ".gz"
    named_so = (Path(path.stem) if compressed else path).suffix.lower() in (".jsonl", ".ndjson")
    if compressed:
        return named_so
    try:
        with open_text(path) as file:
            lines = (line for line in Lines(file) if not line.isspace())
            first = next(lines, "")
            if first.startswith("[") or isinstance(_parse(first).get("data"), list):
                return False
            return named_so or next(lines, None) is not None
    except ValueError:
        return named_so


def _parse(line: str) -> dict[str, Any]:
    data = undecodable_bytes(line)
    try:
        value = parse_json(line.rstrip() if data is None else data)
        if not isinstance(value, dict):
            raise ValueError(f"expected an object, found {json_type(value)}")
    except ValueError as error:
        starts_document = line.startswith("[") or line.strip() == "{"
        hint = "; --format json reads a file that is one JSON document" if starts_document else ""
        raise ValueError(f"{error}{hint}") from None
    return value
