"""Ask a reader the questions of a data set and score its answers."""

import time
from dataclasses import dataclass, fields, replace
from typing import Any

from spanjet.config import Threshold
from spanjet.evaluate.squad import Scores, score
from spanjet.files.datasets.dataset import SquadDataset
from spanjet.measure.progress import OnStep, ignore_step
from spanjet.reader.answer import Answer
from spanjet.reader.reader import Reader

__all__ = ["Evaluation", "evaluate"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """Answers of a reader to a data set, and their scores.

    Attributes:
        scores: exact match and F1.
        predictions: answers by question id; "" is the null answer.
        spans: best spans by question id, regardless of the threshold.
        confidence: scores of those spans by question id, the probability that the span is right.
        no_answer: probabilities that the context does not answer the question, by question id.
        seconds: wall time from texts to answers, without scoring.
    """

    scores: Scores
    predictions: dict[str, str]
    spans: dict[str, str]
    confidence: dict[str, float]
    no_answer: dict[str, float]
    seconds: float

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
        threshold = None if always_a_span else reader.threshold
    began = time.perf_counter()
    answers = _answers(reader, dataset, threshold, on_step)
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
    )


def _answers(
    reader: Reader,
    dataset: SquadDataset,
    threshold: Threshold,
    on_step: OnStep,
) -> dict[str, list[Answer]]:
    """Answer each question, by id; a null answer is followed by the best span."""
    on_step(0, len(dataset))
    pairs = ((question.question, question.context) for question in dataset.questions)
    stream = reader.stream(pairs, top_k=1 if threshold is None else 2, threshold=threshold)
    found = {}
    for question, answers in zip(dataset.questions, stream, strict=True):
        found[question.id] = answers
        on_step(len(found), len(dataset))
    return found


def _best_fields(scores: Scores) -> dict[str, Any]:
    names = [field.name for field in fields(scores) if field.name.startswith("best_")]
    return {name: getattr(scores, name) for name in names}
