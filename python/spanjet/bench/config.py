"""Define the settings of a benchmark, validated on construction."""

from dataclasses import dataclass

from spanjet.validation import check_bool, check_integer

__all__ = ["BenchConfig"]


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchConfig:
    """Settings of a benchmark.

    Attributes:
        limit: number of questions of the sample.
        seed: seed of the sample.
        rounds: number of alternating rounds, after one warm-up round.
        single_questions: number of one-window questions to ask one at a time; 0: none.
        document_questions: number of questions on one long document; 0: none.
        document_tokens: minimum length of that document in tokens.
        operations: measure the time of each operation of the model.
        operation_questions: maximum number of questions for the operations.

    Raises:
        TypeError: a field has the wrong type.
        ValueError: a number is out of range.
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
