"""Settings of a benchmark, validated when they are made."""

from dataclasses import dataclass

from spanjet.config import check_bool, check_integer

__all__ = ["BenchConfig"]


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchConfig:
    """Set how much a benchmark measures.

    Attributes:
        limit: questions of the sample.
        seed: chooses them.
        rounds: alternating rounds, after one to warm up.
        single_questions: questions of one window that are asked one at a time; 0: none.
        document_questions: questions on one long document; 0: none.
        document_tokens: tokens of that document at least.
        operations: whether the time of each operation of the model is measured.
        operation_questions: questions for that, at most.

    Raises:
        TypeError: a field of another type.
        ValueError: a number out of range.
    """

    limit: int = 1000
    seed: int = 0
    rounds: int = 5
    single_questions: int = 100
    document_questions: int = 10
    document_tokens: int = 5000
    operations: bool = True
    operation_questions: int = 300

    def __post_init__(self) -> None:
        for name in ("limit", "rounds", "document_tokens", "operation_questions"):
            check_integer(self, name, minimum=1)
        for name in ("seed", "single_questions", "document_questions"):
            check_integer(self, name, minimum=0)
        check_bool(self, "operations")
