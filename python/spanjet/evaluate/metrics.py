"""Compute metrics of confidence: calibration error, Brier score, AUC and risk-coverage.

All metrics are permutation invariant: they are averaged over the orders of items of equal confidence, so that
no number depends on the order of a file.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "BINS",
    "COVERAGES",
    "ReliabilityBins",
    "RiskCoverage",
    "area_under_roc",
    "brier_score",
    "expected_calibration_error",
    "reliability_bins",
    "risk_coverage",
]

#: Bins of the calibration error and of the reliability diagram (Guo et al. 2017).
BINS = 15
#: Shares of the questions at which exact match is reported.
COVERAGES = (0.25, 0.5, 0.75, 1.0)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ReliabilityBins:
    """Equal-mass bins of confidences, least confident first.

    Attributes:
        count: int64[bins], number of items of each bin; sizes differ by at most one.
        confidence: float64[bins], mean confidence.
        accuracy: float64[bins], share of events that occurred.
    """

    count: NDArray[np.int64]
    confidence: Floats
    accuracy: Floats

    @property
    def error(self) -> float:
        """Expected calibration error: mean distance of accuracy and confidence, weighted by items."""
        return float(np.average(np.abs(self.accuracy - self.confidence), weights=self.count))


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """Risk-coverage curve: accuracy of the most confident answers, for every number of them.

    Attributes:
        accuracy: float64[items], mean value of the 1, 2, ... most confident items, 0 to 1.
    """

    accuracy: Floats

    @property
    def coverage(self) -> Floats:
        """Coverage of each accuracy, float64[items]."""
        return np.arange(1, len(self.accuracy) + 1) / len(self.accuracy)

    @property
    def area(self) -> float:
        """Area under the risk-coverage curve (AURC): mean of 1 - accuracy over all coverages."""
        return float(1 - self.accuracy.mean())

    def at(self, coverage: float) -> float:
        """Return the accuracy of the most confident share of the items, rounded up to whole items.

        Raises:
            ValueError: the share is not above 0, or above 1.
        """
        if not 0 < coverage <= 1:
            raise ValueError(f"coverage is {coverage}; expected a share above 0 and at most 1")
        # Rounded before the ceiling: 0.55 * 100 is 55.00000000000001.
        items = max(1, int(np.ceil(round(coverage * len(self.accuracy), 9))))
        return float(self.accuracy[items - 1])


def reliability_bins(confidence: ArrayLike, event: ArrayLike, *, bins: int = BINS) -> ReliabilityBins:
    """Sort confidences into bins of equal numbers of items (Nguyen and O'Connor 2015, arXiv 1508.05154).

    Args:
        confidence: float[items], predicted probabilities of the event.
        event: bool[items] or float[items], True or 1 if the event occurred.
        bins: number of bins, limited to the number of items.

    Raises:
        ValueError: the arrays are empty, differ in length or have a value that is not a probability.
    """
    confidence, event = _checked(confidence, event)
    if bins < 1:
        raise ValueError(f"bins is {bins}; expected at least 1")
    order = np.argsort(confidence, kind="stable")
    event = _mean_of_ties(confidence[order], event[order])
    parts = min(bins, len(confidence))
    edges = np.arange(parts) * len(confidence) // parts
    count = np.diff(edges, append=len(confidence))
    return ReliabilityBins(
        count=count,
        confidence=np.add.reduceat(confidence[order], edges) / count,
        accuracy=np.add.reduceat(event, edges) / count,
    )


def expected_calibration_error(confidence: ArrayLike, event: ArrayLike, *, bins: int = BINS) -> float:
    """Compute the expected calibration error (Guo et al. 2017, arXiv 1706.04599) with equal-mass bins.

    Args:
        confidence: float[items], predicted probabilities of the event.
        event: bool[items] or float[items], True or 1 if the event occurred.
        bins: number of bins.

    Raises:
        ValueError: see `reliability_bins`.
    """
    return reliability_bins(confidence, event, bins=bins).error


def brier_score(confidence: ArrayLike, event: ArrayLike) -> float:
    """Compute the mean squared distance of probability and event (Brier 1950, Monthly Weather Review 78).

    Args:
        confidence: float[items], predicted probabilities of the event.
        event: bool[items] or float[items], True or 1 if the event occurred.

    Raises:
        ValueError: see `reliability_bins`.
    """
    confidence, event = _checked(confidence, event)
    return float(np.mean((confidence - event) ** 2))


def area_under_roc(score: ArrayLike, positive: ArrayLike) -> float:
    """Compute the area under the ROC curve: how often a positive item scores above a negative one.

    Ties count half (the Mann-Whitney statistic; Hanley and McNeil 1982, Radiology 143). Sorts once:
    O(n log n).

    Args:
        score: float[items], higher for items that are more likely positive.
        positive: bool[items].

    Raises:
        ValueError: the arrays differ in length, a score is not a number, or one of the classes is missing.
    """
    score, positive = np.asarray(score, np.float64), np.asarray(positive, np.bool_)
    if score.ndim != 1 or score.shape != positive.shape:
        raise ValueError(
            f"score has the shape {score.shape}, positive {positive.shape}; expected one of both"
        )
    if np.isnan(score).any():
        raise ValueError(f"score {int(np.argmax(np.isnan(score)))} is not a number")
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not (positives and negatives):
        raise ValueError(f"{positives} positive and {negatives} negative items; expected some of both")
    _, group, count = np.unique(score, return_inverse=True, return_counts=True)
    # Mean rank, from 1, of each group of equal scores.
    rank = np.cumsum(count) - (count - 1) / 2
    above = rank[group][positive].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))


def risk_coverage(confidence: ArrayLike, value: ArrayLike) -> RiskCoverage:
    """Compute the risk-coverage curve of a selective predictor (El-Yaniv and Wiener 2010, JMLR 11).

    Its area is AURC (Geifman et al. 2019, arXiv 1805.08206); for question answering see Kamath et al. 2020,
    arXiv 2006.09462.

    Args:
        confidence: float[items], higher for answers that are kept longer.
        value: float[items], score of each answer, 0 to 1: exact match or F1.

    Raises:
        ValueError: the arrays are empty, differ in length or have a value that is not a number.
    """
    confidence, value = _paired(confidence, value)
    order = np.argsort(-confidence, kind="stable")
    value = _mean_of_ties(confidence[order], value[order])
    return RiskCoverage(np.cumsum(value) / np.arange(1, len(value) + 1))


def _mean_of_ties(confidence: Floats, value: Floats) -> Floats:
    """Average the values of items of equal confidence; items are sorted by confidence."""
    starts = np.flatnonzero(np.append(True, confidence[1:] != confidence[:-1]))
    count = np.diff(starts, append=len(confidence))
    return np.repeat(np.add.reduceat(value, starts) / count, count)


def _paired(confidence: Any, value: Any) -> tuple[Floats, Floats]:
    confidence, value = np.asarray(confidence, np.float64), np.asarray(value, np.float64)
    if confidence.ndim != 1 or confidence.shape != value.shape or not len(confidence):
        raise ValueError(
            f"shapes {confidence.shape} and {value.shape}; expected two arrays of one length, not empty"
        )
    for name, array in (("confidence", confidence), ("value", value)):
        if np.isnan(array).any():
            raise ValueError(f"{name} {int(np.argmax(np.isnan(array)))} is not a number")
    return confidence, value


def _checked(confidence: Any, event: Any) -> tuple[Floats, Floats]:
    confidence, event = _paired(confidence, event)
    for name, array in (("confidence", confidence), ("event", event)):
        wrong = (array < 0) | (array > 1)
        if wrong.any():
            index = int(np.argmax(wrong))
            raise ValueError(f"{name} {index} is {array[index]}; expected 0 to 1")
    return confidence, event
