"""Estimate how long a call will wait from the measured speed."""

import math
import time
from collections.abc import Callable, Sequence

from spanjet.reader.dynamic_batching.fair_queue import CLASSES

__all__ = ["Load"]

MEMORY = 16
"""Number of batches over which the speed is averaged."""

TIME_CONSTANT = 1.0
"""Seconds over which the flow of each length class is averaged."""

ROUNDS = 5
"""Iterations of the estimate, each of which adds what comes during the wait of the one before."""


class Load:
    """Moving averages of the speed of a stream and of the flow of each length class.

    Args:
        clock: function that returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tokens = 0.0
        self._seconds = 0.0
        self._flow = [0.0] * CLASSES
        self._then = clock()

    def left(self, length_class: int, tokens: int) -> None:
        """Record that tokens of a length class left the queue."""
        self._decay()
        self._flow[length_class] += tokens / TIME_CONSTANT

    def ran(self, tokens: int, seconds: float) -> None:
        """Record the time of a batch on one stream."""
        self._tokens += (tokens - self._tokens) / MEMORY
        self._seconds += (seconds - self._seconds) / MEMORY

    @property
    def speed(self) -> float | None:
        """Tokens per second of one stream, padding included; None before the first batch."""
        return self._tokens / self._seconds if self._seconds > 0 else None

    def seconds(self, tokens: int, streams: int) -> float:
        """Estimate the seconds in which tokens are computed; 0 before the first batch has been timed."""
        return 0.0 if self.speed is None else tokens / (self.speed * streams)

    def expected_wait(self, waiting: Sequence[int], length_class: int, streams: int) -> float:
        """Estimate the seconds that a call would wait in the queue.

        Each class has an equal share while something of it waits. So the others take, before the call's turn,
        what waits of them now and what comes meanwhile, but at most as much as waits of the call's class.

        Args:
            waiting: number of waiting tokens of each length class.
            length_class: class of the call.
            streams: number of streams.

        Returns:
            0 before the first batch has been timed, and if nothing of the class waits.
        """
        speed = self.speed
        ahead = waiting[length_class]
        if speed is None or not ahead:
            return 0.0
        self._decay()
        speed *= streams
        seconds = 0.0
        for _ in range(ROUNDS):
            others = (
                min(ahead, tokens + flow * seconds)
                for place, (tokens, flow) in enumerate(zip(waiting, self._flow, strict=True))
                if place != length_class
            )
            seconds = (ahead + sum(others)) / speed
        return seconds

    def _decay(self) -> None:
        now = self._clock()
        factor = math.exp((self._then - now) / TIME_CONSTANT)
        self._flow = [flow * factor for flow in self._flow]
        self._then = now
