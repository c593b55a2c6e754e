"""Evaluate reading over several passages, and over whole articles."""

import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np

from spanjet.evaluate.confidence import Confidence, assess
from spanjet.evaluate.evaluation import NOTHING
from spanjet.evaluate.squad import grade, normalize
from spanjet.files.datasets.dataset import Question, SquadDataset
from spanjet.measure.progress import OnStep, ignore_step
from spanjet.reader.answer import Answer, Document, Failure
from spanjet.reader.reader import Reader

__all__ = [
    "BETWEEN_PARAGRAPHS",
    "PassageCase",
    "RetrievalScores",
    "choose_passages",
    "evaluate_articles",
    "evaluate_passages",
    "holds_reference",
    "question_generator",
]

BETWEEN_PARAGRAPHS = "\n\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class PassageCase:
    """Question with the passages to ask it about.

    Attributes:
        question: question with an answer.
        passages: its own paragraph among others of its article, all distinct.
        right: index of its own paragraph.
    """

    question: Question
    passages: tuple[str, ...]
    right: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RetrievalScores:
    """Scores of the best answers over passages or in whole articles.

    Attributes:
        total: number of questions.
        exact, f1: exact match and F1 of the best answer's text in percent, whichever passage it is from.
        confidence: reliability of its ``score``; the event is an exact match from the right passage.
        seconds: wall time from texts to answers; each passage or article is tokenized once.
        passages: number of passages of each question; None: a whole article.
        right_passage: share in percent of questions whose best answer is from their own paragraph.
        reference_elsewhere: share in percent of the other passages that contain a reference answer too; an
            answer from there counts as from the wrong passage.
        rejected: why, of each question that cannot be asked, by its id; it counts as answered by nothing.
    """

    total: int
    exact: float
    f1: float
    confidence: Confidence
    seconds: float
    passages: int | None = None
    right_passage: float | None = None
    reference_elsewhere: float | None = None
    rejected: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the applicable numbers by name, JSON-serialisable."""
        names = ("passages", "total", "right_passage", "exact", "f1", "reference_elsewhere")
        values = {name: getattr(self, name) for name in names}
        return {
            **{name: value for name, value in values.items() if value is not None},
            **self.confidence.as_dict(),
            "seconds": self.seconds,
            "questions_per_second": self.total / self.seconds,
        }


def choose_passages(
    dataset: SquadDataset, count: int, *, limit: int | None = None, seed: int = 0
) -> list[PassageCase]:
    """Mix the paragraph of each question with others of its article.

    A question's passages depend on the seed and on the question, not on the sample.

    Args:
        dataset: questions; those without an answer, or of an article with too few paragraphs, are skipped.
        count: number of passages per question, its own included.
        limit: size of a random sample of the questions; None: all.
        seed: seed of the choice of passages, their order and the sample.

    Raises:
        ValueError: ``count`` is less than 2, or no question is left.
    """
    if count < 2:
        raise ValueError(f"passages is {count}; expected at least 2")
    eligible = [
        question
        for question in dataset.questions
        if question.answers and len(dataset.articles.get(question.article, ())) >= count
    ]
    if not eligible:
        raise ValueError(
            f"no question has an answer and an article of at least {count} paragraphs; expected a SQuAD file "
            "with whole articles"
        )
    return [_case(dataset, question, count, seed) for question in _sample(eligible, limit, seed)]


def _case(dataset: SquadDataset, question: Question, count: int, seed: int) -> PassageCase:
    generator = question_generator(question, seed)
    others = [text for text in dataset.articles[question.article] if text != question.context]
    chosen = [others[index] for index in generator.choice(len(others), count - 1, replace=False)]
    right = int(generator.integers(count))
    passages = (*chosen[:right], question.context, *chosen[right:])
    return PassageCase(question=question, passages=passages, right=right)


def question_generator(question: Question, seed: int) -> np.random.Generator:
    """Make a random generator that depends only on the seed and the question's id."""
    return np.random.default_rng([seed, zlib.crc32(question.id.encode())])


def holds_reference(text: str, question: Question) -> bool:
    """Return True if a normalised text contains a normalised reference answer."""
    words = f" {normalize(text)} "
    found = (normalize(answer) for answer in question.answers)
    return any(answer and f" {answer} " in words for answer in found)


def evaluate_passages(
    reader: Reader,
    dataset: SquadDataset,
    *,
    passages: int,
    limit: int | None = None,
    seed: int = 0,
    on_step: OnStep = ignore_step,
) -> RetrievalScores:
    """Ask each question about several passages of its article, and score the best answer.

    Args:
        reader: reader to evaluate; its threshold is not used.
        dataset: see `choose_passages`.
        passages: see `choose_passages`.
        limit: see `choose_passages`.
        seed: see `choose_passages`.
        on_step: called with the number of answered and of all questions.

    Raises:
        ValueError: see `choose_passages`; or the reader has a first model and decodes in mode ``hf``, in
            which `Reader.search` does not rank.
    """
    cases = choose_passages(dataset, passages, limit=limit, seed=seed)
    began = time.perf_counter()
    rejected: dict[str, str] = {}
    best = list(_best_of_passages(reader, cases, rejected, on_step))
    seconds = time.perf_counter() - began
    found = [place == case.right for case, (place, _) in zip(cases, best, strict=True)]
    others = [
        holds_reference(text, case.question)
        for case in cases
        for place, text in enumerate(case.passages)
        if place != case.right
    ]
    questions = [case.question for case in cases]
    scores = _scores(dataset, questions, [answer for _, answer in best], found, seconds)
    return replace(
        scores,
        passages=passages,
        right_passage=100 * float(np.mean(found)),
        reference_elsewhere=100 * float(np.mean(others)),
        rejected=rejected,
    )


