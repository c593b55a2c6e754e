"""Run the three stages of reading: prepare (tokens, windows), infer (logits), decode (spans)."""

import re
import textwrap
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spanjet import _core
from spanjet.config import Calibration, DecodeConfig, RuntimeConfig, Threshold, WindowConfig
from spanjet.reader.answer import Answer, Document, answers_of
from spanjet.reader.batching import PlannedBatch, schedule
from spanjet.reader.errors import reworded
from spanjet.reader.thresholds import Thresholds
from spanjet.reader.warnings import QuestionCut, cut_message
from spanjet.runtime.engine import Hint, Logits, Runtime
from spanjet.runtime.warnings import warn_caller

__all__ = ["Chunk", "Pair", "Pipeline"]

Pair = tuple[str, str | Document]
"""Question and context."""

_INDEXED = re.compile(r"^(question|context|text)s?(?: \d+|\[\d+\])")
"""The beginning of an error of `Tokenizer.windows`."""


class Chunk:
    """Questions that are prepared and decoded together, with their logits as they arrive.

    Args:
        contexts: context of each question, as given by the caller.
        windows: windows of all questions.
        plan: planned batches of the windows; None: not planned yet, or made by others (see `put`).

    Attributes:
        start, end: logits, float32[total], ragged like ``windows.ids``; for a single window float32[1,
            length].
    """

    def __init__(
        self,
        contexts: Sequence[str | Document],
        windows: _core.Windows,
        plan: list[PlannedBatch] | None = None,
    ) -> None:
        self.contexts = contexts
        self.windows = windows
        self.plan = plan or []
        self.start = np.empty(len(windows.ids), np.float32)
        self.end = np.empty_like(self.start)
        self._taken = 0

    def batches(self) -> Iterator[_core.Batch]:
        """Yield batches, each made on demand."""
        for rows, length in self.plan:
            yield self.windows.batch(rows, length=length)

    def take(self, logits: Logits) -> None:
        """Store the logits of the next batch."""
        self.put(self.plan[self._taken].rows, logits)
        self._taken += 1

    def put(self, rows: NDArray[np.int64], logits: Logits) -> None:
        """Store the logits of some windows; threads may do it at the same time for others."""
        if len(self.windows) == 1:  # decoding ignores padding: this saves a single question 50 us
            self.start, self.end = logits.start.copy(), logits.end.copy()
        else:
            self.windows.scatter(rows, logits.start, self.start)
            self.windows.scatter(rows, logits.end, self.end)

    @property
    def is_complete(self) -> bool:
        """True if all logits are stored."""
        return self._taken == len(self.plan)


