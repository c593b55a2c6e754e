"""Read SQuAD's JSON, v1.1 and v2.0, to answer its questions or to evaluate a reader.

SQuAD v1.1: Rajpurkar et al. 2016, arXiv 1606.05250. SQuAD v2.0: Rajpurkar et al. 2018, arXiv 1806.03822.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

from spanjet.files.datasets.dataset import Question, SquadDataset, Version
from spanjet.files.datasets.json_node import LayoutError, Node, parse_json
from spanjet.files.datasets.mrqa import is_mrqa, load_mrqa
from spanjet.files.record import Columns, Record, Rejected, check_id, check_text

__all__ = ["SquadJson", "load_squad"]

_T = TypeVar("_T")


def load_squad(path: str | PathLike[str]) -> SquadDataset:
    """Read a SQuAD v1.1 or v2.0 file, or one of MRQA's JSON Lines (``.jsonl``, ``.jsonl.gz``).

    The version is 2.0 if a question has ``is_impossible`` or no answers.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is not JSON, or not laid out as SQuAD or MRQA; the message names the location.
    """
    path = Path(path)
    return load_mrqa(path) if is_mrqa(path) else SquadJson(path, Columns()).dataset()


@dataclass(frozen=True, slots=True)
class SquadJson:
    """Rows of a SQuAD file, which is loaded into memory.

    Ids are strings, integers or missing, and unique. Answers are a list of objects with
    ``text``, or an object with a list ``text`` as in Hugging Face's datasets, or missing. The title of an
    article is a string, an integer or missing.

    As an input of a job, a question or paragraph with another layout is rejected; such a paragraph counts as
    one row.

    Attributes:
        path: the file.
        columns: ignored, as the file has its own keys, except for a missing context.

    Raises:
        ValueError: ``columns`` has no context; on iteration: the file is not JSON, or an article is not laid
            out as in SQuAD.
    """

    path: Path
    columns: Columns

    def __post_init__(self) -> None:
        if self.columns.context is None:
            raise ValueError(f"{self.path}: the questions of a SQuAD file have their own contexts")

    def count(self) -> int:
        """Return the number of rows."""
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[Record | Rejected]:
        """Read the rows, in the order of the file."""
        row = 0
        for paragraph in self._paragraphs():
            for entry in paragraph.entries:
                if isinstance(entry, LayoutError):
                    yield Rejected(row, entry.place, entry.reason)
                else:
                    yield Record(row, entry.place, entry.id, entry.question, paragraph.context)
                row += 1

    def dataset(self) -> SquadDataset:
        """Return the questions with their reference answers.

        An integer id becomes a string; a missing id becomes the question's location in the file.

        Raises:
            OSError: the file cannot be read.
            ValueError: the file is not laid out as SQuAD; a question has neither ``answers`` nor
                ``is_impossible``; or there are no questions. The message names the location.
        """
        questions: list[Question] = []
        articles: dict[str, dict[str, None]] = {}  # distinct paragraphs in order
        version: Version = "1.1"
        for paragraph in self._paragraphs():
            article = articles.setdefault(paragraph.article, {})
            for entry in paragraph.entries:
                if isinstance(entry, LayoutError):
                    raise ValueError(f"{self.path}: {entry}")
                if entry.answers is None:
                    raise ValueError(f"{self.path}: {entry.place}: key 'answers' is missing")
                if entry.may_be_impossible:
                    version = "2.0"
                questions.append(
                    Question(
                        id=entry.place if entry.id is None else str(entry.id),
                        question=entry.question,
                        context=paragraph.context,
                        answers=entry.answers,
                        article=paragraph.article,
                    )
                )
            article[paragraph.context] = None
        if not questions:
            raise ValueError(f"{self.path}: holds no questions")
        texts = {title: tuple(paragraphs) for title, paragraphs in articles.items()}
        return SquadDataset(version=version, questions=tuple(questions), articles=texts)

    def _paragraphs(self) -> Iterator["_Paragraph"]:
        places: dict[str, str] = {}
        try:
            for article in Node(parse_json(self.path.read_bytes())).items("data"):
                title = article.place if article.get("title") is None else _read(article, "title", check_id)
                for paragraph in article.items("paragraphs"):
                    yield _read_paragraph(paragraph, str(title), places)
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from None


@dataclass(frozen=True, slots=True)
class _Paragraph:
    """Paragraph with its article's title or location, and its questions or their errors."""

    article: str
    context: str
    entries: list["_Entry | LayoutError"]


@dataclass(frozen=True, slots=True)
class _Entry:
    """Question of a file; ``id`` and ``answers`` are None if the file has none."""

    place: str
    id: str | int | None
    question: str
    answers: tuple[str, ...] | None
    may_be_impossible: bool


def _read_paragraph(node: Node, article: str, places: dict[str, str]) -> _Paragraph:
    try:
        context, questions = _read(node, "context", check_text), node.items("qas")
    except LayoutError as error:
        return _Paragraph(article, "", [error])
    return _Paragraph(article, context, [_read_entry(question, places) for question in questions])


def _read_entry(node: Node, places: dict[str, str]) -> _Entry | LayoutError:
    """Read a question; ``places`` are the locations of the ids so far."""
    try:
        name = None if node.get("id") is None else _read(node, "id", check_id)
        first = node.place if name is None else places.setdefault(str(name), node.place)
        if first != node.place:
            raise LayoutError(f"{node.place}.id", f"{name!r} is also at {first}")
        question, answers = _read(node, "question", check_text), _read_answers(node)
    except LayoutError as error:
        return error
    return _Entry(node.place, name, question, answers, "is_impossible" in node.value or not answers)


def _read_answers(node: Node) -> tuple[str, ...] | None:
    answers = node.get("answers")
    if answers is None:
        return () if node.value.get("is_impossible") is True else None
    columns = isinstance(answers.value, dict)
    texts = answers.items("text") if columns else (answer.child("text") for answer in answers.elements())
    return tuple(str(text.expect(str)) for text in texts)


def _read(node: Node, key: str, check: Callable[[Any], _T]) -> _T:
    child = node.child(key)
    try:
        return check(child.value)
    except ValueError as error:
        raise LayoutError(child.place, str(error)) from None
