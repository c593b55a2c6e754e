"""Read and validate ``config.json``."""

import json
from pathlib import Path
from typing import Any

from spanjet.model.content import check_content

__all__ = ["Fields", "is_number_from_one", "read_json"]

# Maximum size of a configuration file; a larger file is not read.
_MOST_BYTES = 16 << 20
# Maximum of any size in a configuration: the largest vocabularies have less than a million entries.
_MOST = 1 << 24


def read_json(path: Path, *, limited: bool = True) -> dict[str, Any]:
    """Read a JSON file that contains an object.

    Args:
        path: the file.
        limited: refuse more than 16 MiB, beyond any configuration.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it is not a file, not UTF-8, not JSON, not an object, or too large; the message names it.
    """
    check_content(path)
    size = path.stat().st_size
    if limited and size > _MOST_BYTES:
        raise ValueError(f"{path}: {size} bytes, expected a JSON file of at most {_MOST_BYTES} bytes")
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not a JSON file: {_fault(error)}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path}: a JSON {type(value).__name__}, expected an object")
    return value


def _fault(error: ValueError | RecursionError) -> str:
    """Say in the file's terms why JSON cannot be read."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return f"not {error.encoding.upper()} at byte {error.start}"
    return str(error) if isinstance(error, json.JSONDecodeError) else "a number has too many digits"


def is_number_from_one(value: Any) -> bool:
    """Return True for a number from 1 to 1e30."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value <= 1e30


class Fields:
    """Fields of one JSON object, validated when read.

    Args:
        path: path of the file, for messages.
        values: the object.
        names: names in the file of keys that differ from the requested ones.
    """

    def __init__(self, path: Path, values: dict[str, Any], names: dict[str, str] | None = None) -> None:
        self.path = path
        self._values = values
        self._names = {} if names is None else names

    @classmethod
    def read(cls, path: Path) -> "Fields":
        """Read the fields of a JSON file.

        Raises:
            FileNotFoundError, ValueError: as `read_json`.
        """
        return cls(path, read_json(path))

    def renamed(self, names: dict[str, str]) -> "Fields":
        """Return the same fields with other names of some keys in the file."""
        return Fields(self.path, self._values, names)

    def completed(self, values: dict[str, Any]) -> "Fields":
        """Return the same fields with further values, which replace those of the file."""
        return Fields(self.path, {**self._values, **values}, self._names)

    def error(self, key: str, expected: str) -> ValueError:
        """Make a ValueError about a value, with file, key, found and expected value."""
        key = self._names.get(key, key)
        found = json.dumps(self._values[key]) if key in self._values else "missing"
        found = found if len(found) <= 80 else f"{found[:80]}…"
        return ValueError(f'{self.path}: "{key}" is {found}, expected {expected}')

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value without validation; null counts as missing."""
        value = self._value(key, None)
        return default if value is None else value

    def count(self, key: str, *, default: int | None = None, least: int = 1, most: int = _MOST) -> int:
        """Return an integer from ``least`` to ``most``; null counts as missing."""
        value = self.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.error(key, f"a whole number of at least {least} and at most {most}")
        return value

    def fraction(self, key: str, *, default: float) -> float:
        """Return a number between 0 and 1, exclusive."""
        value = self._value(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1:
            raise self.error(key, "a number between 0 and 1")
        return float(value)

    def number_from_one(self, key: str, *, default: float) -> float:
        """Return a number from 1 to 1e30."""
        value = self._value(key, default)
        if not is_number_from_one(value):
            raise self.error(key, "a number from 1 to 1e30")
        return float(value)

    def flag(self, key: str, *, default: bool) -> bool:
        """Return a boolean value."""
        value = self._value(key, default)
        if not isinstance(value, bool):
            raise self.error(key, "true or false")
        return value

    def choice(self, key: str, allowed: list[Any], *, default: Any = None) -> Any:
        """Return one of the allowed values: strings, booleans or null."""
        value = self._value(key, default)
        if not any(value is one or (isinstance(value, str) and value == one) for one in allowed):
            raise self.error(key, " or ".join(json.dumps(one) for one in allowed))
        return value

    def _value(self, key: str, default: Any) -> Any:
        return self._values.get(self._names.get(key, key), default)
