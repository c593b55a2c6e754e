"""Calibrate a reader on questions with and without answers."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spanjet import _core
from spanjet.config import Calibration
from spanjet.evaluate.calibration import Candidates, Predictions, cross_predict, fit, log_loss, predict
from spanjet.evaluate.confidence import assess
from spanjet.evaluate.dataset import Question, SquadDataset
from spanjet.evaluate.official import grade
from spanjet.evaluate.retrieval import holds_reference, question_generator

if TYPE_CHECKING:
    from spanjet.answer import Answer
    from spanjet.reader import Reader

__all__ = [
    "CalibrationReport",
    "calibrate_reader",
    "check_unanswerable",
    "gather_candidates",
    "other_paragraphs",
]

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class CalibrationReport:
    """A calibration and what it is worth.

    Attributes:
        calibration: fitted on all pairs.
        before: ``ece``, ``brier``, ``auc``, ``log_loss`` (of exact match) as shares, and ``f1`` in percent on
            the data set's own pairs, with the reader's calibration and threshold.
        after: the same, honestly: each half of the articles by a calibration fitted on the other half.
        articles: articles that were fitted on.
        answerable: pairs with an answer.
        unanswerable: the data set's own pairs without an answer.
        other_paragraphs: pairs with another paragraph of the article.
    """

    calibration: Calibration
    before: dict[str, float]
    after: dict[str, float]
    articles: int
    answerable: int
    unanswerable: int
    other_paragraphs: int

    def as_dict(self) -> dict[str, Any]:
        """The calibration's fields, and what it was fitted on, ready for a card."""
        return {
            **asdict(self.calibration),
            "articles": self.articles,
            "answerable": self.answerable,
            "unanswerable": self.unanswerable,
            "other_paragraphs": self.other_paragraphs,
            "cross_fitted": {name: round(value, 4) for name, value in self.after.items()},
        }


def calibrate_reader(
    reader: "Reader",
    dataset: SquadDataset,
    *,
    negatives: float = 1.0,
    seed: int = 0,
    progress: Progress | None = None,
) -> CalibrationReport:
    """Fit a calibration to a reader's margins, and measure it on articles that it was not fitted on.

    Args:
        reader: what answers, in mode ``global``; its sentence margin is kept.
        dataset: questions with and without an answer, of at least two articles.
        negatives: share of the questions with an answer that are also asked about another paragraph.
        seed: chooses those, and the paragraphs.
        progress: called with the numbers of answered and of all pairs.

    Raises:
        ValueError: the reader's mode is another, every question has an answer, there are fewer than two
            articles, or the model does not tell questions without an answer from others.
    """
    if reader.decode.mode != "global":
        raise ValueError(f"the reader's mode is {reader.decode.mode!r}; expected 'global'")
    check_unanswerable(dataset)
    others = other_paragraphs(dataset, negatives, seed=seed)
    candidates = gather_candidates(reader, dataset, others, progress=progress)
    calibration = fit(candidates, sentence_margin=reader.calibration.sentence_margin)
    before = replace(reader.calibration, threshold=reader.threshold)
    return CalibrationReport(
        calibration=calibration,
        before=_quality(candidates, predict(before, candidates)),
        after=_quality(candidates, cross_predict(candidates)),
        articles=len(np.unique(candidates.article)),
        answerable=int(candidates.answerable.sum()),
        unanswerable=int((candidates.own & ~candidates.answerable).sum()),
        other_paragraphs=len(others),
    )


def check_unanswerable(dataset: SquadDataset) -> None:
    """Refuse a data set in which every question has an answer.

    Raises:
        ValueError: it is one.
    """
    if all(question.answers for question in dataset.questions):
        raise ValueError("every question has an answer; expected a SQuAD v2.0 file, where some have none")


def other_paragraphs(dataset: SquadDataset, share: float, *, seed: int = 0) -> list[Question]:
    """Ask questions about a paragraph of their article that does not answer them.

    A paragraph that contains a reference answer is not taken, as it might. What becomes of a question
    depends on the seed and on the question alone.

    Args:
        dataset: questions; those with an answer, and with other paragraphs in their article, take part.
        share: of those questions, 0 to 1.
        seed: chooses questions and paragraphs.

    Returns:
        The questions, without answers, their ids with ``/other`` behind them.

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
    reader: "Reader",
    dataset: SquadDataset,
    others: Iterable[Question] = (),
    *,
    progress: Progress | None = None,
) -> Candidates:
    """Ask a reader, and keep the margins of all candidates, those that overlap a better one included.

    Args:
        reader: what answers; its calibration and threshold do not count, but for the sentence margin.
        dataset: questions that are asked about their own paragraphs.
        others: questions that are asked about other paragraphs.
        progress: called with the numbers of answered and of all pairs.

    Raises:
        ValueError: a context has no span.
    """
    from spanjet.reader import Reader  # noqa: PLC0415  (which imports OpenVINO)

    apart = Reader(
        reader.model,
        windows=reader.windows,
        decode=replace(reader.decode, overlap=True),
        runtime=reader.runtime,
        threshold=None,
    )
    questions = [*dataset.questions, *others]
    count, width = len(questions), reader.decode.n_best
    margin, exact, f1 = np.full((count, width), -np.inf), np.zeros(count), np.zeros(count)
    pairs = ((question.question, question.context) for question in questions)
    if progress is not None:
        progress(0, count)
    for row, answers in enumerate(apart.stream(pairs, top_k=width, threshold=None)):
        question = questions[row]
        if answers[0].is_null:
            raise ValueError(f"question {question.id!r}: its context has no span")
        margin[row, : len(answers)] = _margins(answers, question.context, reader.calibration)
        if question.answers:
            exact[row], f1[row] = grade(answers[0].text, question, dataset.version)
        if progress is not None:
            progress(row + 1, count)
    return Candidates(
        margin=margin,
        exact=exact,
        f1=f1,
        answerable=np.array([bool(question.answers) for question in questions]),
        article=_article_numbers(questions),
        own=np.arange(count) < len(dataset),
    )


def _article_numbers(questions: Sequence[Question]) -> NDArray[np.int64]:
    numbers: dict[str, int] = {}
    # Without an article, a paragraph stands for itself.
    titles = (question.article or question.context for question in questions)
    return np.array([numbers.setdefault(title, len(numbers)) for title in titles], np.int64)


def _margins(answers: "Sequence[Answer]", context: str, calibration: Calibration) -> NDArray[np.float64]:
    """The margins that decoding ranks by, in its order."""
    margins = np.array([answer.logit - answer.null_logit for answer in answers], np.float64)
    cost = calibration.sentence_margin
    if cost:
        margins -= [cost * _crosses_sentences(context, answer) for answer in answers]
    return margins


def _crosses_sentences(context: str, answer: "Answer") -> bool:
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
    own = candidates.own
    f1 = np.where(predicted.null, ~candidates.answerable, candidates.f1)[own]
    return {
        "ece": confidence.bins.error,
        "brier": confidence.brier,
        # There are pairs with and without an answer, or nothing would have been fitted.
        "auc": confidence.auc or 0.0,
        "log_loss": log_loss(predicted.score, candidates.exact),
        "f1": 100 * float(f1.mean()),
    }
