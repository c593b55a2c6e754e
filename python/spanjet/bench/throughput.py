"""Measure the throughput from texts to answers against inference alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spanjet.files.datasets.dataset import Question
from spanjet.measure.progress import OnStep, ignore_step
from spanjet.measure.rounds import Spread, Turn, alternate, ratios
from spanjet.measure.workload import Workload
from spanjet.reader.reader import Reader

__all__ = ["Throughput", "measure_throughput"]


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """Times of answering many questions.

    Attributes:
        questions, windows, batches: number of each.
        tokens: number of tokens of all windows, without padding.
        padding: share of padding among all positions of the batches, 0 to 1.
        turns: times of ``answers`` (`Reader.ask_many` from texts), ``stream`` (`Reader.stream` from texts),
            and ``inference`` (the model alone, on prepared batches of the same windows).
    """

    questions: int
    windows: int
    batches: int
    tokens: int
    padding: float
    turns: dict[str, list[Turn]]

    def rate(self, amount: float, side: str = "answers") -> Spread:
        """Compute an amount per second in each round."""
        return Spread.of([amount / turn.wall for turn in self.turns[side]])

    def ratio(self, side: str = "answers") -> Spread:
        """Compute the speed of a side relative to inference alone in each round."""
        return Spread.of(ratios(self.turns["inference"], self.turns[side]))

    def cores(self, side: str = "answers") -> Spread:
        """Compute the CPU seconds per second; less than the threads if other programs compete for CPUs."""
        return Spread.of([turn.cpu / turn.wall for turn in self.turns[side]])


def measure_throughput(
    reader: Reader,
    questions: Sequence[Question],
    *,
    rounds: int,
    on_step: OnStep = ignore_step,
) -> Throughput:
    """Time answering all questions in alternating rounds.

    Args:
        reader: reader to measure.
        questions: questions to ask, at least one.
        rounds: number of rounds, at least 1.
        on_step: called after each run.
    """
    asked, contexts = [each.question for each in questions], [each.context for each in questions]
    work = Workload(reader, asked, contexts)

    def stream() -> None:
        for _ in reader.stream(zip(asked, contexts, strict=True)):
            pass

    sides: dict[str, Callable[[], object]] = {
        "answers": lambda: reader.ask_many(asked, contexts),
        "stream": stream,
        "inference": work.infer,
    }
    return Throughput(
        questions=work.questions,
        windows=work.windows,
        batches=len(work.batches),
        tokens=work.tokens,
        padding=work.padding,
        turns=alternate(sides, rounds, on_step),
    )
