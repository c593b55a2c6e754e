"""What a reader is asked about and what it returns."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import numpy as np

from spanjet import _core

__all__ = ["Answer", "Document", "Failure", "answers_of"]


@dataclass(frozen=True, slots=True)
class Answer:
    """A span of the context that answers the question: ``context[start:end] == text``, always.

    Attributes:
        text: the span; "" for the null answer.
        start, end: first code point and the one after the last.
        byte_start, byte_end: the same in bytes of the context's UTF-8.
        score: start logit plus end logit; comparable between answers of one model.
        probability: share of the question's softmax (see `spanjet.decode`), 0 to 1.
        null_score: score of the null answer to the same question, whatever this answer is.
    """

    text: str
    start: int
    end: int
    byte_start: int
    byte_end: int
    score: float
    probability: float
    null_score: float

    @property
    def is_null(self) -> bool:
        """Whether this is the null answer: the context does not answer the question."""
        return self.end == 0

    def as_dict(self) -> dict[str, Any]:
        """The attributes by name, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Document:
    """A context that is tokenized once and can be asked often; made by `Reader.prepare`.

    Attributes:
        text: the context.
        encoding: its tokens, of the reader's own tokenizer.
    """

    text: str
    encoding: _core.Encoding

    def __len__(self) -> int:
        """Number of tokens."""
        return len(self.encoding)

    def __repr__(self) -> str:
        head = self.text if len(self.text) <= 40 else f"{self.text[:39]}…"
        return f"Document({head!r}, {len(self)} tokens)"


@dataclass(frozen=True, slots=True)
class Failure:
    """In place of the answers to a pair that cannot be answered (see `Reader.stream`).

    Attributes:
        index: the pair's place in the whole run, from 0.
        error: why; a ValueError or TypeError whose message begins with ``pair <index>:``.
    """

    index: int
    error: Exception


def answers_of(contexts: Sequence[str | Document], spans: _core.Spans) -> list[list[Answer]]:
    """The spans as answers, in lists of one question each."""
    counts = np.diff(spans.indptr)
    columns = (spans.start, spans.end, spans.byte_start, spans.byte_end, spans.score, spans.probability)
    null_scores = np.repeat(spans.null_score, counts)
    rows = zip(*(column.tolist() for column in (*columns, null_scores)), strict=True)
    nulls = zip(spans.null_score.tolist(), spans.null_probability.tolist(), strict=True)
    answers = []
    for context, count, (score, probability) in zip(contexts, counts.tolist(), nulls, strict=True):
        text = context.text if isinstance(context, Document) else context
        found = [Answer(text[row[0] : row[1]], *row) for row in islice(rows, count)]
        # In squad mode the n_best starts and ends may form no span.
        answers.append(found or [Answer("", 0, 0, 0, 0, score, probability, score)])
    return answers
