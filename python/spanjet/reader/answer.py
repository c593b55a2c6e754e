"""Define answers, prepared documents and failures."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, final

import numpy as np

from spanjet import _core
from spanjet.validation import check_type

__all__ = ["Answer", "Document", "Failure", "answers_of"]


@dataclass(frozen=True, slots=True)
class Answer:
    """Span of the context that answers the question; ``context[start:end] == text`` always holds.

    Attributes:
        text: text of the span; "" for the null answer.
        start, end: offsets in code points, end exclusive.
        byte_start, byte_end: the same offsets in bytes of the context's UTF-8.
        score: probability that this is the answer, 0 to 1, if the model is calibrated; the scores of a
            question's spans and ``no_answer`` add up to at most 1. For the null answer: ``no_answer``. In
            mode ``hf`` it is that of transformers' pipeline, which may be greater than 1.
        logit: start logit plus end logit.
        null_logit: start logit plus end logit of ``[CLS]`` in the same window; in mode ``squad`` the smallest
            of all windows.
        no_answer: probability that the context does not answer the question, 0 to 1.
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
        """True for the null answer: the context does not answer the question.

        In mode ``hf`` also for the empty answers that fill the list of a short context.
        """
        return self.end == 0

    @property
    def margin(self) -> float:
        """Margin ``logit - null_logit``, comparable between windows and between texts."""
        return self.logit - self.null_logit

    def as_dict(self) -> dict[str, Any]:
        """Return the attributes by name, JSON-serialisable."""
        return asdict(self)


@final
class Document:
    """Context that is tokenized once for many questions; made by `Reader.prepare`.

    It can be pickled, and asked of any reader whose tokenizer has equal files and settings.

    Args:
        encoding: encoding of the context by the reader's tokenizer, which includes its text.
        first: encoding by the tokenizer of the reader's first model, if it has one with another tokenizer.

    Attributes:
        text: text of the context.
        encoding: encoding of the context.
        first: encoding for the first model; None: there is none, or it is the same.

    Raises:
        TypeError: ``encoding`` or ``first`` is not an `Encoding`.
    """

    __slots__ = ("_encoding", "_first", "_text")

    def __init__(self, encoding: _core.Encoding, first: _core.Encoding | None = None) -> None:
        self._encoding = check_type("encoding", encoding, _core.Encoding)
        self._first = None if first is None else check_type("first", first, _core.Encoding)
        self._text = encoding.text

    @property
    def text(self) -> str:
        """Text of the context."""
        return self._text

    @property
    def encoding(self) -> _core.Encoding:
        """Encoding of the context."""
        return self._encoding

    @property
    def first(self) -> _core.Encoding | None:
        """Encoding of the context for the reader's first model; None: there is none, or it is the same."""
        return self._first

    def __reduce__(self) -> tuple[type["Document"], tuple[_core.Encoding, _core.Encoding | None]]:
        return Document, (self._encoding, self._first)

    def __len__(self) -> int:
        """Return the number of tokens."""
        return len(self._encoding)

    def __repr__(self) -> str:
        head = self._text if len(self._text) <= 40 else f"{self._text[:39]}…"
        return f"Document({head!r}, {len(self)} tokens)"


@dataclass(frozen=True, slots=True)
class Failure:
    """Result of a pair that cannot be answered (see `Reader.stream`).

    Attributes:
        index: index of the pair in the whole stream, from 0.
        error: the reason, a ValueError or TypeError whose message begins with ``pair <index>:``.
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
