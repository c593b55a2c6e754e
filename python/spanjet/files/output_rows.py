"""A row of the output."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from spanjet.files.record import Record, Rejected

if TYPE_CHECKING:
    from spanjet.reader.answer import Answer

__all__ = ["answers_line", "rejected_line"]


def answers_line(record: Record, answers: "Sequence[Answer]") -> bytes:
    """The answers to a question as a line of JSON.

    ``{"row": 0, "id": "a", "question": "…", "answers": […]}``: ``row`` counts the input's rows from 0, the
    rejected ones included; ``id`` is a text, an integer or null; each answer is `Answer.as_dict`.
    """
    found = [answer.as_dict() for answer in answers]
    return _line({"row": record.row, "id": record.id, "question": record.question, "answers": found})


def rejected_line(rejected: Rejected) -> bytes:
    """A rejected row as a line of JSON: ``{"row": 3, "place": "line 4", "reason": "…"}``."""
    return _line({"row": rejected.row, "place": rejected.place, "reason": rejected.reason})


def _line(value: dict[str, Any]) -> bytes:
    # A lone surrogate, which a reason may quote, has no UTF-8; JSON's escape for it is Python's.
    return f"{json.dumps(value, ensure_ascii=False)}\n".encode("utf-8", "backslashreplace")
