"""Ask a reader the questions of a data set and score its answers."""

import math
import time
from dataclasses import dataclass, field, fields, replace
from typing import Any

from spanjet.config import Threshold
from spanjet.evaluate.squad import Scores, score
from spanjet.files.datasets.dataset import SquadDataset
from spanjet.measure.progress import OnStep, ignore_step
from spanjet.reader.answer import Answer, Failure
from spanjet.reader.reader import Reader

__all__ = ["NOTHING", "Evaluation", "evaluate"]

NOTHING = Answer("", 0, 0, 0, 0, score=1.0, logit=-math.inf, null_logit=0.0, no_answer=1.0)
"""The null answer in place of the answers to a question that cannot be asked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """Answers of a reader to a data set, and their scores.

    Attributes:
        scores: exact match and F1.
        predictions: answer of each question by its id; "" is the null answer.
        spans: the best answer of each question by its id, the null answer left aside.
        confidence: that answer's score, the probability that it is right, of each question by its id.
        no_answer: probability that the context does not answer the question, by its id.
        seconds: wall time from texts to answers, scoring not included.
        rejected: why, of each question that cannot be asked, by its id; it counts as answered by nothing.
    """

    scores: Scores
    predictions: dict[str, str]
    spans: dict[str, str]
    confidence: dict[str, float]
    no_answer: dict[str, float]
    seconds: float
    rejected: dict[str, str] = field(default_factory=dict)

    @property
    def questions_per_second(self) -> float:
        """Answered questions per second."""
        return len(self.predictions) / self.seconds


def evaluate(
    reader: Reader,
    dataset: SquadDataset,
    *,
    threshold: Threshold = "reader",
    on_step: OnStep = ignore_step,
    limit: int | None = None,
) -> Evaluation:
    """Answer the questions of a data set and score the answers.

    Args:
        reader: reader to evaluate.
        dataset: data set to ask.
        threshold: as the reader's; ``"reader"``: the reader's own for v2.0, but None for v1.1, whose
            questions all have an answer, and in mode ``squad``.
        on_step: called with the number of answered and of all questions.
        limit: number of questions to ask, the first ones; None: all.

    Raises:
        ValueError: ``limit`` is less than 1.
    """
    if limit is not None:
        if limit < 1:
            raise ValueError(f"limit is {limit}; expected at least 1")
        dataset = replace(dataset, questions=dataset.questions[:limit])
    if threshold == "reader":
        always_a_span = dataset.version == "1.1" or reader.decode_config.mode == "squad"
        can_abstain = reader.threshold is not None or reader.cascade_calibration is not None
        threshold = "reader" if can_abstain and not always_a_span else None
    began = time.perf_counter()
    answers, rejected = _answers(reader, dataset, threshold, on_step)
    seconds = time.perf_counter() - began
    predictions = {name: found[0].text for name, found in answers.items()}
    best = {
        name: next((each for each in found if not each.is_null), found[0]) for name, found in answers.items()
    }
    spans = {name: answer.text for name, answer in best.items()}
    no_answer = {name: answer.no_answer for name, answer in best.items()}
    # The best thresholds do not depend on the reader's own.
    thresholds = _best_fields(score(dataset, spans, no_answer))
    return Evaluation(
        scores=replace(score(dataset, predictions), **thresholds),
        predictions=predictions,
        spans=spans,
        # Without any span, the confidence is 0.
        confidence={name: 0.0 if answer.is_null else answer.score for name, answer in best.items()},
        no_answer=no_answer,
        seconds=seconds,
        rejected=rejected,
    )


def _answers(
    reader: Reader,
    dataset: SquadDataset,
    threshold: Threshold,
    on_step: OnStep,
) -> tuple[dict[str, list[Answer]], dict[str, str]]:
    """Answer each question, by its id; the null answer, where it comes first, is followed by the best span.

    Returns:
        The answers, and the reasons of those that cannot be asked.
    """
    on_step(0, len(dataset))
    pairs = ((question.question, question.context) for question in dataset.questions)
    decoding = reader.decode_config
    has_null = threshold is not None or (decoding.mode == "hf" and decoding.handle_impossible_answer)
    top_k = 2 if has_null else 1
    stream = reader.stream(pairs, top_k=top_k, threshold=threshold, errors="return")
    found, rejected = {}, {}
    for question, result in zip(dataset.questions, stream, strict=True):
        if isinstance(result, Failure):
            rejected[question.id] = result.reason
        found[question.id] = [NOTHING] if isinstance(result, Failure) else result
        on_step(len(found), len(dataset))
    return found, rejected


def _best_fields(scores: Scores) -> dict[str, Any]:
    names = [field.name for field in fields(scores) if field.name.startswith("best_")]
    return {name: getattr(scores, name) for name in names}
