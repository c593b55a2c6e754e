"""One contestant in a process of its own."""

from __future__ import annotations

import gc
import multiprocessing
import os
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
from spanjet.runtime.machine import affinity

from benches.engine.contestants import Contestant, Pairs


class FailedError(Exception):
    """A contestant that cannot be measured, and why."""


@dataclass(frozen=True)
class Turn:
    """All questions, once.

    Attributes:
        wall, cpu: seconds; of all threads of the process.
        answers: to each question.
        peak_megabytes: the most memory the process has had so far, in megabytes of 1,000,000 bytes.
    """

    wall: float
    cpu: float
    answers: list[str]
    peak_megabytes: float


class Worker:
    """The process of a contestant, ready to run.

    Args:
        contestant: what it runs.
        model: directory of the model.
        pairs: what it is asked.
        threads: how many it may use; it is kept to as many CPUs.
        patience: seconds that any answer may take.

    Raises:
        FailedError: it is not installed, raised, crashed or took too long; so for `turn`.
    """

    def __init__(
        self, contestant: type[Contestant], model: Path, pairs: Pairs, threads: int, *, patience: float
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self.patience = patience
        self.connection, theirs = context.Pipe()
        arguments = (theirs, contestant, model, pairs, threads)
        self.process = context.Process(target=serve, args=arguments, daemon=True)
        self.process.start()
        theirs.close()
        try:
            self.version: str = self._answer()
        except FailedError:
            self.close()
            raise

    def turn(self, setting: str) -> Turn:
        """Answer all questions."""
        try:
            self.connection.send(setting)
        except OSError as error:
            raise FailedError("crashed") from error
        found: Turn = self._answer()
        return found

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.join()
        self.connection.close()

    def _answer(self) -> Any:
        try:
            if not self.connection.poll(self.patience):
                self.process.kill()
                raise FailedError(f"no answer within {self.patience:g} s")
            answer = self.connection.recv()
        except (EOFError, ConnectionError) as error:
            self.process.join()
            raise FailedError(f"crashed (exit status {self.process.exitcode})") from error
        if isinstance(answer, FailedError):
            raise answer
        return answer


def serve(
    connection: Connection, contestant: type[Contestant], model: Path, pairs: Pairs, threads: int
) -> None:
    """Answer a `Worker` until it ends this process."""
    psutil.Process().cpu_affinity(affinity()[:threads])
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "RAYON_NUM_THREADS"), str(threads))
    # The table alone is for people; what engines print, native code included, is not part of it.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    try:
        loaded = contestant(model, threads)
        connection.send(contestant.version())
        while True:
            setting = connection.recv()
            try:
                connection.send(timed(loaded, pairs, setting))
            except Exception as error:
                connection.send(failed(error))
    except EOFError:
        return
    except BaseException as error:
        connection.send(failed(error))


def failed(error: BaseException) -> FailedError:
    """The error in one line."""
    if isinstance(error, ModuleNotFoundError):
        return FailedError(f"{error.name} is not installed")
    return FailedError(" ".join(f"{type(error).__name__}: {error}".split())[:200])


def timed(contestant: Contestant, pairs: Pairs, setting: str) -> Turn:
    """One run; garbage is collected before."""
    gc.collect()
    used, began = time.process_time(), time.perf_counter()
    answers = contestant.answers(pairs, setting)
    wall, cpu = time.perf_counter() - began, time.process_time() - used
    return Turn(wall, cpu, answers, peak_megabytes())


def peak_megabytes() -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise OSError("/proc/self/status: no VmHWM")
