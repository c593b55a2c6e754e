"""Throughput against the batch budget."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from spanjet.evaluate import Question
from spanjet.measure.rounds import Spread, Turn, alternate
from spanjet.measure.workload import Workload
from spanjet.reader.reader import Reader

__all__ = ["Budget", "measure_budgets"]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How fast questions are answered in batches of one budget.

    Attributes:
        batch_tokens: tokens of a batch at most, padding included.
        questions, batches: their numbers.
        padding: share of padding among all positions of the batches, 0 to 1.
        turns: of ``answers`` and of ``inference`` (see `Throughput`).
    """

    batch_tokens: int
    questions: int
    batches: int
    padding: float
    turns: dict[str, list[Turn]]

    def rate(self, side: str = "answers") -> Spread:
        """Questions in a second."""
        return Spread.of([self.questions / turn.wall for turn in self.turns[side]])


def measure_budgets(
    reader: Reader,
    questions: Sequence[Question],
    *,
    budgets: Sequence[int],
    rounds: int,
    on_turn: Callable[[], None],
) -> list[Budget]:
    """Answer the same questions with each budget, in alternating rounds.

    Args:
        reader: gives the model and all other settings.
        questions: what is asked, at least one.
        budgets: tokens of a batch at most.
        rounds: at least 1.
        on_turn: called ``2 * len(budgets) * (rounds + 1)`` times.
    """
    asked, contexts = [each.question for each in questions], [each.context for each in questions]
    works: dict[int, Workload] = {}
    sides: dict[str, Callable[[], object]] = {}
    for budget in budgets:
        config = replace(reader.runtime_config, batch_tokens=budget)
        other = Reader(
            reader.model,
            window_config=reader.window_config,
            decode_config=reader.decode_config,
            runtime_config=config,
        )
        work = works[budget] = Workload(other, asked, contexts)
        sides[f"answers {budget}"] = lambda reader=other: reader.ask_many(asked, contexts)  # type: ignore[misc]
        sides[f"inference {budget}"] = lambda work=work: work.infer()  # type: ignore[misc]
    turns = alternate(sides, rounds, on_turn)
    return [
        Budget(
            batch_tokens=budget,
            questions=work.questions,
            batches=len(work.batches),
            padding=work.padding,
            turns={side: turns[f"{side} {budget}"] for side in ("answers", "inference")},
        )
        for budget, work in works.items()
    ]
