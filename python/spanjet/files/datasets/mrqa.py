"""Read MRQA's JSON Lines (Fisch et al. 2019, arXiv 1910.09753).

The first line is a header; each other line is a context with its questions.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

from spanjet.files.datasets.dataset import Question, SquadDataset
from spanjet.files.datasets.json_node import LayoutError, Node, parse_json
from spanjet.files.encoding import decode_text
from spanjet.files.record import read_id, read_text

__all__ = ["load_mrqa", "read_content", "read_lines"]


def load_mrqa(path: str | PathLike[str], *, check_texts: bool = True) -> SquadDataset:
    """Read an MRQA file, compressed where its name ends in ``.gz``.

    Reference answers are the texts of ``answers``, as in MRQA's own evaluation; if a question has none, those
    at the ``char_spans`` of its ``detected_answers``. The questions have no article.

    Args:
        path: the file.
        check_texts: see `load_squad`.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is not JSON or not laid out as MRQA; the message names the line.
    """
    path = Path(path)
    questions: dict[str, Question] = {}
    try:
        for line in read_lines(path):
            for question in _questions(line, check_texts=check_texts):
                if question.id in questions:
                    raise LayoutError(line.place, f"qid {question.id!r} is there a second time")
                questions[question.id] = question
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if not questions:
        raise ValueError(f"{path}: holds no questions")
    all_answerable = all(question.answers for question in questions.values())
    return SquadDataset(version="1.1" if all_answerable else "2.0", questions=tuple(questions.values()))


def read_lines(path: Path) -> Iterator[Node]:
    """Read the objects of JSON Lines, without MRQA's header and empty lines.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no text, or a line is no object; the message does not name the file.
    """
    for number, line in enumerate(io.StringIO(decode_text(read_content(path)), newline=None), 1):
        if not line.strip():
            continue
        try:
            node = Node(parse_json(line), f"line {number}")
        except ValueError as error:
            raise LayoutError(f"line {number}", str(error)) from None
        if "header" not in node.expect(dict):
            yield node


def read_content(path: Path) -> bytes:
    """Read a file, compressed where its name ends in ``.gz``.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not compressed, or damaged; the message does not name the file.
    """
    content = path.read_bytes()
    if path.suffix.lower() != ".gz":
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error):
        raise ValueError("not a gzip file, or a damaged one") from None


def _questions(line: Node, *, check_texts: bool) -> Iterator[Question]:
    context = read_text(line, "context", check=check_texts)
    for node in line.items("qas"):
        name = read_id(node.expect(dict).get("qid"))
        yield Question(
            id=node.place if name is None else str(name),
            question=read_text(node, "question", check=check_texts),
            context=context,
            answers=_answers(node, context),
        )


def _answers(node: Node, context: str) -> tuple[str, ...]:
    """Return the distinct reference answers."""
    if node.expect(dict).get("answers"):
        return tuple(dict.fromkeys(answer.expect(str) for answer in node.items("answers")))
    if "detected_answers" not in node.value:
        node.child("answers")  # says that it is missing
        return ()
    return tuple(dict.fromkeys(_detected(node, context)))


def _detected(node: Node, context: str) -> Iterator[str]:
    for answer in node.items("detected_answers"):
        for span in answer.items("char_spans"):
            bounds = span.expect(list)
            # Both ends are inclusive.
            whole = len(bounds) == 2 and all(isinstance(bound, int) for bound in bounds)
            if not whole or not 0 <= bounds[0] <= bounds[1] < len(context):
                raise LayoutError(
                    span.place,
                    f"{bounds}; expected first and last character of a span of the context, "
                    f"which has {len(context)}",
                )
            yield context[bounds[0] : bounds[1] + 1]
