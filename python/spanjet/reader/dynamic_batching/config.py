"""Define the limits of the queue of concurrent questions, and the error beyond them."""

from dataclasses import dataclass
from typing import Literal

from spanjet.validation import check_integer, check_number

__all__ = ["Overloaded", "QueueConfig", "WhenFull"]

WhenFull = Literal["wait", "raise"]
"""Reaction to a full queue: wait for room, or raise `Overloaded`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueConfig:
    """Settings of the queue in which concurrent questions wait (see `Reader.ask_async`).

    Attributes:
        max_queue_tokens: waiting tokens, padding included, at which the queue is full. The last call that is
            let in may exceed it, so that no text is too long for the queue. A call that does not wait for
            room is refused if so much waits of its own length class, so that others' long texts do not count.
        max_wait: longest expected time in the queue in seconds, beyond which a call that does not wait for
            room is refused; None: no limit.
        batch_wait: seconds that questions wait for others to share their batch while the queue holds less
            than a batch. 0: none waits while the engine is idle, and batches grow with the load alone.

    Raises:
        TypeError: a field has the wrong type.
        ValueError: a field is out of range; ``batch_wait`` may be 60 at most.
    """

    max_queue_tokens: int = 1 << 18
    max_wait: float | None = 1.0
    batch_wait: float = 0.0

    def __post_init__(self) -> None:
        check_integer(self, "max_queue_tokens", minimum=1)
        check_number(self, "max_wait", minimum=0, optional=True)
        check_number(self, "batch_wait", minimum=0, maximum=60)


class Overloaded(RuntimeError):  # noqa: N818  (it is a state, not a mistake)
    """More questions wait than the queue takes; the call was refused before inference.

    Attributes:
        reason: why, with the limit.
        retry_after: seconds after which there is probably room.
    """

    def __init__(self, reason: str, retry_after: float) -> None:
        super().__init__(reason, retry_after)  # all of them, so that it can be pickled
        self.reason, self.retry_after = reason, retry_after

    def __str__(self) -> str:
        return f"{self.reason}; expected room in {self.retry_after:.1f} s"
