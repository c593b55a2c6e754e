"""A row of an input: a question that can be asked, or the reason why it cannot."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from spanjet.files.datasets.json_node import json_type

__all__ = ["Columns", "Record", "Rejected", "check_id", "check_text", "read_record"]

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """Names of the columns that are read; all others are ignored.

    Attributes:
        question: strings.
        context: strings; None: the input has no contexts, one text is read for all rows.
        id: strings or integers, which go to the output as they are; a row without one is rejected, unless the
            column is called "id".
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
    """A question and its context.

    Attributes:
        row: index among the rows of the input, the rejected ones included.
        place: where the row is, for people: ``"line 3"``.
        id: the row's own name, if it has one.
        question: not empty, without lone surrogates.
        context: the same; empty where the input has no contexts.
    """

    row: int
    place: str
    id: str | int | None
    question: str
    context: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that cannot be asked.

    Attributes:
        row: index among the rows of the input.
        place: where the row is, for people: ``"line 3"``.
        reason: what is wrong and what was expected.
    """

    row: int
    place: str
    reason: str


def check_text(value: Any) -> str:
    """Return a question or context, which is a string with something in it.

    Raises:
        ValueError: it is no string, empty, or holds lone surrogates; the message does not say where.
    """
    if not isinstance(value, str):
        raise ValueError(f"expected a string, found {json_type(value)}")
    if not value or value.isspace():
        raise ValueError("empty, expected some text")
    _check_unicode(value)
    return value


def check_id(value: Any) -> str | int:
    """Return an id as it is: a string or an integer.

    Raises:
        ValueError: it is neither, or holds lone surrogates; the message does not say where.
    """
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise ValueError(f"expected a string or an integer, found {json_type(value)}")
    if isinstance(value, str):
        _check_unicode(value)
    return value


def read_record(row: int, place: str, values: Mapping[str, Any], columns: Columns) -> Record | Rejected:
    """Read the question of a row from the values of its columns."""
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
    """Refuse lone surrogates, which is also what bytes that are not UTF-8 are decoded to."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"not valid Unicode at character {error.start}") from None
