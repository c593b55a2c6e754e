"""SQuAD's JSON as an input: paragraphs with their questions (Rajpurkar et al. 2016, arXiv 1606.05250)."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spanjet.files.record import Columns, Record, Rejected, read_record

__all__ = ["SquadFile"]

_COLUMNS = Columns(id_required=True)


@dataclass(frozen=True, slots=True)
class SquadFile:
    """The questions of a SQuAD file, v1.1 or v2.0; their answers are not needed. It is loaded whole.

    A question or paragraph that is not as it should be is rejected; a paragraph counts as one row then.

    Attributes:
        path: the file.

    Raises:
        ValueError: when iterated: the file is not JSON, or has no ``data`` with ``paragraphs``.
    """

    path: Path

    def count(self) -> int:
        """The number of rows."""
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[Record | Rejected]:
        """The rows, in the order of the file."""
        row = 0
        for place, paragraph in self._paragraphs():
            context = paragraph.get("context") if isinstance(paragraph, dict) else None
            questions = paragraph.get("qas") if isinstance(paragraph, dict) else None
            if not isinstance(questions, list):
                yield Rejected(row, place, "expected an object with 'context' and an array 'qas'")
                row += 1
                continue
            for index, question in enumerate(questions):
                where = f"{place}.qas[{index}]"
                if isinstance(question, dict):
                    yield read_record(row, where, {**question, "context": context}, _COLUMNS)
                else:
                    yield Rejected(row, where, "expected an object with 'id' and 'question'")
                row += 1

    def _paragraphs(self) -> Iterator[tuple[str, Any]]:
        try:
            root = json.loads(self.path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{self.path}: not a JSON file: {error}") from None
        articles = root.get("data") if isinstance(root, dict) else None
        if not isinstance(articles, list):
            raise ValueError(f"{self.path}: not laid out as SQuAD: expected an object with an array 'data'")
        for index, article in enumerate(articles):
            paragraphs = article.get("paragraphs") if isinstance(article, dict) else None
            if not isinstance(paragraphs, list):
                raise ValueError(f"{self.path}: data[{index}]: expected an object with an array 'paragraphs'")
            for number, paragraph in enumerate(paragraphs):
                yield f"data[{index}].paragraphs[{number}]", paragraph
