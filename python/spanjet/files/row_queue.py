"""Answer rows in order and in bounded memory, with rejected rows in their positions."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Protocol

from spanjet.config import Threshold
from spanjet.files.record import Record, Rejected
from spanjet.reader.answer import Answer, Document, Failure
from spanjet.reader.pipeline import Pair
from spanjet.reader.reader import Reader

__all__ = ["LOOK_AHEAD", "RowQueue", "Sink", "answer_records"]

LOOK_AHEAD = 2048
"""Default number of questions to read ahead, as in `Reader.stream`."""

_Stream = Callable[[Iterator[Pair]], Iterator[list[Answer] | Failure]]

MAX_WAITING_REJECTED = 10_000
"""Maximum number of rejected rows that wait for the answers of earlier rows."""


class Sink(Protocol):
    """Receiver of finished rows in order."""

    @property
    def rows(self) -> int:
        """Number of finished rows of the input."""

    def answer(self, record: Record, answers: Sequence[Answer]) -> None:
        """Append the answers of the next row."""

    def reject(self, rejected: Rejected) -> None:
        """Append the next row as rejected."""

    def settle(self) -> None:
        """Mark the rows so far as a point to resume at, on which later rows do not depend."""


def answer_records(
    reader: Reader,
    source: Iterable[Record | Rejected],
    sink: Sink,
    *,
    context: Document | None = None,
    top_k: int = 1,
    threshold: Threshold = "reader",
    look_ahead: int = LOOK_AHEAD,
    strict: bool = False,
    progress: Callable[[int], None] | None = None,
    warning: Callable[[str], str | None] = lambda _: None,
) -> None:
    """Answer the rows that a sink does not have yet.

    Args:
        reader: what answers.
        source: all rows, in order.
        sink: takes them, from its ``rows`` on.
        context: what all rows are about, where they have no context of their own.
        top_k: answers to each question at most, best first.
        threshold: as of `Reader.stream`.
        look_ahead: questions that are read before their answers come out (see `Reader.stream`).
        strict: whether the first rejected row ends the run.
        progress: called with the number of rows that are done, first with those that are done already.
        warning: what is to be said of the answers to a question, if anything is.

    Raises:
        ValueError: a row is rejected and ``strict`` is set; the rows before it are in the sink.
    """
    if progress is not None:
        progress(sink.rows)
    queue = RowQueue(islice(source, sink.rows, None), context, look_ahead)
    stream = partial(reader.stream, top_k=top_k, threshold=threshold, look_ahead=look_ahead, errors="return")
    for row, result in queue.results(stream):
        if isinstance(row, Record):
            sink.answer(replace(row, warning=warning(row.question)), result)
        elif strict:
            raise ValueError(f"{row.place}: {row.reason}")
        else:
            sink.reject(row)
        if queue.is_between_parts:
            sink.settle()
        if progress is not None:
            progress(sink.rows)


class RowQueue:
    """Queue of rows that were read and are not finished yet.

    A stream batches its questions in parts of half the look-ahead each; a run is resumed only between two
    parts, so that the remaining ones are the same.

    Attributes:
        is_between_parts: True if the last returned row was the last of a part.
    """

    def __init__(self, rows: Iterator[Record | Rejected], context: Document | None, look_ahead: int) -> None:
        self._rows = rows
        self._context = context
        self._part = max(1, look_ahead // 2)
        self._waiting: deque[Record | Rejected] = deque()
        self._error: Exception | None = None
        self._exhausted = False
        self.is_between_parts = False

    def results(
        self, stream: Callable[[Iterator[Pair]], Iterator[list[Answer] | Failure]]
    ) -> Iterator[tuple[Record | Rejected, list[Answer]]]:
        """Yield each row with its answers, rejected ones with none; then raise the input's error, if any."""
        while not self._exhausted:
            for index, result in enumerate(stream(self._pairs()), start=1):
                yield from self._rejected()
                record = self._waiting.popleft()
                self.is_between_parts = index % self._part == 0
                if isinstance(result, list):
                    yield record, result
                else:
                    yield Rejected(record.row, record.place, result.reason), []
            yield from self._rejected()
        if self._error is not None:
            raise self._error

    def _pairs(self) -> Iterator[Pair]:
        """Yield questions and contexts, and stop after a part with too many rejected rows.

        A stream reads ahead until it has enough questions, which may never happen in a long run of rejected
        rows.
        """
        pairs = rejected = 0
        while rejected < MAX_WAITING_REJECTED:
            try:
                row = next(self._rows, None)
            except Exception as error:
                self._error, row = error, None  # raised after the rows before it are finished
            if row is None:
                self._exhausted = True
                return
            self._waiting.append(row)
            if isinstance(row, Rejected):
                rejected += 1
            else:
                pairs += 1
                rejected = 0 if pairs % self._part == 0 else rejected
                yield row.question, row.context if self._context is None else self._context

    def _rejected(self) -> Iterator[tuple[Rejected, list[Answer]]]:
        """Yield the rejected rows that are next in order."""
        while self._waiting and isinstance(row := self._waiting[0], Rejected):
            self._waiting.popleft()
            self.is_between_parts = not (self._waiting or self._exhausted)
            yield row, []
