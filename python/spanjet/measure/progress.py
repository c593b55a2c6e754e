"""Report the progress of long work: one bar for each part of it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

__all__ = ["OnStep", "Progress", "ignore_step", "no_progress"]

OnStep = Callable[[int, int | None], None]
"""Called with the numbers of finished and of all steps, None where the latter is unknown."""

Progress = Callable[[str], AbstractContextManager[OnStep]]
"""Opens a bar with a title; what the context manager gives moves the bar."""


def ignore_step(_done: int, _total: int | None) -> None:
    """Report a step to nobody: the default of every `OnStep`."""


@contextmanager
def no_progress(_title: str) -> Iterator[OnStep]:
    """Show no bar: the default of every `Progress`."""
    yield ignore_step