class Pipeline:
    """Pipeline of one model with fixed settings: prepare, infer, decode; thread-safe.

    Tokenizing 1,000 SQuAD questions and their contexts takes 11 ms, decoding them 6 ms, and inference 4 s:
    one thread prepares and decodes while OpenVINO's threads infer; more would compete with them.

    Args:
        tokenizer: tokenizer of the model.
        runtime: engine of the model.
        window_config, decode_config, runtime_config: settings; the last without open fields.
        thresholds: calibration of the scores, and the meaning of thresholds.
        max_length: maximum length of the model in tokens.
    """

    def __init__(
        self,
        tokenizer: _core.Tokenizer,
        runtime: Runtime,
        *,
        window_config: WindowConfig,
        decode_config: DecodeConfig,
        runtime_config: RuntimeConfig,
        thresholds: Thresholds,
        max_length: int,
    ) -> None:
        self.tokenizer = tokenizer
        self._thresholds = thresholds
        self._runtime = runtime
        self._max_question_length = window_config.max_question_length
        self._window: dict[str, Any] = window_config.arguments()
        self._decode: dict[str, Any] = {**_fields(decode_config), **_fields(thresholds.calibration)}
        self._small = runtime_config.batch_tokens or 0
        self._limits: dict[str, Any] = {"batch_tokens": runtime_config.batch_tokens, "max_length": max_length}

    def prepare(self, text: str) -> Document:
        """Tokenize a context once for many questions, with the errors of `Tokenizer.encode`."""
        return Document(self.tokenizer.encode(text))

    def windows(
        self, questions: Sequence[str], contexts: Sequence[str | _core.Encoding], *, warn: bool = True
    ) -> _core.Windows:
        """Tokenize and make windows, with the errors of `Tokenizer.windows`; warn of a truncated question."""
        windows = self.tokenizer.windows(questions, contexts, **self._window)
        most = self._max_question_length
        if warn and most is not None:
            for index in np.flatnonzero(windows.question_length > most).tolist():
                question = textwrap.shorten(questions[index], 60, placeholder="…")
                question = question if len(question) > 1 else f"{questions[index][:59]}…"  # of one long word
                cut = cut_message(int(windows.question_length[index]), most)
                warn_caller(f"the question {question!r} {cut}", QuestionCut)
        return windows

    def prepared(
        self, questions: Sequence[str], contexts: Sequence[str | Document], *, warn: bool = True
    ) -> Chunk:
        """Make the chunk of questions, whose batches are not planned yet, with the errors of `windows`."""
        return Chunk(contexts, self.windows(questions, encoded(contexts), warn=warn))

    def selected(self, chunk: Chunk) -> Chunk:
        """Return the chunk of the windows that the model reads: all of them."""
        return chunk

    def plan(self, windows: _core.Windows | NDArray[np.int64], *, streams: int = 0) -> list[PlannedBatch]:
        """Plan the batches of windows, given as such or by their lengths in tokens (see `schedule`)."""
        lengths = windows if isinstance(windows, np.ndarray) else np.diff(windows.indptr)
        return schedule(lengths, streams=streams, **self._limits)

    def answer(
        self,
        questions: Sequence[str],
        contexts: Sequence[str | Document],
        top_k: int,
        threshold: Threshold,
    ) -> list[list[Answer]]:
        """Answer questions that are all known in advance; raises what `Reader.ask_many` does."""
        self.check_threshold(threshold)
        try:
            chunk = self.prepared(questions, contexts)
        except (ValueError, TypeError) as error:
            raise (of_one_pair(error) if len(questions) == len(contexts) == 1 else error) from None
        chunk, hint = self.only_chunk(chunk)
        (chunk,) = self.run([chunk], hint=hint)
        return self.decode(chunk, top_k, threshold)

    def planned(self, chunk: Chunk) -> Chunk:
        """Select the windows of a chunk that others follow, and plan its batches."""
        chunk = self.selected(chunk)
        chunk.plan = self.plan(chunk.windows)
        return chunk

    def only_chunk(self, chunk: Chunk) -> tuple[Chunk, Hint]:
        """Select the windows of a single chunk of all questions, and choose the fastest hint for it."""
        chunk = self.selected(chunk)
        is_small = self._is_small(chunk.windows)
        chunk.plan = self.plan(chunk.windows, streams=1 if is_small else self._runtime.streams)
        return chunk, "LATENCY" if is_small else "THROUGHPUT"

    def _is_small(self, windows: _core.Windows) -> bool:
        """Return True if one batch holds all windows, so that all threads should work on it."""
        return len(windows) <= 1 or len(windows.ids) <= self._small

    def run(self, chunks: Iterable[Chunk], *, hint: Hint = "THROUGHPUT") -> Iterator[Chunk]:
        """Run inference chunk by chunk, taking the next one while batches of the last one still run.

        Args:
            chunks: chunks to run, of which at most two are in progress.
            hint: OpenVINO's performance hint, see `Runtime`.

        Yields:
            The complete chunks, in order.
        """
        waiting: deque[Chunk] = deque()

        def batches() -> Iterator[_core.Batch | None]:
            for chunk in chunks:
                waiting.append(chunk)
                yield from chunk.batches()
                while sum(not chunk.is_complete for chunk in waiting) > 1:
                    yield None

        with closing(self._runtime.run(batches(), hint=hint)) as all_logits:
            for logits in all_logits:
                while waiting[0].is_complete:  # a chunk without windows
                    yield waiting.popleft()
                waiting[0].take(logits)
                if waiting[0].is_complete:
                    yield waiting.popleft()
        yield from waiting

    def decode(self, chunk: Chunk, top_k: int, threshold: Threshold) -> list[list[Answer]]:
        """Decode a complete chunk to answers."""
        least = self._thresholds.resolve(threshold)
        spans = self.spans(chunk.windows, chunk.start, chunk.end, top_k, least)
        return answers_of(chunk.contexts, spans)

    def spans(
        self,
        windows: _core.Windows,
        start: NDArray[np.float32],
        end: NDArray[np.float32],
        top_k: int,
        threshold: float | None,
    ) -> _core.Spans:
        """Decode ragged logits to the best spans, with the errors of `spanjet.decode_spans`."""
        return _core.decode_spans(windows, start, end, top_k=top_k, threshold=threshold, **self._decode)

    def check_top_k(self, top_k: int) -> None:
        """Check the number of answers, with the errors of decoding."""
        none = np.empty(0, np.float32)
        self.spans(self.windows([], []), none, none, top_k, None)

    def check_threshold(self, threshold: Threshold) -> None:
        """Check a threshold before the work for it is done, with the errors of `Thresholds.resolve`."""
        self._thresholds.resolve(threshold)

    def answer_each(
        self, pairs: Sequence[Pair], top_k: int, threshold: Threshold
    ) -> list[list[Answer] | Exception]:
        """Answer each pair, or return its ValueError or TypeError."""
        try:
            return [*self.answer(*unzip(pairs), top_k, threshold)]
        except (ValueError, TypeError) as error:
            if len(pairs) == 1:
                return [error]
        bad = [self.preparation_error(pair) for pair in pairs]
        good = [pair for pair, error in zip(pairs, bad, strict=True) if error is None]
        if len(good) == len(pairs):  # the logits of a pair cannot be decoded
            return [result for pair in pairs for result in self.answer_each([pair], top_k, threshold)]
        results = iter(self.answer_each(good, top_k, threshold)) if good else iter(())
        return [next(results) if error is None else error for error in bad]

    def preparation_error(self, pair: Pair) -> Exception | None:
        """Return the error of preparing a pair, or None."""
        try:
            self.prepared(*unzip([pair]))
        except (ValueError, TypeError) as error:
            return of_one_pair(error)
        return None


def _fields(config: DecodeConfig | Calibration) -> dict[str, Any]:
    """Return the settings as arguments of decoding, without the threshold, which is per call."""
    return {field.name: getattr(config, field.name) for field in fields(config) if field.name != "threshold"}


def of_one_pair(error: Exception) -> Exception:
    """Make the error of a single pair anew, without indices, of which its asker knows nothing."""
    return reworded(error, _INDEXED.sub(r"\1", str(error)))


def unzip(pairs: Sequence[Pair]) -> tuple[list[str], list[str | Document]]:
    """Split pairs into questions and contexts."""
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(f"expected (question, context), found {pair!r:.60}")
    return [question for question, _ in pairs], [context for _, context in pairs]


def encoded(contexts: Sequence[str | Document]) -> list[str | _core.Encoding]:
    """Replace documents by their encodings.

    Raises:
        TypeError: a context is neither a text nor a document.
    """
    for index, context in enumerate(contexts):
        if not isinstance(context, str | Document):
            found = type(context).__name__
            raise TypeError(f"contexts[{index}] is of type {found}, expected str or Document")
    return [context.encoding if isinstance(context, Document) else context for context in contexts]
