"""Measuring: rounds in which every setting of every engine has its turn."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spanjet.evaluate import SquadDataset, score

from benches.engine.contestants import Contestant, Pairs
from benches.engine.worker import FailedError, Turn, Worker


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    Args:
        rounds: turns of a setting, after one to warm up.
        keep: a setting that took this many times as long as its engine's best in the first round sits out
            the others.
        patience: seconds after which an engine counts as hanging.
    """

    rounds: int = 3
    keep: float = 1.5
    patience: float = 1800.0


@dataclass
class Line:
    """One setting of an engine, and what came out."""

    setting: str
    turns: list[Turn] = field(default_factory=list)
    """In the order of the rounds; a line that sits out has fewer."""
    first: float | None = None
    """Seconds of the first run, with all that is only done once."""
    exact_match: float | None = None
    f1: float | None = None
    failure: str = ""

    @property
    def seconds(self) -> float | None:
        """Of the median turn."""
        return statistics.median(turn.wall for turn in self.turns) if self.turns else None

    @property
    def cores(self) -> float | None:
        """CPU seconds in a second: fewer than the threads where others used the machine, or it waited."""
        return statistics.median(turn.cpu / turn.wall for turn in self.turns) if self.turns else None


@dataclass
class Entry:
    """An engine with a model.

    Args:
        contestant: the engine.
        weights: what its model is made of, for the table.
        model: its directory; None: there is none, and ``failure`` says what is missing.
    """

    contestant: type[Contestant]
    weights: str
    model: Path | None
    failure: str = ""
    version: str = ""
    lines: list[Line] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.contestant.package} {self.version}".strip()

    @property
    def best(self) -> Line | None:
        """The fastest of the settings that took part in all rounds."""
        rounds = max((len(line.turns) for line in self.lines), default=0)
        measured = [line for line in self.lines if line.turns and len(line.turns) == rounds]
        return min(measured, key=lambda line: line.seconds or 0.0, default=None)


def measure(
    entries: Sequence[Entry],
    dataset: SquadDataset,
    threads: int,
    effort: Effort,
    progress: Callable[[str], None] = lambda _: None,
) -> None:
    """Fill the entries, which compete with each other."""
    pairs = [each.question for each in dataset.questions], [each.context for each in dataset.questions]
    workers = start(entries, pairs, threads, effort, progress)
    try:
        for entry, worker in workers:
            for line in entry.lines:
                progress(f"warming up: {entry.name}, {entry.weights}, {line.setting}")
                warm_up(line, worker, dataset)
        run_rounds(workers, effort, progress)
    finally:
        for _, worker in workers:
            worker.close()


def start(
    entries: Sequence[Entry], pairs: Pairs, threads: int, effort: Effort, progress: Callable[[str], None]
) -> list[tuple[Entry, Worker]]:
    """Start the processes of all engines that there are."""
    workers = []
    for entry in entries:
        if entry.model is None:
            continue
        progress(f"{entry.contestant.package} starts")
        try:
            worker = Worker(entry.contestant, entry.model, pairs, threads, patience=effort.patience)
        except FailedError as error:
            entry.failure = str(error)
            continue
        entry.version = worker.version
        entry.lines = [Line(setting) for setting in entry.contestant.settings]
        workers.append((entry, worker))
    return workers


def warm_up(line: Line, worker: Worker, dataset: SquadDataset) -> None:
    """The first run of a setting, whose answers are scored."""
    turn = attempt(line, worker)
    if turn is not None:
        line.first = turn.wall
        ids = [question.id for question in dataset.questions]
        scores = score(dataset, dict(zip(ids, turn.answers, strict=True)))
        line.exact_match, line.f1 = scores.exact_match, scores.f1


def run_rounds(
    workers: Sequence[tuple[Entry, Worker]], effort: Effort, progress: Callable[[str], None]
) -> None:
    """All rounds; the first decides who sits out the others."""
    running = [(entry, line, worker) for entry, worker in workers for line in entry.lines]
    order = random.Random(0)
    for number in range(1, effort.rounds + 1):
        for entry, line, worker in order.sample(running, len(running)):
            if line.failure:
                continue
            progress(f"round {number} of {effort.rounds}: {entry.name}, {entry.weights}, {line.setting}")
            turn = attempt(line, worker)
            if turn is not None:
                line.turns.append(turn)
        running = [runner for runner in running if stays(*runner[:2], effort)]


def stays(entry: Entry, line: Line, effort: Effort) -> bool:
    """Whether a setting is worth another round."""
    if line.failure or not line.turns:
        return False
    quickest = min(other.turns[0].wall for other in entry.lines if other.turns)
    return line.turns[0].wall <= effort.keep * quickest


def attempt(line: Line, worker: Worker) -> Turn | None:
    """A turn; None, and the line has its reason, where it fails."""
    try:
        return worker.turn(line.setting)
    except FailedError as error:
        line.failure = str(error)
        return None
