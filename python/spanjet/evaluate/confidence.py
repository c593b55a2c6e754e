"""Measure the reliability of scores: calibration and selective prediction."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from spanjet.evaluate.evaluation import Evaluation
from spanjet.evaluate.metrics import (
    COVERAGES,
    ReliabilityBins,
    RiskCoverage,
    area_under_roc,
    brier_score,
    reliability_bins,
    risk_coverage,
)
from spanjet.evaluate.squad import grade
from spanjet.files.datasets.dataset import SquadDataset

__all__ = ["Confidence", "assess", "measure_confidence"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Confidence:
    """Calibration and risk-coverage of the scores of the best spans.

    The event is an exact match of the best span by ``score``, regardless of the threshold: every span is
    wrong for a question without an answer.

    Attributes:
        bins: bins of the reliability diagram.
        brier: Brier score.
        auc: area under the ROC curve of ``no_answer`` for questions without an answer; None if all questions
            have one, or none has.
        exact, f1: risk-coverage curves of exact match and of F1.
    """

    bins: ReliabilityBins
    brier: float
    auc: float | None
    exact: RiskCoverage
    f1: RiskCoverage

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers by name, JSON-serialisable.

        ``ece``, ``brier``, ``auc`` and ``aurc`` (of exact match) are shares; ``exact_at_coverage`` and
        ``f1_at_coverage`` are percentages by the percentage of covered questions.
        """
        found = {"ece": self.bins.error, "brier": self.brier, "auc": self.auc, "aurc": self.exact.area}
        curves = {"exact_at_coverage": self.exact, "f1_at_coverage": self.f1}
        return {
            **{name: value for name, value in found.items() if value is not None},
            **{
                name: {f"{share:.0%}": 100 * curve.at(share) for share in COVERAGES}
                for name, curve in curves.items()
            },
        }


def measure_confidence(dataset: SquadDataset, evaluation: Evaluation) -> Confidence:
    """Measure calibration and risk-coverage of a reader's answers.

    Args:
        dataset: data set that contains the questions.
        evaluation: the reader's answers; its threshold is not used.
    """
    asked = [question for question in dataset.questions if question.id in evaluation.spans]
    graded = [
        grade(evaluation.spans[question.id], question, dataset.version) if question.answers else (0.0, 0.0)
        for question in asked
    ]
    return assess(
        confidence=[evaluation.confidence[question.id] for question in asked],
        exact=[exact for exact, _ in graded],
        f1=[f1 for _, f1 in graded],
        no_answer=[evaluation.no_answer[question.id] for question in asked],
        answerable=[bool(question.answers) for question in asked],
    )


def assess(
    *, confidence: ArrayLike, exact: ArrayLike, f1: ArrayLike, no_answer: ArrayLike, answerable: ArrayLike
) -> Confidence:
    """Measure calibration and risk-coverage of confidences.

    Args:
        confidence: float[questions], confidence of the best span.
        exact: float[questions], its exact match, 0 or 1.
        f1: float[questions], its F1, 0 to 1.
        no_answer: float[questions], probability of no answer.
        answerable: bool[questions].

    Raises:
        ValueError: the arrays differ in length, are empty or have a value that is not a probability.
    """
    unanswerable = ~np.asarray(answerable, np.bool_)
    both = unanswerable.any() and not unanswerable.all()
    confidence = np.asarray(confidence, np.float64)
    # A sum of float32 shares may exceed 1 by rounding.
    confidence = np.where(confidence < 1 + 1e-5, np.minimum(confidence, 1.0), confidence)
    return Confidence(
        bins=reliability_bins(confidence, exact),
        brier=brier_score(confidence, exact),
        auc=area_under_roc(no_answer, unanswerable) if both else None,
        exact=risk_coverage(confidence, exact),
        f1=risk_coverage(confidence, f1),
    )
