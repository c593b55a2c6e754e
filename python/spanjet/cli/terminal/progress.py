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
    """Show a progress bar with count, percentage or rate, elapsed and remaining time (a `Progress`).

    Steps finished before the first call are not counted in the rate. Nothing is drawn unless standard error
    is a terminal.

    Args:
        title: text before the bar.
        clock: function that returns the time in seconds.
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
