"""Fit probabilities to the margins of answers: Platt scaling, temperature, threshold.

The probability that a context answers a question is a logistic function of its best margin (Platt 1999;
Kamath et al. 2020, arXiv 2006.09462); the candidates share it by a softmax with a temperature (Guo et al.
2017, arXiv 1706.04599).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spanjet.config import Calibration
from spanjet.evaluate.minimize import golden_section, logistic_regression, sigmoid

__all__ = [
    "SENTENCE_MARGINS",
    "Candidates",
    "Predictions",
    "balance",
    "cross_predict",
    "fit",
    "fit_answerability",
    "fit_sentence_margin",
    "fit_temperature",
    "fit_threshold",
    "folds",
    "log_loss",
    "predict",
    "share_of_best",
]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# Probabilities are clipped to this distance from 0 and 1 before taking logarithms.
_LEAST = 1e-12
SENTENCE_MARGINS = (0.0, 0.5, 1.0, 2.0, 3.0, 4.0)
"""Sentence margins to try."""

# Range of temperatures to try: from almost only the best candidate to almost equal shares.
_TEMPERATURES = (0.05, 50.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidates:
    """Candidate spans of pairs of question and context, with the correctness of the best one.

    Attributes:
        margin: float64[pairs, candidates], logit minus null logit in descending order, padded with -inf.
        exact: float64[pairs], exact match of the best candidate, 0 or 1; 0 if there is no answer.
        f1: float64[pairs], its F1, 0 to 1; 0 if there is no answer.
        answerable: bool[pairs], True if the context answers the question.
        article: int64[pairs], index of the article.
        own: bool[pairs], True if the data set has the pair, False if it has another paragraph.
    """

    margin: Floats
    exact: Floats
    f1: Floats
    answerable: Bools
    article: NDArray[np.int64]
    own: Bools

    def __len__(self) -> int:
        return len(self.margin)

    @property
    def best(self) -> Floats:
        """Best margin of each pair, float64[pairs]."""
        return self.margin[:, 0]

    def where(self, chosen: Bools) -> "Candidates":
        """Select pairs by a mask."""
        return Candidates(**{name: getattr(self, name)[chosen] for name in self.__slots__})


@dataclass(frozen=True, kw_only=True, slots=True)
class Predictions:
    """Calibrated probabilities of candidates.

    Attributes:
        answered: float64[pairs], probability that the context answers the question.
        score: float64[pairs], score of the best candidate: the probability that it is the answer.
        null: bool[pairs], True if the probability is below the threshold.
    """

    answered: Floats
    score: Floats
    null: Bools


def fit(candidates: Candidates, *, sentence_margin: float = 0.0) -> Calibration:
    """Fit a calibration to candidates.

    First slope and intercept by log loss of answerability, then the temperature by log loss of exact match of
    the best candidate, then the threshold by F1. Deterministic.

    Args:
        candidates: candidates of questions with and without an answer.
        sentence_margin: sentence margin of the candidates (see `fit_sentence_margin`).

    Raises:
        ValueError: all pairs are answerable, or none is, or margins do not separate them.
    """
    slope, intercept = fit_answerability(candidates.best, candidates.answerable)
    answered = sigmoid(slope * candidates.best + intercept)
    temperature = fit_temperature(candidates, answered)
    threshold = fit_threshold(answered, candidates.f1, candidates.answerable)
    return Calibration(
        slope=slope,
        intercept=intercept,
        temperature=temperature,
        sentence_margin=sentence_margin,
        threshold=threshold,
    )


def balance(candidates: Candidates, *, seed: int) -> Candidates:
    """Balance pairs with and without an answer, and among the latter, unanswerable and other paragraphs.

    The share of texts without an answer is unknown in advance: data sets differ (a third of SQuAD v2.0's
    training set, half of its dev set), and so do passages.

    Args:
        candidates: pairs of all kinds; if one is missing, the others are balanced.
        seed: seed of the choice.

    Returns:
        The chosen pairs, in order.
    """
    rng = np.random.default_rng(seed)
    unanswerable, other = (~candidates.answerable & kind for kind in (candidates.own, ~candidates.own))
    few = min(int(kind.sum()) for kind in (unanswerable, other) if kind.any())
    half = int(candidates.answerable.sum())
    without = [_some(kind, min(few, max(1, half // 2)), rng) for kind in (unanswerable, other)]
    kept = without[0] | without[1]
    return candidates.where(kept | _some(candidates.answerable, int(kept.sum()), rng))


def _some(kind: Bools, count: int, rng: np.random.Generator) -> Bools:
    """Choose at most ``count`` pairs of a kind at random."""
    chosen = np.zeros_like(kind)
    chosen[rng.permutation(np.flatnonzero(kind))[:count]] = True
    return chosen


def fit_sentence_margin(by_margin: Mapping[float, Candidates]) -> float:
    """Find the largest sentence margin that does not lower F1.

    F1 hardly depends on it, so differences up to 0.05 percentage points are ignored.

    Args:
        by_margin: the same candidates, ranked with each sentence margin.
    """
    f1 = {margin: ranked.f1[ranked.answerable].mean() for margin, ranked in by_margin.items()}
    return max(margin for margin, value in f1.items() if value >= max(f1.values()) - 0.0005)


def predict(calibration: Calibration, candidates: Candidates) -> Predictions:
    """Compute the probabilities of a reader with the given calibration."""
    answered = sigmoid(calibration.slope * candidates.best + calibration.intercept)
    threshold = 0.0 if calibration.threshold is None else calibration.threshold
    return Predictions(
        answered=answered,
        score=answered * share_of_best(candidates.margin, calibration.temperature),
        null=answered < threshold,
    )


def cross_predict(candidates: Candidates) -> Predictions:
    """Cross-validate: predict each half of the articles with a calibration fitted on the other half.

    Raises:
        ValueError: there are fewer than two articles, or a half cannot be fitted.
    """
    fold = folds(candidates.article)
    found: dict[str, NDArray[np.generic]] = {}
    for part in (0, 1):
        chosen = fold == part
        predicted = predict(fit(candidates.where(~chosen)), candidates.where(chosen))
        for name in predicted.__slots__:
            values = getattr(predicted, name)
            found.setdefault(name, np.empty(len(candidates), values.dtype))[chosen] = values
    return Predictions(**found)  # type: ignore[arg-type]


def folds(article: NDArray[np.int64]) -> NDArray[np.int64]:
    """Split pairs by article into two folds: the largest article first, each into the smaller fold.

    Returns:
        int64[pairs], 0 or 1.

    Raises:
        ValueError: there are fewer than two articles.
    """
    articles, count = np.unique(article, return_counts=True)
    if len(articles) < 2:
        raise ValueError(f"{len(articles)} article; expected at least two to hold one out")
    size, fold_of = [0, 0], {}
    for index in np.argsort(-count, kind="stable"):
        fold_of[articles[index]] = fold = int(size[1] < size[0])
        size[fold] += int(count[index])
    return np.array([fold_of[each] for each in article], np.int64)


def fit_answerability(best: Floats, answerable: Bools) -> tuple[float, float]:
    """Fit slope and intercept of a logistic function by Newton's method.

    With Platt's targets (1999), which keep the slope finite for separable margins; steps are halved until
    they do not raise the loss (Lin, Lin and Weng 2007, Machine Learning 68).

    Args:
        best: float64[pairs], best margins.
        answerable: bool[pairs].

    Raises:
        ValueError: all pairs are answerable, or none is, or a margin is not finite, or the slope is not
            positive.
    """
    positives = int(answerable.sum())
    negatives = len(answerable) - positives
    if not (positives and negatives):
        raise ValueError(
            f"{positives} pairs with an answer and {negatives} without; expected some of both, as in SQuAD "
            "v2.0 or with other paragraphs as negatives"
        )
    if not np.isfinite(best).all():
        raise ValueError(f"the best margin of pair {int(np.argmin(np.isfinite(best)))} is not finite")
    target = np.where(answerable, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    mean, scale = best.mean(), best.std() or 1.0
    design = np.stack([(best - mean) / scale, np.ones_like(best)], axis=1)
    slope, level = logistic_regression(design, target)
    if slope <= 0:
        raise ValueError("greater margins do not mean that an answer is likelier: the model does not tell")
    return float(slope / scale), float(level - slope * mean / scale)


def fit_temperature(candidates: Candidates, answered: Floats) -> float:
    """Fit the temperature by log loss of exact match of the best candidate.

    Args:
        candidates: the candidates.
        answered: float64[pairs], probability of an answer.
    """

    def loss(log_temperature: float) -> float:
        share = share_of_best(candidates.margin, float(np.exp(log_temperature)))
        return log_loss(answered * share, candidates.exact)

    # The loss may have several local minima.
    low, high = np.log(_TEMPERATURES).tolist()
    grid = np.linspace(low, high, 41)
    lowest = int(np.argmin([loss(value) for value in grid]))
    low, high = grid[max(lowest - 1, 0)], grid[min(lowest + 1, len(grid) - 1)]
    return float(np.exp(golden_section(loss, low, high)))


def fit_threshold(answered: Floats, f1: Floats, answerable: Bools) -> float:
    """Find the threshold with the best F1 of SQuAD v2.0, halfway between two probabilities.

    Args:
        answered: float64[pairs], probability of an answer.
        f1: float64[pairs], F1 of the best candidate, 0 if there is no answer.
        answerable: bool[pairs].

    Raises:
        ValueError: no threshold is better than no answers at all.
    """
    order = np.argsort(-answered, kind="stable")
    probability = answered[order]
    # Gain of each answer over no answers at all; equal probabilities are answered together.
    gain = np.cumsum(f1[order] - ~answerable[order])
    ends = np.flatnonzero(np.diff(probability, append=-1.0) != 0)
    if not len(ends) or gain[ends].max() <= 0:
        share = 100 * float(np.mean(~answerable)) if len(answerable) else 0.0
        raise ValueError(
            f"no threshold gives a better F1 than {share:.2f}, which no answers at all give: the model does "
            "not tell questions without an answer from others"
        )
    last = int(ends[np.argmax(gain[ends])])
    below = probability[last + 1] if last + 1 < len(probability) else 0.0
    return float((probability[last] + below) / 2)


def share_of_best(margin: Floats, temperature: float) -> Floats:
    """Compute the best candidate's share of the softmax of margins over a temperature.

    Args:
        margin: float64[pairs, candidates], in descending order.
        temperature: greater than 0.

    Returns:
        float64[pairs].
    """
    return np.asarray(1 / np.exp((margin - margin[:, :1]) / temperature).sum(axis=1))


def log_loss(probability: Floats, target: Floats) -> float:
    """Compute the mean negative log likelihood of events.

    Args:
        probability: float64[items], predicted probability of the event.
        target: float64[items], outcome, 0 or 1.
    """
    probability = np.clip(probability, _LEAST, 1 - _LEAST)
    return float(-np.mean(target * np.log(probability) + (1 - target) * np.log1p(-probability)))
