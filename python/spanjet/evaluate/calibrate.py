"""Calibrate a reader on questions with and without answers."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spanjet import _core
from spanjet.config import Calibration
from spanjet.evaluate.calibration import (
    SENTENCE_MARGINS,
    Candidates,
    Predictions,
    balance,
    cross_predict,
    fit,
    fit_sentence_margin,
    folds,
    log_loss,
    predict,
)
from spanjet.evaluate.confidence import assess
from spanjet.evaluate.retrieval import holds_reference, question_generator
from spanjet.evaluate.squad import grade
from spanjet.files.datasets.dataset import Question, SquadDataset
from spanjet.measure.progress import OnStep, ignore_step
from spanjet.reader.answer import Answer, Failure
from spanjet.reader.reader import Reader

__all__ = [
    "CalibrationReport",
    "calibrate_reader",
    "check_unanswerable",
    "gather_by_sentence_margin",
    "gather_candidates",
    "other_paragraphs",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class CalibrationReport:
    """Calibration and its cross-validated quality.

    Attributes:
        calibration: calibration fitted on all pairs.
        before: ``ece``, ``brier``, ``auc``, ``log_loss`` (of exact match) as shares, and ``f1`` in percent,
            with the reader's calibration and threshold; with a first model, with the calibration of both, or
            else the second one's.
        after: the same, cross-validated: each half of the articles with a calibration fitted on the other
            half.
        articles: number of articles.
        answerable: number of pairs with an answer.
        unanswerable: number of the data set's pairs without an answer.
        other_paragraphs: number of pairs with another paragraph of the article, or with what is left of it.
    """

    calibration: Calibration
    before: dict[str, float]
    after: dict[str, float]
    articles: int
    answerable: int
    unanswerable: int
    other_paragraphs: int

    def as_dict(self) -> dict[str, Any]:
        """Return the calibration's fields and the counts of its data, for a card."""
        return {
            **asdict(self.calibration),
            "articles": self.articles,
            "answerable": self.answerable,
            "unanswerable": self.unanswerable,
            "other_paragraphs": self.other_paragraphs,
            "cross_fitted": {name: round(value, 4) for name, value in self.after.items()},
        }


def calibrate_reader(
    reader: Reader,
    dataset: SquadDataset,
    *,
    negatives: float = 1.0,
    without: Sequence[Question] | None = None,
    seed: int = 0,
    on_step: OnStep = ignore_step,
) -> CalibrationReport:
    """Fit a calibration to a reader's margins, and measure its quality on held-out articles.

    It is fitted on equal numbers of pairs with and without an answer (see `balance`).

    Args:
        reader: reader to calibrate, in mode ``global``.
        dataset: questions with and without an answer, from at least two articles.
        negatives: share of the questions with an answer, 0 to 1, to ask about another paragraph as well.
        without: other questions without an answer to ask as well; None: as ``negatives`` says.
        seed: seed of the choice of those questions and paragraphs.
        on_step: called with the number of answered and of all pairs.

    Raises:
        ValueError: the reader is in another mode; the data set has no question, or none with or none without
            an answer; a question cannot be asked; there are fewer than two articles; ``negatives`` is not
            0 to 1; or the margins do not separate questions with and without an answer.
    """
    if reader.decode_config.mode != "global":
        raise ValueError(f"the reader's mode is {reader.decode_config.mode!r}; expected 'global'")
    check_unanswerable(dataset)
    folds(_article_numbers(dataset.questions))
    others = other_paragraphs(dataset, negatives, seed=seed) if without is None else without
    by_margin = gather_by_sentence_margin(reader, dataset, others, SENTENCE_MARGINS, on_step=on_step)
    sentence_margin = fit_sentence_margin(by_margin)
    candidates = balance(by_margin[sentence_margin], seed=seed)
    calibration = fit(candidates, sentence_margin=sentence_margin)
    before = replace(reader.calibration, threshold=reader.threshold)
    if reader.first is not None:
        before = reader.cascade_calibration or reader.calibration
    return CalibrationReport(
        calibration=calibration,
        before=_quality(candidates, predict(before, candidates)),
        after=_quality(candidates, cross_predict(candidates)),
        articles=len(np.unique(candidates.article)),
        answerable=int(candidates.answerable.sum()),
        unanswerable=int((candidates.own & ~candidates.answerable).sum()),
        other_paragraphs=int((~candidates.own).sum()),
    )


def check_unanswerable(dataset: SquadDataset) -> None:
    """Check that a data set has questions with and without an answer.

    Raises:
        ValueError: there are no questions, all have an answer, or none has.
    """
    if not dataset.questions:
        raise ValueError("the data set has no question; expected a SQuAD v2.0 file")
    answered = [bool(question.answers) for question in dataset.questions]
    if all(answered):
        raise ValueError("every question has an answer; expected a SQuAD v2.0 file, where some have none")
    if not any(answered):
        raise ValueError("no question has an answer; expected a SQuAD v2.0 file, where most have one")


