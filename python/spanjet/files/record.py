"""Define input rows, valid or rejected, and validate their values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from spanjet.files.datasets.json_node import json_type

__all__ = ["Columns", "Record", "Rejected", "check_id", "check_text", "read_record"]

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """Names of the input columns; all others are ignored.

    Attributes:
        question: column of strings.
        context: column of strings; None: the input has no contexts, and all rows share one text.
        id: column of strings or integers, which are copied to the output; a row without one is rejected,
            unless the column is called "id".
    """

    question: str = "question"
    context: str | None = "context"
    id: str = "id"

    @property
    def id_required(self) -> bool:
        """True if a row needs an id."""
        return self.id != "id"


@dataclass(frozen=True, slots=True)
class Record:
    """Valid row: a question and its context.

    Attributes:
        row: index among all rows of the input, rejected ones included.
        place: location of the row for messages, such as ``"line 3"``.
        id: id of the row, if it has one.
        question: non-empty text without lone surrogates.
        context: the same; empty if the input has no contexts.
    """

    row: int
    place: str
    id: str | int | None
    question: str
    context: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """Invalid row, with the reason.

    Attributes:
        row: index among the rows of the input.
        place: location of the row for messages, such as ``"line 3"``.
        reason: description of the fault and of the expected value.
    """

    row: int
    place: str
    reason: str


def check_text(value: Any) -> str:
    """Check that a question or context is a non-empty string, and return it.

    Raises:
        ValueError: the value is not a string, empty, or has lone surrogates; the message has no location.
    """
    if not isinstance(value, str):
        raise ValueError(f"expected a string, found {json_type(value)}")
    if not value or value.isspace():
        raise ValueError("empty, expected some text")
    _check_unicode(value)
    return value


def check_id(value: Any) -> str | int:
    """Check that an id is a string or an integer, and return it.

    Raises:
        ValueError: the value is neither, or has lone surrogates; the message has no location.
    """
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise ValueError(f"expected a string or an integer, found {json_type(value)}")
    if isinstance(value, str):
        _check_unicode(value)
    return value


def read_record(row: int, place: str, values: Mapping[str, Any], columns: Columns) -> Record | Rejected:
    """Validate the column values of a row."""
    try:
        has_id = columns.id_required or values.get(columns.id) is not None
        return Record(
            row,
            place,
            _read(values, columns.id, check_id) if has_id else None,
            _read(values, columns.question, check_text),
            "" if columns.context is None else _read(values, columns.context, check_text),
        )
    except ValueError as error:
        return Rejected(row, place, str(error))


def _read(values: Mapping[str, Any], name: str, check: Callable[[Any], _T]) -> _T:
    if name not in values:
        found = ", ".join(repr(key) for key in list(values)[:10]) or "none"
        raise ValueError(f"column {name!r} is missing; the row has {found}")
    try:
        return check(values[name])
    except ValueError as error:
        raise ValueError(f"column {name!r}: {error}") from None


def _check_unicode(text: str) -> None:
    """Reject lone surrogates, to which invalid UTF-8 is decoded as well."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"not valid Unicode at character {error.start}") from None
