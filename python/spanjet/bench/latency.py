"""Measure the latency of single questions against inference alone."""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from spanjet.files.datasets.dataset import Question
from spanjet.measure.progress import OnStep, ignore_step
from spanjet.measure.rounds import timed
from spanjet.measure.workload import Workload
from spanjet.reader.reader import Reader

__all__ = ["Latency", "measure_single_questions"]


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Times of single questions.

    Attributes:
        questions: number of questions; each has one window.
        milliseconds: time of every question in every round: ``answers`` (`Reader.ask`), and ``inference``
            (the model alone, on a prepared batch).
    """

    questions: int
    milliseconds: dict[str, list[float]]

    def percentile(self, percent: float, side: str = "answers") -> float:
        """Compute a percentile of the times, in milliseconds."""
        return float(np.percentile(self.milliseconds[side], percent))


def measure_single_questions(
    reader: Reader,
    questions: Sequence[Question],
    *,
    count: int,
    rounds: int,
    on_step: OnStep = ignore_step,
) -> Latency | None:
    """Time the first questions that have one window, each in alternation with inference alone.

    Args:
        reader: reader to measure.
        questions: questions to choose from.
        count: maximum number of questions.
        rounds: number of rounds, after one warm-up round.
        on_step: called after each round.

    Returns:
        The times; None if no question has one window.
    """
    works: list[tuple[Question, Workload]] = []
    for question in questions:
        if len(works) == count:
            break
        work = Workload.of(reader, [question])
        if work.windows == 1:
            works.append((question, work))
    if not works:
        return None
    milliseconds: dict[str, list[float]] = {"answers": [], "inference": []}
    for number in range(rounds + 1):
        gc.collect()
        for index, pair in enumerate(works):
            found = _pair(reader, *pair, answers_first=(number + index) % 2 == 0)
            if number:
                for side, seconds in found.items():
                    milliseconds[side].append(1000 * seconds)
        on_step(number + 1, rounds + 1)
    return Latency(questions=len(works), milliseconds=milliseconds)


def _pair(reader: Reader, question: Question, work: Workload, *, answers_first: bool) -> dict[str, float]:
    """Time the answer and inference alone, in seconds."""
    sides: dict[str, Callable[[], object]] = {
        "answers": lambda: reader.ask(question.question, question.context),
        "inference": lambda: work.infer("LATENCY"),
    }
    order = sides if answers_first else reversed(sides)
    return {name: timed(sides[name], collect=False).wall for name in order}
