"""The null threshold of SQuAD v2.0: how sure a model must be that a text does not answer a question."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from spanjet.evaluate.squad import Evaluation, Scores, SquadDataset, evaluate, score

if TYPE_CHECKING:
    from spanjet.reader import Reader

__all__ = ["NullThreshold", "best_null_threshold", "check_unanswerable", "tune_null_threshold"]


@dataclass(frozen=True, kw_only=True, slots=True)
class NullThreshold:
    """A null threshold and what it is worth.

    Attributes:
        value: for ``DecodeConfig.null_threshold``.
        scores: of the questions that it was tuned on, with it.
    """

    value: float
    scores: Scores

    def as_dict(self) -> dict[str, Any]:
        """Value and scores, ready for JSON; what does not apply is left out."""
        scores = {name: value for name, value in asdict(self.scores).items() if value is not None}
        return {"value": self.value, **scores}


def tune_null_threshold(
    reader: "Reader", dataset: SquadDataset, *, progress: Callable[[int, int], None] | None = None
) -> NullThreshold:
    """Find the null threshold that is best for a data set.

    Args:
        reader: what answers; its own threshold does not count.
        dataset: some of its questions have no answer (v2.0). What is measured on the same questions later
            is too good.
        progress: called with the numbers of answered and of all questions.

    Raises:
        ValueError: see `best_null_threshold`.
    """
    check_unanswerable(dataset)
    return best_null_threshold(dataset, evaluate(reader, dataset, progress=progress))


def best_null_threshold(dataset: SquadDataset, evaluation: Evaluation) -> NullThreshold:
    """The null threshold with the best F1, as the official evaluate-v2.0 script defines it.

    Args:
        dataset: what was asked.
        evaluation: what a reader made of it; its own threshold does not count.

    Raises:
        ValueError: every question has an answer, or no threshold is better than to answer none: the model
            was not trained to tell.
    """
    check_unanswerable(dataset)
    odds = evaluation.null_odds
    value = score(dataset, evaluation.spans, odds).best_f1_threshold or 0.0
    answers = {name: "" if odds[name] > value else span for name, span in evaluation.spans.items()}
    scores = score(dataset, answers)
    unanswered = score(dataset, dict.fromkeys(answers, "")).f1
    if scores.f1 <= unanswered:
        raise ValueError(
            f"no null threshold gives a better F1 than {unanswered:.2f}, which no answers at all give: the "
            "model does not tell questions without an answer from others"
        )
    return NullThreshold(value=value, scores=scores)


def check_unanswerable(dataset: SquadDataset) -> None:
    """Raise a ValueError where every question has an answer: then there is nothing to tune."""
    if all(question.answers for question in dataset.questions):
        raise ValueError("every question has an answer; expected a SQuAD v2.0 file, where some have none")
