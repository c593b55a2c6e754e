"""Compute exact match and F1 as evaluate-v1.1 and evaluate-v2.0 do."""

import re
import string
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from spanjet.files.datasets.dataset import Question, SquadDataset, Version

__all__ = ["Scores", "Split", "best_f1", "exact_match", "grade", "normalize", "score"]

ARTICLES = re.compile(r"\b(a|an|the)\b")
WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """Scores of a subset of the questions, in percent."""

    exact_match: float
    f1: float
    total: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """Scores of predictions, in percent.

    Attributes:
        exact_match: share of predictions equal to a reference answer after normalisation.
        f1: mean word overlap F1 with the best reference answer.
        total: number of scored questions.
        version: version of the data set.
        has_answer, no_answer: v2.0: scores of questions with and without an answer; None: no such questions.
        best_exact_match, best_exact_match_threshold, best_f1, best_f1_threshold: v2.0: the scores at the
            threshold on the no-answer probability that is best for these questions, and that threshold.
    """

    exact_match: float
    f1: float
    total: int
    version: Version = "1.1"
    has_answer: Split | None = None
    no_answer: Split | None = None
    best_exact_match: float | None = None
    best_exact_match_threshold: float | None = None
    best_f1: float | None = None
    best_f1_threshold: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the applicable scores by their names in the official scripts.

        v1.1: ``exact_match`` and ``f1``, and ``total``. v2.0: ``exact``, ``f1``, ``total``, ``HasAns_exact``,
        ``HasAns_f1``, ``HasAns_total``, ``NoAns_...``, ``best_exact``, ``best_exact_thresh``, ``best_f1`` and
        ``best_f1_thresh``.
        """
        if self.version == "1.1":
            return {"exact_match": self.exact_match, "f1": self.f1, "total": self.total}
        found: dict[str, Any] = {"exact": self.exact_match, "f1": self.f1, "total": self.total}
        for name, split in (("HasAns", self.has_answer), ("NoAns", self.no_answer)):
            if split is not None:
                values = {"exact": split.exact_match, "f1": split.f1, "total": split.total}
                found |= {f"{name}_{key}": value for key, value in values.items()}
        best = {
            "best_exact": self.best_exact_match,
            "best_exact_thresh": self.best_exact_match_threshold,
            "best_f1": self.best_f1,
            "best_f1_thresh": self.best_f1_threshold,
        }
        return found | {name: value for name, value in best.items() if value is not None}


def exact_match(scores: Mapping[str, Any]) -> float:
    """Look up exact match in the output of `Scores.as_dict`, by its name in either version."""
    found: float = scores["exact_match"] if "exact_match" in scores else scores["exact"]
    return found


def best_f1(scores: Mapping[str, Any]) -> float:
    """Look up F1 in the output of `Scores.as_dict`; at the best threshold for v2.0."""
    found: float = scores["best_f1"] if "best_f1" in scores else scores["f1"]
    return found


def grade(prediction: str, question: Question, version: Version) -> tuple[float, float]:
    """Compute exact match and F1 of one prediction, 0 to 1, against its best reference.

    Args:
        prediction: predicted answer; "" is the null answer.
        question: question with its reference answers.
        version: version of the official script.

    Raises:
        ValueError: the version is 1.1, and the question has no reference answer.
    """
    if version == "1.1" and not question.answers:
        raise ValueError(f"question {question.id!r} has no reference answer; expected one in v1.1")
    predicted = normalize(prediction)
    references = [normalize(answer) for answer in _references(question, version)]
    exact = max(float(predicted == reference) for reference in references)
    return exact, max(_f1(predicted.split(), reference.split(), version) for reference in references)


def score(
    dataset: SquadDataset, predictions: Mapping[str, str], no_answer: Mapping[str, float] | None = None
) -> Scores:
    """Compute exact match and F1 of predictions.

    As in the official scripts, a question without a prediction is wrong in v1.1 and ignored in v2.0.

    Args:
        dataset: questions with reference answers.
        predictions: answers by question id; "" is the null answer.
        no_answer: no-answer scores by question id, higher for questions that are more likely unanswerable
            (the scripts' ``na_prob``); if given and the data set is v2.0, the best thresholds are searched.

    Raises:
        ValueError: no question of the data set has a prediction, or one of v1.1 no reference answer.
    """
    exact: dict[str, float] = {}
    f1: dict[str, float] = {}
    for question in dataset.questions:
        prediction = predictions.get(question.id)
        if prediction is not None:
            exact[question.id], f1[question.id] = grade(prediction, question, dataset.version)
    if not exact:
        raise ValueError("no question of the data set has a prediction")
    if dataset.version == "1.1":
        whole = _split(exact, f1, [question.id for question in dataset.questions])
        return Scores(exact_match=whole.exact_match, f1=whole.f1, total=whole.total)

    whole = _split(exact, f1, exact)
    answerable = {question.id: bool(question.answers) for question in dataset.questions}
    best: dict[str, Any] = {}
    if no_answer is not None:
        for name, values in (("best_exact_match", exact), ("best_f1", f1)):
            found = _best_threshold(values, predictions, no_answer, answerable)
            best[name], best[f"{name}_threshold"] = found
    return Scores(
        exact_match=whole.exact_match,
        f1=whole.f1,
        total=whole.total,
        version="2.0",
        has_answer=_split_or_none(exact, f1, [key for key in exact if answerable[key]]),
        no_answer=_split_or_none(exact, f1, [key for key in exact if not answerable[key]]),
        **best,
    )


@lru_cache(maxsize=1 << 14)
def normalize(text: str) -> str:
    """Normalise a text: lower-case it, and remove punctuation, articles and extra white space."""
    return " ".join(ARTICLES.sub(" ", text.lower().translate(WITHOUT_PUNCTUATION)).split())


def _references(question: Question, version: Version) -> tuple[str, ...]:
    if version == "1.1":
        return question.answers
    return tuple(answer for answer in question.answers if normalize(answer)) or ("",)


def _f1(predicted: Sequence[str], expected: Sequence[str], version: Version) -> float:
    if version == "2.0" and not (predicted and expected):
        return float(predicted == expected)
    shared = sum((Counter(predicted) & Counter(expected)).values())
    if shared == 0:
        return 0.0
    precision = shared / len(predicted)
    recall = shared / len(expected)
    return 2 * precision * recall / (precision + recall)


def _split(exact: Mapping[str, float], f1: Mapping[str, float], keys: Iterable[str]) -> Split:
    keys = list(keys)
    return Split(
        exact_match=100 * sum(exact.get(key, 0.0) for key in keys) / len(keys),
        f1=100 * sum(f1.get(key, 0.0) for key in keys) / len(keys),
        total=len(keys),
    )


def _split_or_none(exact: Mapping[str, float], f1: Mapping[str, float], keys: list[str]) -> Split | None:
    return _split(exact, f1, keys) if keys else None


def _best_threshold(
    values: Mapping[str, float],
    predictions: Mapping[str, str],
    no_answer: Mapping[str, float],
    answerable: Mapping[str, bool],
) -> tuple[float, float]:
    """Find the best score in percent over all thresholds, and its threshold.

    Starts with every question unanswered, and answers them one by one, the least likely unanswerable first.
    """
    best, threshold = float(sum(not has_answer for has_answer in answerable.values())), 0.0
    current = best
    for key in sorted((key for key in no_answer if key in values), key=no_answer.__getitem__):
        if answerable[key]:
            current += values[key]
        elif predictions[key]:
            current -= 1
        if current > best:
            best, threshold = current, no_answer[key]
    return 100 * best / len(values), threshold
