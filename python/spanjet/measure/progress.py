"""Define the protocol for progress reports: one bar for each part of the work."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

__all__ = ["OnStep", "Progress", "ignore_step", "no_progress"]

OnStep = Callable[[int, int | None], None]
"""Callback with the number of finished and of all steps; the latter is None if unknown."""

Progress = Callable[[str], AbstractContextManager[OnStep]]
"""Context manager of a bar with a title, which yields the callback that updates it."""


def ignore_step(_done: int, _total: int | None) -> None:
    """Ignore a step: the default of every `OnStep`."""


@contextmanager
def no_progress(_title: str) -> Iterator[OnStep]:
    """Show no progress bar: the default of every `Progress`."""
    yield ignore_step
