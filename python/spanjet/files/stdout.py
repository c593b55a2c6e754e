"""Standard output as a sink for answers."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from spanjet.files.output_rows import answers_line, rejected_line
from spanjet.files.record import Record, Rejected

if TYPE_CHECKING:
    from spanjet.reader.answer import Answer

__all__ = ["StandardOutput"]


class StandardOutput:
    """Writes answers to standard output, as JSON Lines, and rejected rows to standard error.

    Attributes:
        rows: rows of the input that are done.
        answered, rejected: how many of them were.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.answered = 0
        self.rejected = 0

    def answer(self, record: Record, answers: "Sequence[Answer]") -> None:
        """Write the answers to the next row."""
        sys.stdout.buffer.write(answers_line(record, answers))
        sys.stdout.buffer.flush()
        self.answered += 1
        self.rows = record.row + 1

    def reject(self, rejected: Rejected) -> None:
        """Write the next row as rejected."""
        sys.stderr.write(rejected_line(rejected).decode())
        self.rejected += 1
        self.rows = rejected.row + 1

    def settle(self) -> None:
        """Nothing: what is written stays written."""
