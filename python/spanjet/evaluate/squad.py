"""SQuAD: its files, and exact match and F1 as the official scripts compute them.

SQuAD v1.1: Rajpurkar et al. 2016, arXiv 1606.05250. SQuAD v2.0: Rajpurkar et al. 2018, arXiv 1806.03822.
Scores equal those of the data set's evaluate-v1.1 and evaluate-v2.0 scripts.
"""

import json
import re
import string
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from spanjet.reader import Reader

__all__ = ["Evaluation", "Question", "Scores", "Split", "SquadDataset", "evaluate", "load_squad", "score"]

ARTICLES = re.compile(r"\b(a|an|the)\b")
WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """A question of the data set.

    Attributes:
        id: its name, unique in the data set.
        question: its text.
        context: the paragraph it is about.
        answers: texts that count as right; none for a question without an answer (v2.0).
    """

    id: str
    question: str
    context: str
    answers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SquadDataset:
    """The questions of one file, in its order.

    Attributes:
        version: ``"2.0"`` where questions may have no answer, else ``"1.1"``.
        questions: all questions.
    """

    version: Literal["1.1", "2.0"]
    questions: tuple[Question, ...]

    def __len__(self) -> int:
        return len(self.questions)


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """Scores of a part of the questions, in percent."""

    exact_match: float
    f1: float
    total: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """Scores of predictions, in percent.

    Attributes:
        exact_match: share of predictions equal to a right answer after normalisation.
        f1: mean overlap in words with the best right answer.
        total: questions that count.
        has_answer, no_answer: v2.0: questions with and without an answer; None: there are none.
        best_exact_match, best_exact_match_threshold, best_f1, best_f1_threshold: v2.0: the scores at
            the null threshold that is best for these very questions, and that threshold.
    """

    exact_match: float
    f1: float
    total: int
    has_answer: Split | None = None
    no_answer: Split | None = None
    best_exact_match: float | None = None
    best_exact_match_threshold: float | None = None
    best_f1: float | None = None
    best_f1_threshold: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """What a reader made of a data set.

    Attributes:
        scores: exact match and F1.
        predictions: answer of each question by its id; "" is the null answer.
        spans: the best answer of each question by its id, the null answer left aside.
        null_odds: null score minus the best answer's score, of each question by its id.
        seconds: wall time from texts to answers, scoring not included.
    """

    scores: Scores
    predictions: dict[str, str]
    spans: dict[str, str]
    null_odds: dict[str, float]
    seconds: float

    @property
    def questions_per_second(self) -> float:
        """Questions answered in a second."""
        return len(self.predictions) / self.seconds


def load_squad(path: str | PathLike[str]) -> SquadDataset:
    """Read a SQuAD v1.1 or v2.0 file.

    The layout is v2.0 if a question says ``is_impossible`` or has no answers.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not JSON, or not laid out as SQuAD; the message names the place.
    """
    path = Path(path)
    try:
        root = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: not a JSON file: {error}") from None
    try:
        dataset = _parse(_Node(root, "the file"))
    except _LayoutError as error:
        raise ValueError(f"{path}: {error}") from None
    if not dataset.questions:
        raise ValueError(f"{path}: holds no questions")
    return dataset


def score(
    dataset: SquadDataset, predictions: Mapping[str, str], null_odds: Mapping[str, float] | None = None
) -> Scores:
    """Exact match and F1 of predictions.

    As in the official scripts, a question without a prediction counts as wrong in v1.1 and does not
    count in v2.0.

    Args:
        dataset: questions and right answers.
        predictions: answer of each question by its id; "" is the null answer.
        null_odds: of each question by its id, the greater the likelier it has no answer; if given and
            the data set is v2.0, the best thresholds are searched.

    Raises:
        ValueError: no question of the data set has a prediction.
    """
    exact: dict[str, float] = {}
    f1: dict[str, float] = {}
    for question in dataset.questions:
        prediction = predictions.get(question.id)
        if prediction is not None:
            answers = _gold(question, dataset.version)
            exact[question.id] = max(_exact_match(prediction, answer) for answer in answers)
            f1[question.id] = max(_f1(prediction, answer, dataset.version) for answer in answers)
    if not exact:
        raise ValueError("no question of the data set has a prediction")
    if dataset.version == "1.1":
        whole = _split(exact, f1, [question.id for question in dataset.questions])
        return Scores(exact_match=whole.exact_match, f1=whole.f1, total=whole.total)

    whole = _split(exact, f1, exact)
    answerable = {question.id: bool(question.answers) for question in dataset.questions}
    best: dict[str, float] = {}
    if null_odds is not None:
        for name, values in (("best_exact_match", exact), ("best_f1", f1)):
            best[name], best[f"{name}_threshold"] = _best_threshold(
                values, predictions, null_odds, answerable
            )
    return Scores(
        exact_match=whole.exact_match,
        f1=whole.f1,
        total=whole.total,
        has_answer=_split_or_none(exact, f1, [key for key in exact if answerable[key]]),
        no_answer=_split_or_none(exact, f1, [key for key in exact if not answerable[key]]),
        **best,
    )


