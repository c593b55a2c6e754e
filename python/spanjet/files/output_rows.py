"""Format output rows, and write them to standard output."""

import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from spanjet.files.record import Record, Rejected
from spanjet.reader.answer import Answer

__all__ = ["StandardOutput", "answers_line", "rejected_line"]


def answers_line(record: Record, answers: Sequence[Answer]) -> bytes:
    """Format the answers to a question as a line of JSON.

    ``{"row": 0, "id": "a", "question": "…", "answers": […]}``: ``row`` counts the input's rows from 0, the
    rejected ones included; ``id`` is a string, an integer or null; each answer is `Answer.as_dict`. A row
    whose question was cut has a ``warning`` too.
    """
    found = [answer.as_dict() for answer in answers]
    warning = {} if record.warning is None else {"warning": record.warning}
    values = {"row": record.row, "id": record.id, "question": record.question, "answers": found}
    return _line({**values, **warning})


def rejected_line(rejected: Rejected) -> bytes:
    """Format a rejected row as a line of JSON: ``{"row": 3, "place": "line 4", "reason": "…"}``."""
    return _line({"row": rejected.row, "place": rejected.place, "reason": rejected.reason})


def _line(value: dict[str, Any]) -> bytes:
    # A lone surrogate, which a reason may quote, has no UTF-8; Python's escape for it is valid JSON.
    return f"{json.dumps(value, ensure_ascii=False)}\n".encode("utf-8", "backslashreplace")


class StandardOutput(nullcontext[None]):
    """Sink that writes answers to standard output as JSON Lines, and rejected rows to standard error.

    It has the interface of a `Journal`, without resuming.

    Attributes:
        rows: number of finished rows of the input.
        answered, rejected: number of answered and of rejected rows.
    """

    complete, resumed_rows, rejected_out = False, 0, None

    def __init__(self) -> None:
        super().__init__()
        self.rows = self.answered = self.rejected = 0

    @property
    def kept(self) -> int:
        """Number of rows that are written: all finished ones."""
        return self.rows

    def answer(self, record: Record, answers: Sequence[Answer]) -> None:
        """Write the answers of the next row."""
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
        """Do nothing: written rows are final."""

    def finish(self) -> None:
        """Do nothing: the output is already written."""
