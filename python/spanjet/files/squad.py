"""Read SQuAD files, v1.1 and v2.0, and MRQA's by their name.

SQuAD v1.1: Rajpurkar et al. 2016, arXiv 1606.05250. SQuAD v2.0: Rajpurkar et al. 2018, arXiv 1806.03822.
"""

import json
from os import PathLike
from pathlib import Path

from spanjet.files.dataset import LayoutError, Node, Question, SquadDataset
from spanjet.files.mrqa import is_mrqa, load_mrqa

__all__ = ["load_squad"]


def load_squad(path: str | PathLike[str]) -> SquadDataset:
    """Read a SQuAD v1.1 or v2.0 file, or one of MRQA's JSON Lines (``.jsonl``, ``.jsonl.gz``).

    The version is 2.0 if a question says ``is_impossible`` or has no answers.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not JSON, or not laid out as SQuAD or MRQA; the message names the place.
    """
    path = Path(path)
    if is_mrqa(path):
        return load_mrqa(path)
    try:
        root = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:  # nested too deeply
        raise ValueError(f"{path}: not a JSON file: {error}") from None
    try:
        dataset = _parse(Node(root, "the file"))
    except LayoutError as error:
        raise ValueError(f"{path}: {error}") from None
    if not dataset.questions:
        raise ValueError(f"{path}: holds no questions")
    return dataset


def _parse(root: Node) -> SquadDataset:
    questions: list[Question] = []
    places: dict[str, str] = {}
    articles: dict[str, dict[str, None]] = {}  # keeps the order and each paragraph once
    has_impossible = False
    for article in root.items("data"):
        title = _title(article)
        paragraphs = articles.setdefault(title, {})
        for paragraph in article.items("paragraphs"):
            context = paragraph.text("context")
            paragraphs[context] = None
            for node in paragraph.items("qas"):
                question = _question(node, context, title)
                has_impossible |= "is_impossible" in node.value or not question.answers
                if question.id in places:
                    raise LayoutError(f"{node.place}.id: {question.id!r} is also at {places[question.id]}")
                places[question.id] = node.place
                questions.append(question)
    return SquadDataset(
        version="2.0" if has_impossible else "1.1",
        questions=tuple(questions),
        articles={title: tuple(paragraphs) for title, paragraphs in articles.items()},
    )


def _title(article: Node) -> str:
    """The article's title; its place in the file where it has none, which tells it from others."""
    return article.text("title") if "title" in article.expect(dict, "an object") else article.place


def _question(node: Node, context: str, title: str) -> Question:
    answers = tuple(answer.text("text") for answer in node.items("answers"))
    return Question(
        id=node.text("id"), question=node.text("question"), context=context, answers=answers, article=title
    )