def evaluate(
    reader: "Reader",
    dataset: SquadDataset,
    *,
    progress: Callable[[int, int], None] | None = None,
    limit: int | None = None,
) -> Evaluation:
    """Answer the questions of a data set and score the answers.

    Args:
        reader: what answers.
        dataset: what is asked.
        progress: called with the numbers of answered and of all questions.
        limit: only this many questions, the first ones; default: all.

    Raises:
        ValueError: ``limit`` is less than 1.
    """
    if limit is not None:
        if limit < 1:
            raise ValueError(f"limit is {limit}; expected at least 1")
        dataset = SquadDataset(version=dataset.version, questions=dataset.questions[:limit])
    if progress is not None:
        progress(0, len(dataset))
    predictions: dict[str, str] = {}
    spans: dict[str, str] = {}
    null_odds: dict[str, float] = {}
    began = time.perf_counter()
    pairs = ((question.question, question.context) for question in dataset.questions)
    # With a threshold the null answer may come first; the best answer is then the second.
    top_k = 1 if reader.threshold is None else 2
    for question, answers in zip(dataset.questions, reader.stream(pairs, top_k=top_k), strict=True):
        predictions[question.id] = answers[0].text
        best = next((answer for answer in answers if not answer.is_null), answers[0])
        spans[question.id] = best.text
        null_odds[question.id] = best.no_answer
        if progress is not None:
            progress(len(predictions), len(dataset))
    seconds = time.perf_counter() - began
    scores = score(dataset, predictions)
    # The best thresholds do not depend on the reader's own one.
    thresholds = _best_fields(score(dataset, spans, null_odds))
    return Evaluation(
        scores=replace(scores, **thresholds),
        predictions=predictions,
        spans=spans,
        null_odds=null_odds,
        seconds=seconds,
    )


def _best_fields(scores: Scores) -> dict[str, Any]:
    names = [field.name for field in fields(scores) if field.name.startswith("best_")]
    return {name: getattr(scores, name) for name in names}


class _LayoutError(ValueError):
    """A place of the file that is not as SQuAD has it."""


@dataclass(frozen=True)
class _Node:
    """A JSON value and its place in the file."""

    value: Any
    place: str

    def expect(self, kind: type, name: str) -> Any:
        if not isinstance(self.value, kind):
            found = "null" if self.value is None else type(self.value).__name__
            raise _LayoutError(f"{self.place}: expected {name}, found {found}")
        return self.value

    def child(self, key: str) -> "_Node":
        if key not in self.expect(dict, "an object"):
            raise _LayoutError(f"{self.place}: key {key!r} is missing")
        place = key if self.place == "the file" else f"{self.place}.{key}"
        return _Node(self.value[key], place)

    def items(self, key: str) -> Iterable["_Node"]:
        node = self.child(key)
        values = node.expect(list, "an array")
        return (_Node(value, f"{node.place}[{index}]") for index, value in enumerate(values))

    def text(self, key: str) -> str:
        node = self.child(key)
        return str(node.expect(str, "a string"))


def _parse(root: _Node) -> SquadDataset:
    questions: list[Question] = []
    places: dict[str, str] = {}
    version: Literal["1.1", "2.0"] = "1.1"
    for article in root.items("data"):
        for paragraph in article.items("paragraphs"):
            context = paragraph.text("context")
            for node in paragraph.items("qas"):
                answers = tuple(answer.text("text") for answer in node.items("answers"))
                impossible = "is_impossible" in node.value
                if impossible or not answers:
                    version = "2.0"
                question = Question(
                    id=node.text("id"), question=node.text("question"), context=context, answers=answers
                )
                if question.id in places:
                    raise _LayoutError(f"{node.place}.id: {question.id!r} is also at {places[question.id]}")
                places[question.id] = node.place
                questions.append(question)
    return SquadDataset(version=version, questions=tuple(questions))


def _normalize(text: str) -> str:
    """Lower-cased, without punctuation and articles, single spaces."""
    return " ".join(ARTICLES.sub(" ", text.lower().translate(WITHOUT_PUNCTUATION)).split())


def _gold(question: Question, version: str) -> tuple[str, ...]:
    if version == "1.1":
        return question.answers
    return tuple(answer for answer in question.answers if _normalize(answer)) or ("",)


def _exact_match(prediction: str, answer: str) -> float:
    return float(_normalize(prediction) == _normalize(answer))


def _f1(prediction: str, answer: str, version: str) -> float:
    predicted = _normalize(prediction).split()
    expected = _normalize(answer).split()
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
    null_odds: Mapping[str, float],
    answerable: Mapping[str, bool],
) -> tuple[float, float]:
    """The best score in percent that a null threshold can reach, and that threshold.

    Starts with every question unanswered and answers them one by one, least null odds first.
    """
    best, threshold = float(sum(not has_answer for has_answer in answerable.values())), 0.0
    current = best
    for key in sorted((key for key in null_odds if key in values), key=null_odds.__getitem__):
        if answerable[key]:
            current += values[key]
        elif predictions[key]:
            current -= 1
        if current > best:
            best, threshold = current, null_odds[key]
    return 100 * best / len(values), threshold
