"""Check settings and arguments, and say what is wrong with them."""

import sys
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any, TypeVar

__all__ = [
    "SettingError",
    "check_bool",
    "check_choice",
    "check_config",
    "check_count",
    "check_integer",
    "check_list",
    "check_number",
    "check_threshold",
    "check_type",
]

_T = TypeVar("_T")

MOST = 2**31 - 1
"""Maximum of any integer setting."""


class SettingError(ValueError):
    """A setting is out of range.

    Attributes:
        name, value: of the setting; a command's option has the same name, with hyphens.
        expected: what it may be.
        owner: class that it belongs to; "" for an argument.
    """

    def __init__(self, name: str, value: object, expected: str, owner: str = "") -> None:
        super().__init__(name, value, expected, owner)  # all of them, so that it can be pickled
        self.name, self.value, self.expected, self.owner = name, value, expected, owner

    def __str__(self) -> str:
        owner = f"{self.owner}." if self.owner else ""
        return f"{owner}{self.name} is {self.value!r}; expected {self.expected}"


def check_integer(config: Any, name: str, *, minimum: int, optional: bool = False) -> None:
    """Check that a setting is an integer of Python or NumPy in range, and keep it as Python's.

    Args:
        config: settings to check, a dataclass.
        name: name of the setting.
        minimum: minimum value; the maximum is `MOST`.
        optional: allow None.
    """
    value = getattr(config, name)
    if optional and value is None:
        return
    expected = f"an integer of at least {minimum}"
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(str(_error(config, name, expected)))
    number = int(value)
    if number < minimum:
        raise _error(config, name, expected)
    if number > MOST:
        raise _error(config, name, f"an integer of at most {MOST}")
    object.__setattr__(config, name, number)  # frozen


def check_number(
    config: Any,
    name: str,
    *,
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
    optional: bool = False,
    kind: str = "a finite number",
) -> None:
    """Check that a setting is a finite number of Python or NumPy in range, and keep it as Python's.

    Args:
        config: settings to check.
        name: name of the setting.
        minimum: inclusive lower limit; None: no limit.
        above: exclusive lower limit; None: no limit.
        maximum: inclusive upper limit; None: no limit.
        optional: allow None.
        kind: kind of number, for the message.
    """
    value = getattr(config, name)
    if optional and value is None:
        return
    low = f"of at least {minimum}" if minimum is not None else f"greater than {above}"
    expected = kind if minimum is above is None else f"{kind} {low}"
    expected += "" if maximum is None else f" and at most {maximum}"
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(str(_error(config, name, expected)))
    number = int(value) if isinstance(value, Integral) else float(value)
    if (
        not abs(number) <= sys.float_info.max  # also of an integer that is too large for a float
        or (minimum is not None and number < minimum)
        or (above is not None and number <= above)
        or (maximum is not None and number > maximum)
    ):
        raise _error(config, name, expected)
    object.__setattr__(config, name, number)  # frozen


def check_bool(config: Any, name: str, *, optional: bool = False) -> None:
    """Check that a setting is True or False, or None if allowed."""
    value = getattr(config, name)
    if not isinstance(value, bool) and not (optional and value is None):
        raise TypeError(str(_error(config, name, "True, False or None" if optional else "True or False")))


def check_choice(config: Any, name: str, choices: Sequence[str], *, optional: bool = False) -> None:
    """Check that a setting is one of the given strings, or None if allowed."""
    value, expected = getattr(config, name), " or ".join(map(repr, choices))
    if not isinstance(value, str) and not (optional and value is None):
        raise TypeError(str(_error(config, name, expected)))
    if value is not None and value not in choices:
        raise _error(config, name, expected)


def _error(config: Any, name: str, expected: str) -> SettingError:
    return SettingError(name, getattr(config, name), expected, type(config).__name__)


def check_threshold(name: str, value: Any, others: str = "") -> None:
    """Check that a threshold is a probability or None.

    Args:
        name: name of the threshold, for the message.
        value: threshold to check.
        others: other allowed values, for the message.
    """
    expected = f"{name} is {value!r}; expected {others}a probability, 0 to 1, or None"
    if value is None:
        return
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(expected)
    if not 0 <= (int(value) if isinstance(value, Integral) else float(value)) <= 1:  # floats have a limit
        raise ValueError(expected)


def check_count(name: str, value: Any) -> int:
    """Check that a count is an integer of Python or NumPy and at least 1, and return it.

    Raises:
        TypeError: the value is not an integer.
        ValueError: the value is out of range.
    """
    error = SettingError(name, value, f"an integer from 1 to {MOST}")
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(str(error))
    if not 1 <= int(value) <= MOST:
        raise error
    return int(value)


def check_type(name: str, value: _T, expected: type[_T]) -> _T:
    """Check the type of an argument, and return it."""
    if not isinstance(value, expected):
        raise TypeError(f"{name}: expected {expected.__name__}, found {type(value).__name__}")
    return value


def check_config(name: str, value: _T | None, expected: type[_T]) -> _T:
    """Check the type of settings, and return them, or the defaults for None."""
    return expected() if value is None else check_type(name, value, expected)


def check_list(name: str, values: Iterable[_T]) -> list[_T]:
    """List the items of an iterable argument that is not a string; raise TypeError otherwise."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise TypeError(f"{name}: expected a sequence of texts, found {type(values).__name__}")
    return list(values)