def evaluate_articles(
    reader: Reader,
    dataset: SquadDataset,
    *,
    limit: int | None = None,
    seed: int = 0,
    on_step: OnStep = ignore_step,
) -> RetrievalScores:
    """Ask each question about its whole article, with paragraphs joined by empty lines.

    Args:
        reader: reader to evaluate; its threshold is not used.
        dataset: questions; those without an answer are skipped.
        limit: size of a random sample of the questions; None: all.
        seed: seed of the sample.
        on_step: called with the number of answered and of all questions.

    Raises:
        ValueError: no question has an answer and an article.
    """
    eligible = [each for each in dataset.questions if each.answers and each.article in dataset.articles]
    if not eligible:
        raise ValueError("no question has an answer and an article; expected a SQuAD file")
    questions = _sample(eligible, limit, seed)
    on_step(0, len(questions))
    answers = []
    rejected: dict[str, str] = {}
    began = time.perf_counter()
    texts = {title: BETWEEN_PARAGRAPHS.join(paragraphs) for title, paragraphs in dataset.articles.items()}
    documents = _Documents(reader)
    pairs = ((question.question, documents[texts[question.article]]) for question in questions)
    stream = reader.stream(pairs, threshold=None, errors="return")
    for question, result in zip(questions, stream, strict=True):
        if isinstance(result, Failure):
            rejected[question.id] = result.reason
        answers.append(_best(result))
        on_step(len(answers), len(questions))
    seconds = time.perf_counter() - began
    scores = _scores(dataset, questions, answers, [True] * len(questions), seconds)
    return replace(scores, rejected=rejected)


def _best_of_passages(
    reader: Reader, cases: Sequence[PassageCase], rejected: dict[str, str], on_step: OnStep
) -> Iterator[tuple[int, Answer]]:
    """Yield the best answer to each question, with the index of its passage.

    A question that cannot be asked is put into ``rejected``. The ranking is that of `Reader.search`, but the
    passages of all questions are asked in one stream, unless the reader has a first model, which chooses
    among all passages of a question.
    """
    if reader.first is not None:
        yield from _found_in_passages(reader, cases, rejected, on_step)
        return
    documents = _Documents(reader)
    pairs = ((case.question.question, documents[text]) for case in cases for text in case.passages)
    results = reader.stream(pairs, threshold=None, errors="return")
    on_step(0, len(cases))
    for done, case in enumerate(cases, 1):
        own = list(islice(results, len(case.passages)))
        failures = [result for result in own if isinstance(result, Failure)]
        if len(failures) == len(own):
            rejected[case.question.id] = failures[0].reason
        found = [_best(result) for result in own]
        place = max(range(len(found)), key=lambda index: found[index].margin)
        yield place, found[place]
        on_step(done, len(cases))


def _found_in_passages(
    reader: Reader, cases: Sequence[PassageCase], rejected: dict[str, str], on_step: OnStep
) -> Iterator[tuple[int, Answer]]:
    """Search the passages of each question on their own; otherwise as `_best_of_passages`."""
    if reader.decode_config.mode == "hf":
        raise ValueError("passages are ranked by their margins, which mode 'hf' does not rank by")
    documents = _Documents(reader)
    on_step(0, len(cases))
    for done, case in enumerate(cases, 1):
        try:
            found = reader.search(
                case.question.question, [documents[text] for text in case.passages], top_k=1, threshold=None
            )
        except ValueError as error:
            rejected[case.question.id] = str(error)
            yield -1, NOTHING
        else:
            yield (found[0].passage, found[0]) if found else (-1, NOTHING)
        on_step(done, len(cases))


def _best(result: list[Answer] | Failure) -> Answer:
    """Return the best span; like `Reader.search`, no null answer, whose margin would beat some."""
    return NOTHING if isinstance(result, Failure) or result[0].is_null else result[0]


class _Documents(dict[str, Document | str]):
    """Prepare each text when it comes for the first time."""

    def __init__(self, reader: Reader) -> None:
        super().__init__()
        self._reader = reader

    def __missing__(self, text: str) -> Document | str:
        try:
            return self.setdefault(text, self._reader.prepare(text))
        except ValueError:
            return text  # so that the question fails and no other


def _sample(questions: list[Question], limit: int | None, seed: int) -> list[Question]:
    """Sample questions, and keep their order."""
    if limit is not None and limit < 1:
        raise ValueError(f"limit is {limit}; expected at least 1")
    if limit is None or limit >= len(questions):
        return questions
    chosen = np.random.default_rng(seed).choice(len(questions), limit, replace=False)
    return [questions[index] for index in sorted(chosen)]


def _scores(
    dataset: SquadDataset,
    questions: Sequence[Question],
    answers: Sequence[Answer],
    from_right_passage: Sequence[bool],
    seconds: float,
) -> RetrievalScores:
    graded = [
        grade(answer.text, question, dataset.version)
        for question, answer in zip(questions, answers, strict=True)
    ]
    found = np.asarray(from_right_passage, np.float64)
    exact, f1 = (np.array([each[index] for each in graded]) for index in range(2))
    confidence = assess(
        confidence=[0.0 if answer.is_null else answer.score for answer in answers],
        exact=exact * found,
        f1=f1 * found,
        no_answer=[answer.no_answer for answer in answers],
        answerable=np.ones(len(questions), np.bool_),
    )
    return RetrievalScores(
        total=len(questions),
        exact=100 * float(exact.mean()),
        f1=100 * float(f1.mean()),
        confidence=confidence,
        seconds=seconds,
    )
