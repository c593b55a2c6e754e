"""Read ``config.json`` with checked values."""

import json
from pathlib import Path
from typing import Any

from spanjet.model.content import check_content

__all__ = ["Fields", "read_json"]

# More than any file of sizes and names needs; what is greater is not read into memory.
_MOST_BYTES = 16 << 20
# No size in a configuration is greater: the largest vocabularies have less than a million entries.
_MOST = 1 << 24


def read_json(path: Path) -> dict[str, Any]:
    """Read the object of a JSON file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no file, not UTF-8, not JSON, not an object, or larger than 16 MiB; the message
            names it.
    """
    check_content(path)
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise ValueError(f"{path}: {size} bytes, expected a JSON file of at most {_MOST_BYTES}")
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


class Fields:
    """The values of one JSON object, checked when they are read.

    Args:
        path: the file, for messages.
        values: its object.
        names: what the file calls the keys that it names otherwise than they are asked for.
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
        """Return the same fields, some of which have other names in the file."""
        return Fields(self.path, self._values, names)

    def error(self, key: str, expected: str) -> ValueError:
        """Make the ValueError about a value: file, key, what was found and what was expected."""
        key = self._names.get(key, key)
        found = json.dumps(self._values[key]) if key in self._values else "missing"
        found = found if len(found) <= 80 else f"{found[:80]}…"
        return ValueError(f'{self.path}: "{key}" is {found}, expected {expected}')

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value as it is; a null counts as missing."""
        value = self._value(key, None)
        return default if value is None else value

    def count(self, key: str, *, default: int | None = None, least: int = 1, most: int = _MOST) -> int:
        """Return a whole number from ``least`` to ``most``."""
        value = self._value(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.error(key, f"a whole number of at least {least} and at most {most}")
        return value

    def small(self, key: str, *, default: float) -> float:
        """Return a number between 0 and 1, both excluded."""
        value = self._value(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1:
            raise self.error(key, "a number between 0 and 1")
        return float(value)

    def flag(self, key: str, *, default: bool) -> bool:
        """Return a boolean."""
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
