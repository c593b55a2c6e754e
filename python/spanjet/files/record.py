"""A row of an input: a question that can be asked, or the reason why it cannot."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Columns", "Record", "Rejected", "read_record"]

_JSON_TYPES = {dict: "an object", list: "an array", bool: "a boolean", int: "a number", float: "a number"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """Names of the columns that are read; all others are ignored.

    Attributes:
        question: texts.
        context: texts; None: the input has no contexts, one text is read for all rows.
        id: texts or integers, which go to the output as they are.
        id_required: whether a row without an id is rejected; otherwise its id is None.
    """

    question: str = "question"
    context: str | None = "context"
    id: str = "id"
    id_required: bool = False


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


def read_record(row: int, place: str, values: Mapping[str, Any], columns: Columns) -> Record | Rejected:
    """The question of a row, by the values of its columns."""
    try:
        return Record(
            row,
            place,
            _identifier(values, columns),
            _text(values, columns.question),
            "" if columns.context is None else _text(values, columns.context),
        )
    except ValueError as error:
        return Rejected(row, place, str(error))


def _text(values: Mapping[str, Any], name: str) -> str:
    value = _value(values, name)
    if not isinstance(value, str):
        raise ValueError(f"column {name!r}: expected a text, found {_kind(value)}")
    if not value or value.isspace():
        raise ValueError(f"column {name!r}: empty, expected some text")
    _check_unicode(name, value)
    return value


def _identifier(values: Mapping[str, Any], columns: Columns) -> str | int | None:
    value = _value(values, columns.id) if columns.id_required else values.get(columns.id)
    if value is None and not columns.id_required:
        return None
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise ValueError(f"column {columns.id!r}: expected a text or an integer, found {_kind(value)}")
    if isinstance(value, str):
        _check_unicode(columns.id, value)
    return value


def _value(values: Mapping[str, Any], name: str) -> Any:
    if name not in values:
        found = ", ".join(repr(key) for key in list(values)[:10]) or "none"
        raise ValueError(f"column {name!r} is missing; the row has {found}")
    return values[name]


def _check_unicode(name: str, text: str) -> None:
    """Refuse lone surrogates, which is also what bytes that are not UTF-8 are decoded to."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"column {name!r}: not valid Unicode at character {error.start}") from None


def _kind(value: Any) -> str:
    return "null" if value is None else _JSON_TYPES.get(type(value), type(value).__name__)
