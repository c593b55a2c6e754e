"""Let calls into a bounded queue in the order in which they come."""

from collections import deque
from concurrent.futures import Future

__all__ = ["Room"]


class Room:
    """Room of a queue that is bounded by tokens, with those who wait outside for it.

    A call that is let in is tokenized only then. Until it has entered the queue, its place is reserved by an
    estimate of its tokens. To be used under the lock of the queue.

    Args:
        most: tokens at which the queue is full.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._reserved = 0
        self._outside: deque[tuple[Future[None], int]] = deque()

    def is_full(self, waiting: int) -> bool:
        """Return True if the queue, in which so many tokens wait, takes no other call."""
        return waiting + self._reserved >= self._most

    def reserve(self, tokens: int, waiting: int) -> "Future[None]":
        """Return a future that is done as soon as the tokens are reserved."""
        place: Future[None] = Future()
        self._outside.append((place, tokens))
        self.admit(waiting)
        return place

    def release(self, tokens: int, waiting: int) -> None:
        """Give up reserved tokens, because they entered the queue or will not."""
        self._reserved -= tokens
        self.admit(waiting)

    def admit(self, waiting: int) -> None:
        """Reserve tokens for those outside, as long as there is room beside those that wait in the queue."""
        while self._outside and not self.is_full(waiting):
            place, tokens = self._outside.popleft()
            if place.set_running_or_notify_cancel():
                self._reserved += tokens
                place.set_result(None)
