"""Parse JSON and walk its values, with their locations for error messages."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from spanjet.files.encoding import decode_text

__all__ = ["LayoutError", "Node", "json_type", "parse_json"]

_NAMES = {
    bool: "a boolean",
    dict: "an object",
    float: "a number",
    int: "a number",
    list: "an array",
    str: "a string",
    type(None): "null",
}


def parse_json(data: bytes | str) -> Any:
    """Parse a JSON text.

    Raises:
        ValueError: it cannot be decoded, is not JSON, or is nested too deeply for Python.
    """
    text = decode_text(data) if isinstance(data, bytes) else data
    text = text.lstrip("\ufeff")  # byte order marks also stand where files were joined
    if not text or text.isspace():
        raise ValueError("not JSON: there is nothing but white space")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at character {error.pos}") from None
    except ValueError:
        raise ValueError("not JSON that can be read: an integer has too many digits") from None
    except RecursionError:
        raise ValueError("not JSON that can be read: nested too deeply") from None


def json_type(value: Any) -> str:
    """Name the JSON type of a value with an article, such as "a string"."""
    return _NAMES.get(type(value), type(value).__name__)


class LayoutError(ValueError):
    """Value of a file with an unexpected layout.

    Attributes:
        place: location of the value, such as ``"data[0].paragraphs[3]"``.
        reason: what was expected and what was found.
    """

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place = place
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Node:
    """JSON value with its location in the file; methods raise `LayoutError` for an unexpected layout."""

    value: Any
    place: str = "the file"

    def expect(self, kind: type) -> Any:
        """Return the value if it is of the expected type."""
        if not isinstance(self.value, kind):
            raise LayoutError(self.place, f"expected {_NAMES[kind]}, found {json_type(self.value)}")
        return self.value

    def get(self, key: str) -> "Node | None":
        """Return the value at a key of this object; None if it is missing or null."""
        value = self.expect(dict).get(key)
        return None if value is None else self._at(key, value)

    def child(self, key: str) -> "Node":
        """Return the value at a key of this object."""
        if key not in self.expect(dict):
            raise LayoutError(self.place, f"key {key!r} is missing")
        return self._at(key, self.value[key])

    def elements(self) -> "Iterator[Node]":
        """Iterate over the elements of this array."""
        values = self.expect(list)
        place = "" if self.place == "the file" else self.place
        return (Node(value, f"{place}[{index}]") for index, value in enumerate(values))

    def items(self, key: str) -> "Iterator[Node]":
        """Iterate over the elements of the array at a key of this object."""
        return self.child(key).elements()

    def text(self, key: str) -> str:
        """Return the string at a key of this object."""
        return str(self.child(key).expect(str))

    def _at(self, key: str, value: Any) -> "Node":
        return Node(value, key if self.place == "the file" else f"{self.place}.{key}")
