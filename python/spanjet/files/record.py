"""Define input rows, valid or rejected, and validate their values."""

import json
import math
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from spanjet.files.datasets.json_node import LayoutError, Node, json_type
from spanjet.files.encoding import describe_undecodable

__all__ = ["Columns", "Record", "Rejected", "check_text", "read_id", "read_record", "read_text"]

INVISIBLE = ("Cc", "Cf")
"""Unicode's general categories of control and format characters, such as the zero-width space."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """Names of the input columns; all others are ignored.

    Attributes:
        question: strings.
        context: strings; None: the input has no contexts, one text is read for all rows.
        id: what goes to the output (see `read_id`); a row without one is rejected, unless the column is
            called "id".
    """

    question: str = "question"
    context: str | None = "context"
    id: str = "id"

    @property
    def id_required(self) -> bool:
        """True if a row needs an id."""
        return self.id != "id"

    def required(self) -> Iterator[tuple[str, str]]:
        """Yield the roles that need a column, and the names of those."""
        yield "question", self.question
        if self.context is not None:
            yield "context", self.context
        if self.id_required:
            yield "id", self.id


@dataclass(frozen=True, slots=True)
class Record:
    """Valid row: a question and its context.

    Attributes:
        row: index among the rows of the input, the rejected ones included.
        place: where the row is, for people: ``"line 3"``.
        id: the row's own name, if it has one.
        question: not empty, without lone surrogates.
        context: the same; empty where the input has no contexts.
        warning: what makes the answers worth less than they seem, if anything does.
    """

    row: int
    place: str
    id: str | int | None
    question: str
    context: str
    warning: str | None = None


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

    Args:
        value: bytes are a string that is not UTF-8.

    Raises:
        ValueError: it is no string, shows nothing, or holds lone surrogates; the message does not say where.
    """
    if isinstance(value, bytes):
        raise ValueError(describe_undecodable(value))
    if not isinstance(value, str):
        raise ValueError(f"expected a string, found {json_type(value)}")
    if all(sign.isspace() or unicodedata.category(sign) in INVISIBLE for sign in value):
        raise ValueError("empty, expected some text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"not valid Unicode at character {error.start}") from None
    return value


def read_id(value: Any) -> str | int | None:
    """Read an id of any type, since no answer is to be lost for it.

    Strings and integers stay as they are; of a number without a fraction the integer is taken, of other
    values the text, in JSON where they are arrays or objects. Null and NaN are no id. What is not valid
    Unicode is escaped.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, bool | dict | list):
        value = json.dumps(value, ensure_ascii=False, default=read_id)
    return str(value).encode("utf-8", "backslashreplace").decode()


def read_record(row: int, place: str, values: Mapping[str, Any], columns: Columns) -> Record | Rejected:
    """Read the question of a row from the values of its columns."""
    for role, name in columns.required():
        if name not in values:
            found = ", ".join(repr(key) for key in list(values)[:10]) or "none"
            return Rejected(row, place, f"no column {name!r} (--{role}-column); the row has {found}")
    found_id = read_id(values.get(columns.id))
    if found_id is None and columns.id_required:
        return Rejected(row, place, f"column {columns.id!r}: expected an id, found none")
    try:
        question = _read_column(values, columns.question)
        context = "" if columns.context is None else _read_column(values, columns.context)
    except ValueError as error:
        return Rejected(row, place, str(error))
    return Record(row, place, found_id, question, context)


def read_text(node: Node, key: str, *, check: bool = True) -> str:
    """Read a question or context at a key of a JSON object; without the check, any string is one.

    Raises:
        LayoutError: there is none.
    """
    child = node.child(key)
    if not check:
        return str(child.expect(str))
    try:
        return check_text(child.value)
    except ValueError as error:
        raise LayoutError(child.place, str(error)) from None


def _read_column(values: Mapping[str, Any], name: str) -> str:
    try:
        return check_text(values[name])
    except ValueError as error:
        raise ValueError(f"column {name!r}: {error}") from None
