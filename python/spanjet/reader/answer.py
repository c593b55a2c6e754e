"""Represent prepared documents, answers and failures."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, final

import numpy as np

from spanjet import _core
from spanjet.config import check_type

__all__ = ["Answer", "Document", "Failure", "answers_of"]


@dataclass(frozen=True, slots=True)
class Answer:
    """A span of the context that answers the question; ``context[start:end] == text`` always holds.

    Attributes:
        text: the span; "" for the null answer.
        start, end: first code point and the one after the last.
        byte_start, byte_end: the same in bytes of the context's UTF-8.
        score: the probability that this is the answer, 0 to 1, as far as the model is calibrated; the scores
            of a question's answers and ``no_answer`` add up to 1 at most. Of the null answer: ``no_answer``.
        logit: start logit plus end logit.
        null_logit: start plus end logit of ``[CLS]`` in the same window.
        no_answer: the probability that the context does not answer the question.
    """

    text: str
    start: int
    end: int
    byte_start: int
    byte_end: int
    score: float
    logit: float
    null_logit: float
    no_answer: float

    @property
    def is_null(self) -> bool:
        """True for the null answer: the context does not answer the question."""
        return self.end == 0

    @property
    def margin(self) -> float:
        """``logit - null_logit``, comparable between windows and between texts."""
        return self.logit - self.null_logit

    def as_dict(self) -> dict[str, Any]:
        """Return the attributes by name, ready for JSON."""
        return asdict(self)


@final
class Document:
    """A context that is tokenized once and can be asked often; made by `Reader.prepare`.

    Args:
        encoding: the tokens of the context, of the reader's own tokenizer; they keep its text.

    Attributes:
        text: the context.
        encoding: its tokens.

    Raises:
        TypeError: no `Encoding`.
    """

    __slots__ = ("_encoding", "_text")

    def __init__(self, encoding: _core.Encoding) -> None:
        self._encoding = check_type("encoding", encoding, _core.Encoding)
        self._text = encoding.text

    @property
    def text(self) -> str:
        """The context."""
        return self._text

    @property
    def encoding(self) -> _core.Encoding:
        """The tokens of the context."""
        return self._encoding

    def __len__(self) -> int:
        """Number of tokens."""
        return len(self._encoding)

    def __repr__(self) -> str:
        head = self._text if len(self._text) <= 40 else f"{self._text[:39]}…"
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

    @property
    def reason(self) -> str:
        """The message of the error, without the pair's place."""
        return str(self.error).removeprefix(f"pair {self.index}: ")


def answers_of(contexts: Sequence[str | Document], spans: _core.Spans) -> list[list[Answer]]:
    """Convert decoded spans to a list of answers for each question."""
    counts = np.diff(spans.indptr)
    columns = (spans.start, spans.end, spans.byte_start, spans.byte_end, spans.score, spans.logit)
    no_answer = np.repeat(spans.no_answer, counts)
    rows = zip(*(column.tolist() for column in (*columns, spans.null_logit, no_answer)), strict=True)
    answers = []
    for context, count in zip(contexts, counts.tolist(), strict=True):
        text = context.text if isinstance(context, Document) else context
        answers.append([Answer(text[row[0] : row[1]], *row) for row in islice(rows, count)])
    return answers
