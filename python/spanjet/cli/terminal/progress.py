"""Draw progress bars on standard error."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from spanjet.measure.progress import OnStep, ignore_step

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(title: str, *, clock: Callable[[], float] = time.monotonic) -> Iterator[OnStep]:
    """Show a bar with count, percentage or rate, elapsed time, and time left; a `Progress`.

    What was finished at the first call counts as the beginning, not as work that was done. Nothing is drawn
    where standard error is no terminal.

    Args:
        title: stands before the bar.
        clock: tells the time in seconds.
    """
    if not sys.stderr.isatty():
        yield ignore_step
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=True),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, get_time=clock) as bars:
        bar = bars.add_task(title, total=None)
        yield lambda done, total: bars.update(bar, completed=done, total=total)
