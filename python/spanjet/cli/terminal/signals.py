"""End a command in order when its process is told to end."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from spanjet.runtime.machine import TERMINATION_SIGNALS

__all__ = ["orderly_end"]


@contextmanager
def orderly_end() -> Iterator[None]:
    """Turn the signals that end a process into exits, which remove unfinished files; a second one kills."""

    def end(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # One that is ignored stays so, as nohup wants it.
    taken = [number for number in TERMINATION_SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)
