"""Measuring: rounds in which every contestant has its turn."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from benches.peers.contestants import Contestant
from benches.peers.tasks import Task
from benches.peers.worker import Digests, FailedError, Worker

FEWEST_TURNS = 3


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    Args:
        rounds: turns of a contestant at most.
        cold: fresh processes for the cold runs of a contestant.
        turn_seconds: how long a turn goes on; one run at least.
        seconds: a contestant that has worked this long drops out, though not before `FEWEST_TURNS`.
        patience: seconds after which a contestant counts as hanging.
    """

    rounds: int = 15
    cold: int = 7
    turn_seconds: float = 0.05
    seconds: float = 20.0
    patience: float = 120.0


@dataclass
class Entry:
    """One contestant on one task, and what came out: a line of the table."""

    contestant: type[Contestant]
    task: Task
    threads: int | None = 1
    has_cold_runs: bool = True
    version: str = ""
    amount: float = 0.0
    warm: list[float] = field(default_factory=list)
    """Seconds, the median of each turn."""
    cold: list[float] = field(default_factory=list)
    """Seconds, the first run of each fresh process."""
    cores: list[float] = field(default_factory=list)
    """Processor time over wall time of each turn."""
    ids_equal: float | None = None
    """Share of rows whose ids equal the reference's."""
    offsets_equal: float | None = None
    failure: str = ""

    def speed(self, seconds: Sequence[float]) -> float | None:
        """The median speed, in the unit of the work."""
        return self.amount / statistics.median(seconds) if seconds else None

    def spread(self) -> tuple[float, float] | None:
        """The quartiles of the warm speed."""
        if len(self.warm) < FEWEST_TURNS:
            return None
        low, _, high = statistics.quantiles(self.warm, n=4, method="inclusive")
        return self.amount / high, self.amount / low


def measure(
    entries: Sequence[Entry], effort: Effort, progress: Callable[[str], None] = lambda _: None
) -> None:
    """Fill the entries, which compete with each other."""
    workers = compare(entries, effort, progress)
    try:
        warm_rounds(workers, effort, progress)
    finally:
        for _, worker in workers:
            worker.close()
    cold_rounds([entry for entry in entries if entry.has_cold_runs], effort, progress)


def compare(
    entries: Sequence[Entry], effort: Effort, progress: Callable[[str], None]
) -> list[tuple[Entry, Worker]]:
    """Start all workers, let each run once, and compare its result with the reference's."""
    workers, results = [], []
    for entry in entries:
        progress(f"{entry.contestant.name} starts")
        worker = None
        try:
            worker = Worker(entry.contestant, entry.task, entry.threads, patience=effort.patience)
            entry.version, entry.amount = worker.version, worker.amount
            results.append((entry, worker.digests()))
            workers.append((entry, worker))
        except FailedError as error:
            entry.failure = str(error)
            if worker:
                worker.close()
    references = {entry.task: digests for entry, digests in results if entry.contestant.reference}
    for entry, digests in results:
        if wanted := references.get(entry.task):
            entry.ids_equal, entry.offsets_equal = shares(digests, wanted)
    return workers


def shares(found: Digests, wanted: Digests) -> tuple[float, float | None]:
    """Shares of equal rows: ids, and offsets where both have them."""

    def share(one: list[bytes], two: list[bytes]) -> float:
        equal = sum(a == b for a, b in zip(one, two, strict=False))
        return equal / max(len(one), len(two), 1)

    has_offsets = found.offsets is not None and wanted.offsets is not None
    return share(found.ids, wanted.ids), share(
        found.offsets or [], wanted.offsets or []
    ) if has_offsets else None


def warm_rounds(workers: list[tuple[Entry, Worker]], effort: Effort, progress: Callable[[str], None]) -> None:
    """Turns in processes that have run before; a text of new words is new in each turn."""
    rng = random.Random(0)
    running = list(workers)
    for number in range(1, effort.rounds + 1):
        progress(f"round {number} of {effort.rounds}")
        for pair in rng.sample(running, len(running)):
            entry, worker = pair
            try:
                turn = worker.turn(0.0 if entry.task.renewed else effort.turn_seconds, seed=number)
            except FailedError as error:
                entry.failure = str(error)
                running.remove(pair)
                continue
            entry.warm.append(turn.wall)
            entry.cores.append(turn.cpu / turn.wall)
            if sum(entry.warm) > effort.seconds and len(entry.warm) >= FEWEST_TURNS:
                running.remove(pair)


def cold_rounds(entries: Sequence[Entry], effort: Effort, progress: Callable[[str], None]) -> None:
    """First runs of fresh processes."""
    rng = random.Random(1)
    for number in range(1, effort.cold + 1):
        progress(f"cold round {number} of {effort.cold}")
        for entry in rng.sample(list(entries), len(entries)):
            if entry.failure or (sum(entry.cold) > effort.seconds and len(entry.cold) >= FEWEST_TURNS):
                continue
            worker = None
            # It has run before: what fails only now is a failure of this moment, and one value less.
            with suppress(FailedError):
                worker = Worker(entry.contestant, entry.task, entry.threads, patience=effort.patience)
                entry.cold.append(worker.turn(0.0).wall)
            if worker:
                worker.close()
