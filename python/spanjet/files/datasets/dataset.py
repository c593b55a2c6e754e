"""Define data sets of questions with reference answers, and the paragraphs of their articles."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Literal

from spanjet.files.datasets.json_node import Node, parse_json

__all__ = ["Question", "SquadDataset", "Version", "load_titles"]

Version = Literal["1.1", "2.0"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """Question of a data set.

    Attributes:
        id: identifier, unique in the data set.
        question: text of the question.
        context: paragraph that the question is about.
        answers: reference answers; empty for a question without an answer (v2.0).
        article: title of the paragraph's article; "" if the file has none.
    """

    id: str
    question: str
    context: str
    answers: tuple[str, ...]
    article: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class SquadDataset:
    """Questions of one file, in order.

    Attributes:
        version: ``"2.0"`` if questions may have no answer, else ``"1.1"``.
        questions: all questions.
        articles: distinct paragraphs of each article by its title, in order, including those without
            questions; empty if the file has no articles.
    """

    version: Version
    questions: tuple[Question, ...]
    articles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.questions)

    def of_articles(self, titles: Iterable[str]) -> "SquadDataset":
        """Select the questions of some articles.

        Raises:
            ValueError: an article is not in the file.
        """
        titles = set(titles)
        missing = sorted(titles - self.articles.keys())
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise ValueError(
                f"article {missing[0]!r}{more}: not in the data; expected titles of its articles"
            )
        questions = tuple(question for question in self.questions if question.article in titles)
        articles = {title: paragraphs for title, paragraphs in self.articles.items() if title in titles}
        return replace(self, questions=questions, articles=articles)


def load_titles(path: str | PathLike[str]) -> tuple[str, ...]:
    """Read a list of article titles, ``{"titles": [...]}``.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is not JSON, or not such an object.
    """
    path = Path(path)
    try:
        nodes = Node(parse_json(path.read_bytes())).items("titles")
        titles = tuple(str(node.expect(str)) for node in nodes)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if not titles:
        raise ValueError(f"{path}: titles: expected at least one title, found none")
    return titles
