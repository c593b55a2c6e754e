"""One contestant in a process of its own."""

from __future__ import annotations

import gc
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import psutil
from spanjet.runtime.machine import affinity

from benches.peers.contestants import METHODS, Contestant
from benches.peers.tasks import Task, amount

ONE_THREAD = {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"}


class FailedError(Exception):
    """A contestant that cannot be measured, and why."""


@dataclass(frozen=True)
class Turn:
    """The medians of a turn's runs, in seconds."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Digests:
    """A hash of each row's ids, and of its offsets where the contestant gives any."""

    ids: list[bytes]
    offsets: list[bytes] | None


class Worker:
    """The process of a contestant, ready to run.

    Args:
        contestant: what it runs.
        task: on what.
        threads: how many threads it may use; None: all. With one, it is pinned to one CPU.
        patience: seconds that any answer may take.

    Raises:
        FailedError: it is not installed, raised, crashed or took too long; so for every method.
    """

    def __init__(
        self, contestant: type[Contestant], task: Task, threads: int | None, *, patience: float = 120.0
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self.patience = patience
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, contestant, task, threads), daemon=True)
        self.process.start()
        theirs.close()
        self.version: str
        self.amount: float
        self.version, self.amount = self._answer()

    def turn(self, seconds: float, seed: int = 0) -> Turn:
        """Runs until the seconds are over, at least one; the seed is that of the input."""
        found: Turn = self._ask("turn", seconds, seed)
        return found

    def digests(self) -> Digests:
        """One run, and the hashes of its result."""
        found: Digests = self._ask("digests")
        return found

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.join()
        self.connection.close()

    def _ask(self, *request: Any) -> Any:
        try:
            self.connection.send(request)
        except OSError as error:
            raise FailedError("crashed") from error
        return self._answer()

    def _answer(self) -> Any:
        try:
            if not self.connection.poll(self.patience):
                self.close()
                raise FailedError(f"no answer within {self.patience:g} s")
            answer = self.connection.recv()
        except (EOFError, ConnectionError) as error:
            self.process.join()
            raise FailedError(f"crashed (exit status {self.process.exitcode})") from error
        if isinstance(answer, FailedError):
            raise answer
        return answer


def serve(connection: Connection, contestant: type[Contestant], task: Task, threads: int | None) -> None:
    """Answer a `Worker` until it ends this process."""
    if threads == 1:
        # The last CPU: the first one often has the system's interrupts.
        psutil.Process().cpu_affinity([max(affinity())])
        os.environ |= ONE_THREAD
    try:
        loaded = contestant(task.work, threads)
        inputs, seed = task.inputs(0, threads), 0
        connection.send((contestant.version(), amount(inputs)))
        while True:
            name, *arguments = connection.recv()
            if name == "turn" and task.renewed and arguments[1] != seed:
                seed = arguments[1]
                inputs = task.inputs(seed, threads)
            run = getattr(loaded, METHODS[task.work])
            if name == "turn":
                connection.send(timed(partial(run, inputs), arguments[0]))
            else:
                rows = getattr(loaded, METHODS[task.work] + "_rows")
                connection.send(hashed(rows(run(inputs), inputs)))
    except EOFError:
        pass
    except ModuleNotFoundError as error:
        connection.send(FailedError(f"{error.name} is not installed"))
    except BaseException as error:  # a peer's panic is no Exception
        connection.send(FailedError(f"{type(error).__name__}: {error}"[:200]))


def timed(run: Callable[[], Any], seconds: float) -> Turn:
    """The medians of as many runs as fit into the seconds, at least one; results are freed untimed."""
    wall: list[float] = []
    cpu: list[float] = []
    gc.collect()
    gc.disable()
    until = time.perf_counter() + seconds
    while not wall or time.perf_counter() < until:
        used, began = time.process_time(), time.perf_counter()
        result = run()
        wall.append(time.perf_counter() - began)
        cpu.append(time.process_time() - used)
        del result
    gc.enable()
    return Turn(statistics.median(wall), statistics.median(cpu))


def hashed(rows: Any) -> Digests:
    """The hashes of all rows."""
    ids, offsets = [], []
    for values, places in rows:
        ids.append(digest(values))
        if places is not None:
            offsets.append(digest(places))
    return Digests(ids, offsets or None)


def digest(values: Any) -> bytes:
    """A hash that is equal for equal numbers, whatever holds them."""
    return blake2b(np.ascontiguousarray(values, np.float64).tobytes(), digest_size=16).digest()
