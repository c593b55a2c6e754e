"""Read SQuAD's JSON, v1.1 and v2.0, to answer its questions or to evaluate a reader.

SQuAD v1.1: Rajpurkar et al. 2016, arXiv 1606.05250. SQuAD v2.0: Rajpurkar et al. 2018, arXiv 1806.03822.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from spanjet.files.datasets.dataset import Question, SquadDataset, Version
from spanjet.files.datasets.json_node import LayoutError, Node, parse_json
from spanjet.files.datasets.mrqa import load_mrqa, read_content, read_lines
from spanjet.files.jsonl import is_json_lines
from spanjet.files.record import Columns, Record, Rejected, read_id, read_record, read_text
from spanjet.storage import check_readable

__all__ = ["SquadJson", "load_squad"]


def load_squad(path: str | PathLike[str], *, check_texts: bool = True) -> SquadDataset:
    """Read a SQuAD v1.1 or v2.0 file, the same in rows, or one of MRQA's JSON Lines.

    Rows are those of Hugging Face's datasets, with ``id``, ``title``, ``question``, ``context`` and
    ``answers``: in JSON Lines, in an array, or in ``{"data": [...]}``. Files may be compressed
    (``.gz``). The version is 2.0 if a question says ``is_impossible`` or has no answers.

    Args:
        path: the file.
        check_texts: whether a question or context that shows nothing, or holds lone surrogates, is refused;
            `evaluate` counts such questions as not answered.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is a pipe, is not JSON, or is laid out otherwise; the message names the place.
    """
    path = Path(path)
    check_readable(path)
    if not is_json_lines(path):
        return SquadJson(path, Columns()).dataset(check_texts=check_texts)
    try:
        first = next(read_lines(path), None)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if first is None or "question" not in first.value or "qas" in first.value:
        return load_mrqa(path, check_texts=check_texts)
    return _collect(path, (_read_example(line, check_texts=check_texts) for line in read_lines(path)))


@dataclass(frozen=True, slots=True)
class SquadJson:
    """The questions of a SQuAD file, or of one with an array of rows; it is loaded whole.

    Answers are a list of objects with ``text``, or an object with a list ``text`` as in Hugging Face's
    datasets, or missing. Ids and titles may be missing.

    As an input of a job, a question or paragraph with another layout is rejected; such a paragraph counts as
    one row.

    Attributes:
        path: the file.
        columns: names in the rows of an array; articles have their own.

    Raises:
        ValueError: when iterated: the file is not JSON, an article is not laid out as in SQuAD, or there are
            articles and ``columns`` says that the input has no contexts.
    """

    path: Path
    columns: Columns

    def count(self) -> int:
        """Return the number of rows."""
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[Record | Rejected]:
        """Read the rows, in the order of the file."""
        try:
            yield from self._rows()
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from None

    def dataset(self, *, check_texts: bool = True) -> SquadDataset:
        """Return the questions with their reference answers (see `load_squad`).

        An integer id becomes a string; a missing id becomes the question's location in the file.

        Raises:
            OSError: the file cannot be read.
            ValueError: the file is laid out otherwise; a question without ``answers`` does not say
                ``is_impossible``; an id is there twice; or there are no questions. The message names the
                place.
        """
        return _collect(self.path, self._paragraphs(check_texts=check_texts))

    def _rows(self) -> Iterator[Record | Rejected]:
        row = 0
        for item in self._items():
            if self._is_row(item):
                yield self._read_row(row, item)
                row += 1
                continue
            if self.columns.context is None:
                raise ValueError("the questions of a SQuAD file have their own contexts")
            for paragraph in _read_article(item, check_texts=True):
                for entry in paragraph.entries:
                    if isinstance(entry, LayoutError):
                        yield Rejected(row, entry.place, entry.reason)
                    else:
                        yield Record(row, entry.node.place, entry.id, entry.question, paragraph.context)
                    row += 1

    def _paragraphs(self, *, check_texts: bool) -> Iterator["_Paragraph"]:
        for item in self._items():
            if self._is_row(item):
                yield _read_example(item, check_texts=check_texts)
            else:
                yield from _read_article(item, check_texts=check_texts)

    def _items(self) -> Iterator[Node]:
        """Read the articles or rows."""
        root = Node(parse_json(read_content(self.path)))
        if isinstance(root.value, list):
            yield from root.elements()
        elif isinstance(root.value, dict) and "data" not in root.value and self._is_row(root):
            yield root
        else:
            yield from root.items("data")

    def _is_row(self, item: Node) -> bool:
        """Tell a row from an article; others of an array are rows, in ``data`` those that look like it."""
        keys = item.value if isinstance(item.value, dict) else {}
        if "paragraphs" in keys:
            return False
        in_array = item.place.startswith("[")
        return in_array or any(name in keys for name in ("question", "context", self.columns.question))

    def _read_row(self, row: int, item: Node) -> Record | Rejected:
        try:
            return read_record(row, item.place, item.expect(dict), self.columns)
        except LayoutError as error:
            return Rejected(row, error.place, error.reason)


@dataclass(frozen=True, slots=True)
class _Paragraph:
    """Paragraph with its article's title or location, and its questions or their errors."""

    article: str
    context: str
    entries: list["_Entry | LayoutError"]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A question; ``id`` is None where the file has none."""

    node: Node
    id: str | int | None
    question: str


def _read_article(node: Node, *, check_texts: bool) -> Iterator[_Paragraph]:
    title = read_id(node.expect(dict).get("title"))
    for paragraph in node.items("paragraphs"):
        article = node.place if title in (None, "") else str(title)
        yield _read_paragraph(paragraph, article, check_texts=check_texts)


def _read_paragraph(node: Node, article: str, *, check_texts: bool) -> _Paragraph:
    try:
        context, questions = read_text(node, "context", check=check_texts), node.items("qas")
    except LayoutError as error:
        return _Paragraph(article, "", [error])
    return _Paragraph(
        article, context, [_read_entry(question, check_texts=check_texts) for question in questions]
    )


def _read_example(node: Node, *, check_texts: bool) -> _Paragraph:
    """Read a row as a paragraph with one question; without a title it is of no article."""
    title = read_id(node.expect(dict).get("title"))
    context = read_text(node, "context", check=check_texts)
    return _Paragraph(
        "" if title is None else str(title), context, [_read_entry(node, check_texts=check_texts)]
    )


def _read_entry(node: Node, *, check_texts: bool) -> _Entry | LayoutError:
    try:
        question = read_text(node, "question", check=check_texts)
    except LayoutError as error:
        return error
    return _Entry(node, read_id(node.value.get("id")), question)


def _collect(path: Path, paragraphs: Iterable[_Paragraph]) -> SquadDataset:
    """Gather the questions of paragraphs, the paragraphs of articles, and the version."""
    questions: list[Question] = []
    articles: dict[str, dict[str, None]] = {}  # keeps the order and each paragraph once
    places: dict[str, str] = {}
    version: Version = "1.1"
    try:
        for paragraph in paragraphs:
            if paragraph.article:
                articles.setdefault(paragraph.article, {})[paragraph.context] = None
            for entry in paragraph.entries:
                if isinstance(entry, LayoutError):
                    raise entry
                question = _question(paragraph, entry)
                first = places.setdefault(question.id, entry.node.place)
                if first != entry.node.place:
                    raise LayoutError(f"{entry.node.place}.id", f"{question.id!r} is also at {first}")
                if "is_impossible" in entry.node.value or not question.answers:
                    version = "2.0"
                questions.append(question)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if not questions:
        raise ValueError(f"{path}: holds no questions")
    texts = {title: tuple(paragraphs) for title, paragraphs in articles.items()}
    return SquadDataset(version=version, questions=tuple(questions), articles=texts)


def _question(paragraph: _Paragraph, entry: _Entry) -> Question:
    return Question(
        id=entry.node.place if entry.id is None else str(entry.id),
        question=entry.question,
        context=paragraph.context,
        answers=_read_answers(entry.node),
        article=paragraph.article,
    )


def _read_answers(node: Node) -> tuple[str, ...]:
    answers = node.get("answers")
    if answers is None:
        if node.value.get("is_impossible") is not True:
            raise LayoutError(node.place, "key 'answers' is missing")
        return ()
    columns = isinstance(answers.value, dict)
    texts = answers.items("text") if columns else (answer.child("text") for answer in answers.elements())
    return tuple(str(text.expect(str)) for text in texts)
