"""How much a benchmark measures."""

from dataclasses import dataclass

__all__ = ["BenchConfig"]


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchConfig:
    """How much is measured.

    Attributes:
        limit: questions of the sample.
        seed: chooses them.
        rounds: alternating rounds, after one to warm up.
        single_questions: questions of one window that are asked one at a time; 0: none.
        document_questions: questions on one long document; 0: none.
        document_tokens: tokens of that document at least.
        budgets: batch budgets in tokens whose throughput is compared; none: that is left out.
        operations: whether the time of each operation of the model is measured.
        budget_questions: questions of the comparison of budgets, and of the operations, at most.

    Raises:
        ValueError: a number out of range.
    """

    limit: int = 1000
    seed: int = 0
    rounds: int = 5
    single_questions: int = 100
    document_questions: int = 10
    document_tokens: int = 5000
    budgets: tuple[int, ...] = (256, 512, 1024, 1536, 2048, 4096, 8192)
    operations: bool = True
    budget_questions: int = 300

    def __post_init__(self) -> None:
        least = {"single_questions": 0, "document_questions": 0}
        for name in ("limit", "rounds", "document_tokens", "budget_questions", *least):
            minimum = least.get(name, 1)
            if getattr(self, name) < minimum:
                raise ValueError(f"{name} is {getattr(self, name)}; expected at least {minimum}")
        for budget in self.budgets:
            if budget < 1:
                raise ValueError(f"budgets holds {budget}; expected at least 1")
