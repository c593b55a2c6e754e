"""Start worker processes, replace those that end, and end them in order."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from spanjet.runtime.machine import TERMINATION_SIGNALS

__all__ = ["Supervisor", "end_with_parent"]

LOGGER = logging.getLogger("spanjet.serve")

SIGNALS = (signal.SIGINT, *TERMINATION_SIGNALS)

MAX_DELAY = 30.0
"""Maximum seconds before a worker that could not start is replaced; the first time it is one."""

SLACK = 5.0
"""Seconds beyond its grace that a worker has to end, before it is killed."""


class _Worker:
    """Worker process.

    Attributes:
        process: the process.
        ready: connection by which it says that it serves.
        is_ready: True if it has said so.
    """

    def __init__(self, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        # Neither OpenVINO nor threads survive a fork.
        context = get_context("spawn")
        self.ready, theirs = context.Pipe(duplex=False)
        self.process: SpawnProcess = context.Process(target=work, args=(*arguments, theirs))
        self.process.start()
        theirs.close()
        self.is_ready = False


class Supervisor:
    """Supervisor of worker processes that share a socket.

    Args:
        count: number of workers.
        work: what a worker does: a function that can be imported, of the arguments and a connection, to which
            it sends when it is ready.
        arguments: can be pickled.
        grace: seconds that a worker takes to end at most.
        on_end: called with the process id of each worker that has ended.
    """

    def __init__(
        self,
        count: int,
        work: Callable[..., None],
        arguments: tuple[Any, ...],
        *,
        grace: float,
        on_end: Callable[[int], None],
    ) -> None:
        self._count = count
        self._work = work
        self._arguments = arguments
        self._grace = grace
        self._on_end = on_end
        self._workers: list[_Worker] = []
        self._was_ready = False
        self._failures = 0
        self._start_after = 0.0

    def run(self, stop_listening: Callable[[], None]) -> int:
        """Watch the workers until a signal comes.

        Args:
            stop_listening: called before the workers are told to end.

        Returns:
            0 after a signal; 1 if no worker could start.
        """
        with _signals() as signals:
            while not signals.poll():
                self._replace()
                self._wait(signals)
                if not self._was_ready and self._failures:
                    LOGGER.error("no worker could start")
                    break
            stop_listening()
            self._end(signals)
            return 0 if self._was_ready or not self._failures else 1

    def _replace(self) -> None:
        """Start the workers that are missing."""
        while len(self._workers) < self._count and time.monotonic() >= self._start_after:
            self._workers.append(_Worker(self._work, self._arguments))

    def _wait(self, signals: Connection) -> None:
        """Wait until a worker is ready or ends, a signal comes, or one may be started again."""
        waiting = [worker.ready for worker in self._workers if not worker.is_ready]
        sentinels = [worker.process.sentinel for worker in self._workers]
        delay = max(0.0, self._start_after - time.monotonic()) if len(self._workers) < self._count else None
        connection.wait([signals, *waiting, *sentinels], delay)
        for worker in list(self._workers):
            if not worker.is_ready and worker.ready.poll():
                self._receive(worker)
            if worker.process.exitcode is not None:
                self._remove(worker)

    def _receive(self, worker: _Worker) -> None:
        try:
            worker.ready.recv()
        except EOFError:  # it has ended
            worker.process.join()
            return
        worker.is_ready = self._was_ready = True
        self._failures = 0
        LOGGER.info("worker %d is ready", worker.process.pid)

    def _remove(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        LOGGER.warning("worker %d ended with %d", worker.process.pid, worker.process.exitcode)
        if worker.process.pid is not None:
            self._on_end(worker.process.pid)
        worker.ready.close()
        worker.process.close()
        if not worker.is_ready:
            self._start_after = time.monotonic() + min(MAX_DELAY, 2.0 ** min(self._failures, 16))
            self._failures += 1

    def _end(self, signals: Connection) -> None:
        """Tell the workers to end, and kill those that do not; all of them after a second signal."""
        for worker in self._workers:
            worker.process.terminate()
        while signals.poll():
            signals.recv()
        end = time.monotonic() + self._grace + SLACK
        while self._workers:
            sentinels = [worker.process.sentinel for worker in self._workers]
            connection.wait([signals, *sentinels], max(0.0, end - time.monotonic()))
            if signals.poll() or time.monotonic() >= end:
                for worker in self._workers:
                    worker.process.kill()
                    worker.process.join()
            self._workers = [worker for worker in self._workers if worker.process.exitcode is None]


@contextmanager
def _signals() -> Iterator[Any]:  # a connection, whose class depends on the system
    """Yield a connection that receives the number of each signal which is to end the process."""
    received, sent = get_context("spawn").Pipe(duplex=False)
    before = {number: signal.signal(number, lambda number, _: sent.send(number)) for number in SIGNALS}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        received.close()
        sent.close()


def end_with_parent() -> None:
    """Send this process SIGTERM when its parent has ended."""

    def follow(sentinel: int) -> None:
        connection.wait([sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    parent = parent_process()
    if parent is not None:
        threading.Thread(target=follow, args=(parent.sentinel,), name="spanjet-parent", daemon=True).start()
