"""Calibrate a reader of two models on texts that both of them read: whole articles."""

from collections.abc import Iterator
from dataclasses import replace

from spanjet.evaluate.calibrate import CalibrationReport, calibrate_reader
from spanjet.evaluate.retrieval import BETWEEN_PARAGRAPHS, holds_reference, question_generator
from spanjet.files.datasets.dataset import Question, SquadDataset
from spanjet.measure.progress import OnStep, ignore_step
from spanjet.measure.questions import sample
from spanjet.reader.reader import Reader

__all__ = ["articles_without_answer", "calibrate_cascade", "long_articles"]


def calibrate_cascade(
    reader: Reader,
    dataset: SquadDataset,
    *,
    limit: int,
    negatives: float = 1.0,
    seed: int = 0,
    on_step: OnStep = ignore_step,
) -> CalibrationReport:
    """Fit a calibration to a reader of two models, for texts with more windows than are reread.

    Questions are asked about their whole articles, and those with an answer also about what is left of it
    without the paragraphs that hold a reference answer.

    Args:
        reader: reader with a first model, in mode ``global``.
        dataset: questions with and without an answer, with their articles.
        limit: number of questions to draw at random.
        negatives: share of the questions with an answer, 0 to 1, to ask without it as well.
        seed: seed of the choice of questions.
        on_step: called with the number of answered and of all pairs.

    Raises:
        ValueError: as `calibrate_reader`; or the reader has one model only, or no article is long enough.
    """
    if reader.first is None:
        raise ValueError("the reader has no first model; expected Reader(model, first=...)")
    long = long_articles(reader, dataset)
    if len(long) > limit:
        long = replace(long, questions=sample(long, limit, seed).questions)
    without = list(articles_without_answer(reader, long, negatives, seed=seed))
    return calibrate_reader(reader, long, without=without, seed=seed, on_step=on_step)


def long_articles(reader: Reader, dataset: SquadDataset) -> SquadDataset:
    """Ask questions about their whole articles, as far as these have more windows than are reread.

    Raises:
        ValueError: no article has.
    """
    texts = {
        title: text
        for title, paragraphs in dataset.articles.items()
        if is_long(reader, text := BETWEEN_PARAGRAPHS.join(paragraphs))
    }
    questions = tuple(
        replace(question, context=texts[question.article])
        for question in dataset.questions
        if question.article in texts
    )
    if not questions:
        most = reader.cascade_config.reread
        raise ValueError(
            f"no question has an article of more than {most} windows, the number that is reread; expected a "
            "SQuAD file with whole articles"
        )
    return replace(dataset, questions=questions)


def articles_without_answer(
    reader: Reader, dataset: SquadDataset, share: float, *, seed: int = 0
) -> Iterator[Question]:
    """Ask questions about their articles without the paragraphs that hold a reference answer.

    Args:
        reader: reader whose first model must be needed for what is left.
        dataset: questions; only those with an answer are used.
        share: share of those questions, 0 to 1.
        seed: seed of the choice of questions.

    Yields:
        The questions, without answers, with ``/without`` appended to their ids.

    Raises:
        ValueError: the share is not between 0 and 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"negatives is {share}; expected a share, 0 to 1")
    for question in dataset.questions:
        if not question.answers or question_generator(question, seed).random() >= share:
            continue
        paragraphs = dataset.articles[question.article]
        left = BETWEEN_PARAGRAPHS.join(text for text in paragraphs if not holds_reference(text, question))
        if is_long(reader, left):
            yield replace(question, id=f"{question.id}/without", context=left, answers=())


def is_long(reader: Reader, text: str) -> bool:
    """Return True if a text has more windows than are reread, for a short question."""
    if not text or text.isspace():
        return False
    return len(reader.windows(["?"], [text])) > reader.cascade_config.reread
