"""Answer the questions of concurrent callers in shared batches."""

import weakref
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

import numpy as np

from spanjet.reader.batching import padded_lengths
from spanjet.reader.dynamic_batching.call import Call
from spanjet.reader.dynamic_batching.config import QueueConfig
from spanjet.reader.dynamic_batching.load import Load
from spanjet.reader.dynamic_batching.worker import work
from spanjet.reader.dynamic_batching.worker_pool import Observer, WorkerPool
from spanjet.reader.pipeline import Chunk
from spanjet.runtime.engine import Runtime
from spanjet.runtime.machine import after_fork_in_child

__all__ = ["DynamicBatcher", "Reservation"]

BATCH_TOKENS = 1024
"""Maximum tokens of a batch under load: one takes 40 ms on one thread, which a short question may have to
wait; larger ones are at most 1 % faster."""

_T = TypeVar("_T")


class Reservation:
    """Place in the queue of a batcher for a call that is not tokenized yet.

    Attributes:
        future: done as soon as there is room; it can be cancelled.
    """

    def __init__(self, pool: WorkerPool, tokens: int) -> None:
        self._pool, self._tokens = pool, tokens
        self.future = pool.reserve(tokens)

    def release(self) -> None:
        """Give up the place, because its call has entered the queue, or will not."""
        if not self.future.cancel():
            self._pool.release(self._tokens)


class DynamicBatcher:
    """Dynamic batcher of concurrent calls, in front of one engine; thread-safe.

    Calls wait in a `FairQueue`, whose batches run side by side, as many as the engine has streams. So batches
    are small, and leave at once, while there is little to do, and grow with the load. A cancelled call leaves
    the queue at once. The threads start with the first call, and end when the batcher is freed.

    Args:
        engine: engine of the model.
        config: limits of the queue.
        batch_tokens: maximum tokens of a batch, padding included, if less than `BATCH_TOKENS`.
        max_length: maximum length of the model in tokens.
    """

    def __init__(
        self, engine: Runtime, config: QueueConfig, *, batch_tokens: int | None, max_length: int
    ) -> None:
        self._engine = engine
        self._config = config
        self._batch_tokens = min(BATCH_TOKENS, batch_tokens or BATCH_TOKENS)
        self._max_length = max_length
        self._observer: Observer | None = None
        self._start_anew()
        _BATCHERS.add(self)

    def _start_anew(self) -> None:
        self._load = Load()
        self._start_pool()

    def _start_pool(self) -> None:
        self._pool = WorkerPool(self._config, self._load, self._batch_tokens, partial(work, self._engine))
        self._pool.observer = self._observer
        self._shutdown = weakref.finalize(self, self._pool.shut_down)

    @property
    def observer(self) -> Observer | None:
        """Receiver of measurements, see `observe`."""
        return self._observer

    def observe(self, observer: Observer | None) -> None:
        """Send measurements of all batches and calls from now on to an observer; None: to nobody."""
        self._observer = self._pool.observer = observer

    def submit(self, chunk: Chunk, finish: Callable[[Chunk], _T], *, limited: bool = False) -> "Future[_T]":
        """Queue prepared questions for inference.

        Args:
            chunk: the questions.
            finish: makes the result of the complete chunk; called by a thread of the batcher.
            limited: refuse the call if the queue is full, or if it would probably wait too long.

        Returns:
            Future of the result, or of the error of inference or ``finish``. To cancel it takes the call out
            of the queue.

        Raises:
            Overloaded: the call is refused.
            RuntimeError: the interpreter is shutting down.
        """
        lengths = padded_lengths(np.diff(chunk.windows.indptr), max_length=self._max_length).tolist()
        call = Call(chunk, lengths, finish)
        if not lengths:
            call.end()
            return call.future
        pool = self._pool
        while not pool.add(call, limited=limited):  # `close` was faster
            if pool is self._pool:
                raise RuntimeError("the interpreter is shutting down: expected no more questions")
            pool = self._pool
        call.future.add_done_callback(partial(_leave_if_cancelled, pool, call))
        return call.future

    def reserve(self, tokens: int) -> Reservation:
        """Reserve room in the queue for a call of about so many tokens, as soon as there is some."""
        return Reservation(self._pool, tokens)

    def check(self, tokens: int = 1) -> None:
        """Check that a call of so many tokens would not be refused now.

        Raises:
            Overloaded: it would be.
        """
        self._pool.check(tokens)

    def expected_wait(self, tokens: int = 1) -> float:
        """Estimate the seconds that a call of so many tokens would wait in the queue."""
        return self._pool.expected_wait(tokens)

    def waiting(self) -> tuple[int, int]:
        """Return the number of tokens that wait, padding included, and of batches that run."""
        return self._pool.waiting()

    def close(self) -> None:
        """Stop the threads after the waiting calls; a later call starts others."""
        shutdown = self._shutdown
        self._start_pool()
        shutdown()


_BATCHERS: "weakref.WeakSet[DynamicBatcher]" = weakref.WeakSet()


def _after_fork_in_child() -> None:
    """Forget the parent's threads, which the child does not have, and the locks that one of them may hold."""
    for batcher in list(_BATCHERS):
        batcher._shutdown.detach()
        batcher._start_anew()


after_fork_in_child(_after_fork_in_child)


def _leave_if_cancelled(pool: WorkerPool, call: Call, future: "Future[Any]") -> None:
    if future.cancelled():
        pool.discard(call)