def other_paragraphs(dataset: SquadDataset, share: float, *, seed: int = 0) -> list[Question]:
    """Pair questions with another paragraph of their article, as negatives.

    Paragraphs that contain a reference answer are excluded, as they may answer the question. The choice for a
    question depends only on the seed and the question.

    Args:
        dataset: questions; only those with an answer and with other paragraphs in their article are used.
        share: share of those questions, 0 to 1.
        seed: seed of the choice of questions and paragraphs.

    Returns:
        The questions, without answers, with ``/other`` appended to their ids.

    Raises:
        ValueError: the share is not between 0 and 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"negatives is {share}; expected a share, 0 to 1")
    found = []
    for question in dataset.questions:
        generator = question_generator(question, seed)
        if not question.answers or generator.random() >= share:
            continue
        paragraphs = dataset.articles.get(question.article, ())
        for index in generator.permutation(len(paragraphs)):
            text = paragraphs[index]
            if text != question.context and not holds_reference(text, question):
                found.append(replace(question, id=f"{question.id}/other", context=text, answers=()))
                break
    return found


def gather_candidates(
    reader: Reader,
    dataset: SquadDataset,
    others: Iterable[Question] = (),
    *,
    on_step: OnStep = ignore_step,
) -> Candidates:
    """Collect the margins of a reader's candidates, including those that overlap a better one.

    Args:
        reader: reader to ask; of its calibration and threshold only the sentence margin is used.
        dataset: questions to ask about their own paragraphs.
        others: questions to ask about other paragraphs.
        on_step: called with the number of answered and of all pairs.

    Raises:
        ValueError: a context has no span.
    """
    own = reader.calibration.sentence_margin
    return _gather(reader, dataset, others, [own], on_step=on_step)[own]


def gather_by_sentence_margin(
    reader: Reader,
    dataset: SquadDataset,
    others: Iterable[Question],
    sentence_margins: Iterable[float],
    *,
    on_step: OnStep = ignore_step,
) -> dict[float, Candidates]:
    """Collect a reader's candidates once, and rank them with several sentence margins.

    The candidates are the best ones without a sentence margin.

    Args:
        reader: reader to ask; its calibration and threshold are not used.
        dataset: questions to ask about their own paragraphs.
        others: questions to ask about other paragraphs.
        sentence_margins: penalties on the margin of spans that cross a sentence boundary.
        on_step: called with the number of answered and of all pairs.

    Returns:
        The candidates, ranked by each sentence margin.

    Raises:
        ValueError: a context has no span.
    """
    plain = Reader(
        replace(reader.model, card=None),
        first=None if reader.first is None else reader.first.model,
        cascade_config=reader.cascade_config,
        window_config=reader.window_config,
        decode_config=reader.decode_config,
        runtime_config=reader.runtime_config,
        match_special_tokens=reader.match_special_tokens,
        threshold=None,
    )
    return _gather(plain, dataset, others, sentence_margins, on_step=on_step)


def _gather(
    reader: Reader,
    dataset: SquadDataset,
    others: Iterable[Question],
    costs: Iterable[float],
    *,
    on_step: OnStep = ignore_step,
) -> dict[float, Candidates]:
    apart = reader.with_config(decode_config=replace(reader.decode_config, overlap=True))
    questions = [*dataset.questions, *others]
    width = reader.decode_config.n_best
    ranked = {cost: _Ranked(len(questions), width) for cost in costs}
    pairs = ((question.question, question.context) for question in questions)
    on_step(0, len(questions))
    for row, answers in enumerate(apart.stream(pairs, top_k=width, threshold=None, errors="return")):
        question = questions[row]
        if isinstance(answers, Failure):
            raise ValueError(f"question {question.id!r}: {answers.reason}")
        if answers[0].is_null:
            raise ValueError(f"question {question.id!r}: its context has no span")
        for cost, kept in ranked.items():
            kept.add(row, answers, question, cost, dataset.version)
        on_step(row + 1, len(questions))
    answerable = np.array([bool(question.answers) for question in questions])
    article, own = _article_numbers(questions), np.arange(len(questions)) < len(dataset)
    return {
        cost: Candidates(
            margin=kept.margin,
            exact=kept.exact,
            f1=kept.f1,
            answerable=answerable,
            article=article,
            own=own,
        )
        for cost, kept in ranked.items()
    }


class _Ranked:
    """Candidates of each pair ranked by margin, with the scores of the best one."""

    def __init__(self, count: int, width: int) -> None:
        self.margin = np.full((count, width), -np.inf)
        self.exact, self.f1 = np.zeros(count), np.zeros(count)

    def add(
        self,
        row: int,
        answers: Sequence[Answer],
        question: Question,
        cost: float,
        version: Literal["1.1", "2.0"],
    ) -> None:
        """Add a pair's answers; the margin of those that cross a sentence boundary is reduced by the cost."""
        margins = np.array([answer.margin for answer in answers], np.float64)
        if cost:
            margins -= [cost * _crosses_sentences(question.context, answer) for answer in answers]
        order = np.argsort(-margins, kind="stable")
        self.margin[row, : len(answers)] = margins[order]
        if question.answers:
            self.exact[row], self.f1[row] = grade(answers[order[0]].text, question, version)


def _article_numbers(questions: Sequence[Question]) -> NDArray[np.int64]:
    numbers: dict[str, int] = {}
    # A paragraph without an article counts as an article of its own.
    titles = (question.article or question.context for question in questions)
    return np.array([numbers.setdefault(title, len(numbers)) for title in titles], np.int64)


def _crosses_sentences(context: str, answer: Answer) -> bool:
    _, end = _core.sentence(context, answer.start, answer.start + 1)
    return end < answer.end


def _quality(candidates: Candidates, predicted: Predictions) -> dict[str, float]:
    confidence = assess(
        confidence=predicted.score,
        exact=candidates.exact,
        f1=candidates.f1,
        no_answer=1 - predicted.answered,
        answerable=candidates.answerable,
    )
    f1 = np.where(predicted.null, ~candidates.answerable, candidates.f1)
    return {
        "ece": confidence.bins.error,
        "brier": confidence.brier,
        # There are pairs with and without an answer, as fitting requires.
        "auc": confidence.auc or 0.0,
        "log_loss": log_loss(predicted.score, candidates.exact),
        "f1": 100 * float(f1.mean()),
    }
