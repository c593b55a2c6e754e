"""Hold the windows of one call while they wait and run."""

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from spanjet.reader.pipeline import Chunk

__all__ = ["Call"]


class Call:
    """Windows of one caller, of one question or several, that are answered together.

    Args:
        chunk: the questions, whose logits are stored there as they arrive.
        lengths: padded length of each window.
        finish: makes the result of the complete chunk.

    Attributes:
        future: result or error of the call; it can be cancelled at any time before.
        tokens: tokens of all windows, padding included.
        waiting: indices of the windows that wait, by padded length, in order.
        unfinished: number of windows that wait or run; None: the call has failed.
        entered, started, inferred: times of `time.monotonic` at which the call entered the queue, its first
            window left it, and its last one had run; None: not yet.
    """

    __slots__ = (
        "chunk",
        "entered",
        "finish",
        "future",
        "inferred",
        "started",
        "tokens",
        "unfinished",
        "waiting",
    )

    def __init__(self, chunk: Chunk, lengths: list[int], finish: Callable[[Chunk], Any]) -> None:
        self.chunk = chunk
        self.finish = finish
        self.future: Future[Any] = Future()
        self.tokens = sum(lengths)
        self.unfinished: int | None = len(lengths)
        self.waiting: dict[int, deque[int]] = {}
        for row, length in enumerate(lengths):
            self.waiting.setdefault(length, deque()).append(row)
        self.entered = time.monotonic()
        self.started: float | None = None
        self.inferred: float | None = None

    def end(self) -> None:
        """Make the result of the complete chunk, or its error."""
        try:
            result = self.finish(self.chunk)
        except Exception as error:  # it goes to the caller
            self.fail(error)
        else:
            if self.future.set_running_or_notify_cancel():
                self.future.set_result(result)

    def times(self) -> dict[str, float]:
        """Return the seconds that the ended call waited, ran and was decoded."""
        started, inferred = self.started or self.entered, self.inferred or self.entered
        return {
            "queued": started - self.entered,
            "inferred": inferred - started,
            "decoded": time.monotonic() - inferred,
        }

    def fail(self, error: BaseException) -> None:
        """Give the caller an error."""
        if self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)
