"""Measure the throughput of many questions, from texts to answers, against inference alone."""

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
        questions, windows, batches: their numbers.
        tokens: of all windows, without padding.
        padding: share of padding among all positions of the batches, 0 to 1.
        turns: of ``answers`` (`Reader.ask_many` from texts), ``stream`` (`Reader.stream` from texts), and
            ``inference`` (the same windows in batches made beforehand, and nothing but the model).
    """

    questions: int
    windows: int
    batches: int
    tokens: int
    padding: float
    turns: dict[str, list[Turn]]

    def rate(self, amount: float, side: str = "answers") -> Spread:
        """Divide an amount by the seconds of each round."""
        return Spread.of([amount / turn.wall for turn in self.turns[side]])

    def ratio(self, side: str = "answers") -> Spread:
        """Divide the speed of a side by that of inference alone, round by round."""
        return Spread.of(ratios(self.turns["inference"], self.turns[side]))

    def cores(self, side: str = "answers") -> Spread:
        """CPU seconds in a second; fewer than the threads where other programs took their time."""
        return Spread.of([turn.cpu / turn.wall for turn in self.turns[side]])


def measure_throughput(
    reader: Reader,
    questions: Sequence[Question],
    *,
    rounds: int,
    on_step: OnStep = ignore_step,
) -> Throughput:
    """Answer all questions in alternating rounds.

    Args:
        reader: what answers.
        questions: what is asked, at least one.
        rounds: at least 1.
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
