"""Hand the batches of a queue to the threads that run them."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple, Protocol

from spanjet.reader.dynamic_batching.call import Call
from spanjet.reader.dynamic_batching.config import Overloaded, QueueConfig
from spanjet.reader.dynamic_batching.fair_queue import FairQueue, Taken, length_class
from spanjet.reader.dynamic_batching.load import Load
from spanjet.reader.dynamic_batching.room import Room
from spanjet.runtime.engine import Hint

__all__ = ["Job", "Observer", "WorkerPool"]


class Observer(Protocol):
    """Receiver of measurements, which is called by the threads of a batcher and of its callers."""

    def prepared(self, *, seconds: float) -> None:
        """Receive the seconds in which a call was tokenized."""

    def batch(self, *, rows: int, tokens: int, positions: int) -> None:
        """Receive the size of a batch that has run: its windows, their tokens, and these with padding."""

    def call(self, *, queued: float, inferred: float, decoded: float) -> None:
        """Receive the seconds that a complete call waited, ran and was decoded."""


class Job(NamedTuple):
    """Batch to run.

    Attributes:
        taken: its windows.
        hint: OpenVINO's performance hint: LATENCY if nothing else waits or runs.
        begun: time of `time.monotonic` at which it left the queue.
    """

    taken: Taken
    hint: Hint
    begun: float


class WorkerPool:
    """Threads that run the batches of one queue, each of them one batch at a time; thread-safe.

    They are started as they are needed, at most one for each stream of the engine, and end when the pool is
    shut down and nothing waits.

    Args:
        config: limits of the queue.
        load: measured speed.
        batch_tokens: maximum tokens of a batch, padding included.
        work: what each thread does; it is given its number, from 0, and takes jobs until there are none.

    Attributes:
        streams: number of streams of the engine; None: not known yet.
        observer: receiver of measurements, or None.
    """

    def __init__(
        self, config: QueueConfig, load: Load, batch_tokens: int, work: Callable[["WorkerPool", int], None]
    ) -> None:
        self._config = config
        self._load = load
        self._batch_tokens = batch_tokens
        self._work = work
        self._changed = threading.Condition(threading.Lock())
        self._queue = FairQueue()
        self._room = Room(config.max_queue_tokens)
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._running = 0
        self._is_shut_down = False
        self.streams: int | None = None
        self.observer: Observer | None = None

    def add(self, call: Call, *, limited: bool) -> bool:
        """Let a call wait in the queue.

        Args:
            call: the call.
            limited: refuse it if the queue is full, or if it would probably wait too long.

        Returns:
            False if the pool is shut down, so that nobody would run the call.

        Raises:
            Overloaded: it is refused.
        """
        with self._changed:
            if self._is_shut_down:
                return False
            if limited:
                self._check(call.tokens)
            self._queue.add(call)
            self._wake()
            return True

    def check(self, tokens: int) -> None:
        """Check that a call of so many tokens would not be refused now.

        Raises:
            Overloaded: it would be.
        """
        with self._changed:
            self._check(tokens)

    def discard(self, call: Call) -> None:
        """Remove what waits of a call."""
        with self._changed:
            self._queue.discard(call)
            self._room.admit(self._queue.tokens)

    def reserve(self, tokens: int) -> "Future[None]":
        """Return a future that is done as soon as a call of about so many tokens may enter."""
        with self._changed:
            return self._room.reserve(tokens, self._queue.tokens)

    def release(self, tokens: int) -> None:
        """Give up reserved tokens."""
        with self._changed:
            self._room.release(tokens, self._queue.tokens)

    def take(self, *, wait: bool) -> Job | None:
        """Take the next batch from the queue.

        Args:
            wait: wait until there is one.

        Returns:
            None if there is none; after waiting, if the pool is shut down.
        """
        with self._changed:
            taken = self._next()
            while taken is None and wait and not (self._is_shut_down and not self._queue.tokens):
                self._idle += 1
                self._changed.wait(self._patience() or None)
                self._idle -= 1
                taken = self._next()
            if taken is None:
                return None
            now = time.monotonic()
            for call, _ in taken.parts:
                call.started = call.started or now
            alone = not self._running and not self._queue.tokens
            self._running += 1
            self._load.left(taken.length_class, taken.rows * taken.length)
            self._room.admit(self._queue.tokens)
            self._wake()
            return Job(taken, "LATENCY" if alone else "THROUGHPUT", now)

    def done(self, job: Job) -> list[Call]:
        """Record that a batch has run, and return the calls that are complete with it."""
        complete = []
        now = time.monotonic()
        with self._changed:
            self._running -= 1
            # All threads together ran a batch that was alone.
            streams = (self.streams or 1) if job.hint == "LATENCY" else 1
            self._load.ran(job.taken.rows * job.taken.length, (now - job.begun) * streams)
            for call, rows in job.taken.parts:
                if call.unfinished is not None:
                    call.unfinished -= len(rows)
                    if not call.unfinished:
                        call.inferred = now
                        complete.append(call)
        return complete

    def failed(self, job: Job) -> list[Call]:
        """Record that a batch has failed, and return the calls that end with it."""
        with self._changed:
            self._running -= 1
            ended = [call for call, _ in job.taken.parts if call.unfinished is not None]
            for call in ended:
                call.unfinished = None
                self._queue.discard(call)
            self._room.admit(self._queue.tokens)
        return ended

    def expected_wait(self, tokens: int) -> float:
        """Estimate the seconds that a call of so many tokens would wait in the queue."""
        with self._changed:
            return self._expected_wait(tokens)

    def waiting(self) -> tuple[int, int]:
        """Return the number of waiting tokens, and of batches that run."""
        with self._changed:
            return self._queue.tokens, self._running

    def shut_down(self) -> None:
        """End the threads after what waits, and wait for their ends."""
        with self._changed:
            self._is_shut_down = True
            self._changed.notify_all()
            threads = list(self._threads)
        for thread in threads:
            if thread is not threading.current_thread():  # which may free the reader
                thread.join()

    def _check(self, tokens: int) -> None:
        # Of the call's own length class: a long text, which others pass, must not shut out short questions.
        waiting = self._queue.waiting()[length_class(tokens)]
        most = self._config.max_queue_tokens
        if waiting >= most:
            seconds = self._load.seconds(max(waiting - most, most // 8), self.streams or 1)
            raise Overloaded(f"{waiting} tokens wait, max_queue_tokens is {most}", seconds)
        most_seconds = self._config.max_wait
        if most_seconds is not None:
            seconds = self._expected_wait(tokens)
            if seconds > most_seconds:
                reason = f"the expected wait is {seconds:.1f} s, max_wait is {most_seconds:g} s"
                raise Overloaded(reason, seconds - most_seconds)

    def _expected_wait(self, tokens: int) -> float:
        if not self._queue.tokens:
            return 0.0
        return self._load.expected_wait(self._queue.waiting(), length_class(tokens), self.streams or 1)

    def _next(self) -> Taken | None:
        if self._patience():
            return None
        # Those who waited to share a batch are not split between the streams.
        return self._queue.take(self._batch_tokens, 1 if self._config.batch_wait else self.streams or 1)

    def _patience(self) -> float:
        """Return the seconds for which what waits should wait for others."""
        wait = self._config.batch_wait
        if not wait or self._is_shut_down or not 0 < self._queue.tokens < self._batch_tokens:
            return 0.0
        return max(0.0, self._queue.oldest() + wait - time.monotonic())

    def _wake(self) -> None:
        """Find a thread for what waits."""
        if not self._queue.tokens:
            return
        if self._idle:
            self._changed.notify()
        elif len(self._threads) < (self.streams or 2):  # the second one asks for the number of streams
            thread = threading.Thread(
                target=self._work, args=(self, len(self._threads)), name="spanjet-batcher", daemon=True
            )
            self._threads.append(thread)
            thread.start()
