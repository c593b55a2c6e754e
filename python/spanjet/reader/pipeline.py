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
from spanjet.config import Calibration, DecodeConfig, RuntimeConfig, WindowConfig
from spanjet.reader.answer import Answer, Document, answers_of
from spanjet.reader.batching import PlannedBatch, schedule
from spanjet.reader.warnings import QuestionCut, cut_message, warn_caller
from spanjet.runtime.engine import Hint, Logits, Runtime

__all__ = ["Chunk", "Pair", "Pipeline"]

Pair = tuple[str, str | Document]
"""A question and its context."""

_INDEXED = re.compile(r"^(question|context|text)s?(?: \d+|\[\d+\])")
"""The beginning of an error of `Tokenizer.windows`."""

_CODEC = re.compile(r" \('utf-8' codec can't encode .*\)$", re.DOTALL)
"""What Python has to say of a lone surrogate."""


class Chunk:
    """Questions that are prepared and decoded together, and their logits as these come.

    Args:
        contexts: of each question, as the caller gave them.
        windows: of all questions.
        plan: the batches that the windows make.

    Attributes:
        start, end: logits, float32[total], ragged as ``windows.ids``; of one window float32[1, length].
    """

    def __init__(
        self, contexts: Sequence[str | Document], windows: _core.Windows, plan: list[PlannedBatch]
    ) -> None:
        self.contexts = contexts
        self.windows = windows
        self.plan = plan
        self.start = np.empty(len(windows.ids), np.float32)
        self.end = np.empty_like(self.start)
        self._taken = 0

    def batches(self) -> Iterator[_core.Batch]:
        """Yield model inputs, each made on demand."""
        for rows, length in self.plan:
            yield self.windows.batch(rows, length=length)

    def take(self, logits: Logits) -> None:
        """Keep the next batch's logits."""
        if len(self.windows) == 1:  # decoding reads no padding: a single question is spared 50 us
            self.start, self.end = logits.start.copy(), logits.end.copy()
        else:
            rows = self.plan[self._taken].rows
            self.windows.scatter(rows, logits.start, self.start)
            self.windows.scatter(rows, logits.end, self.end)
        self._taken += 1

    @property
    def is_complete(self) -> bool:
        """True when all logits are there."""
        return self._taken == len(self.plan)


class Pipeline:
    """Prepare, infer and decode with one model and fixed settings; safe to share between threads.

    Tokenizing 1,000 SQuAD questions and their contexts takes 11 ms, decoding them 6 ms, and the model
    4 s: one thread prepares and decodes while OpenVINO's threads infer, and more would take their time.

    Args:
        tokenizer: makes the windows.
        runtime: runs the model.
        window_config, decode_config, runtime_config: settings; the last is completed.
        calibration: what logits are worth.
        max_length: tokens of a window that the model can read.
    """

    def __init__(
        self,
        tokenizer: _core.Tokenizer,
        runtime: Runtime,
        *,
        window_config: WindowConfig,
        decode_config: DecodeConfig,
        runtime_config: RuntimeConfig,
        calibration: Calibration,
        max_length: int,
    ) -> None:
        self.tokenizer = tokenizer
        self._runtime = runtime
        self._window_config = window_config
        self._decode: dict[str, Any] = {**_fields(decode_config), **_fields(calibration)}
        self._small = runtime_config.batch_tokens or 0
        self._limits: dict[str, Any] = {"batch_tokens": runtime_config.batch_tokens, "max_length": max_length}

    def windows(
        self, questions: Sequence[str], contexts: Sequence[str | _core.Encoding], *, warn: bool = True
    ) -> _core.Windows:
        """Tokenize and cut into windows; raises what `Tokenizer.windows` does, warns of a cut question."""
        windows = self.tokenizer.windows(questions, contexts, **self._window_config.arguments())
        most = self._window_config.max_question_length
        if warn and most is not None:
            for index in np.flatnonzero(windows.question_length > most).tolist():
                question = textwrap.shorten(questions[index], 60, placeholder="…")
                cut = cut_message(int(windows.question_length[index]), most)
                warn_caller(f"the question {question!r} {cut}", QuestionCut)
        return windows

    def plan(self, windows: _core.Windows | NDArray[np.int64], *, streams: int = 0) -> list[PlannedBatch]:
        """Plan the batches of windows, given these or their lengths in tokens (see `schedule`)."""
        lengths = windows if isinstance(windows, np.ndarray) else np.diff(windows.indptr)
        return schedule(lengths, streams=streams, **self._limits)

    def answer(
        self,
        questions: Sequence[str],
        contexts: Sequence[str | Document],
        top_k: int,
        threshold: float | None,
    ) -> list[list[Answer]]:
        """Answer questions that are all known in advance; raises what `Reader.ask_many` does."""
        try:
            windows = self.windows(questions, encoded(contexts))
        except (ValueError, TypeError) as error:
            raise (of_one_pair(error) if len(questions) == len(contexts) == 1 else error) from None
        chunk, hint = self.only_chunk(contexts, windows)
        (chunk,) = self.run([chunk], hint=hint)
        return self.decode(chunk, top_k, threshold)

    def only_chunk(self, contexts: Sequence[str | Document], windows: _core.Windows) -> tuple[Chunk, Hint]:
        """Make a chunk of questions that no others follow; choose the hint that runs it fastest."""
        if self._is_small(windows):
            return Chunk(contexts, windows, self.plan(windows, streams=1)), "LATENCY"
        return Chunk(contexts, windows, self.plan(windows, streams=self._runtime.streams)), "THROUGHPUT"

    def _is_small(self, windows: _core.Windows) -> bool:
        """Tell whether one batch holds all windows; all threads then work on it, instead of one stream."""
        return len(windows) <= 1 or len(windows.ids) <= self._small

    def run(self, chunks: Iterable[Chunk], *, hint: Hint = "THROUGHPUT") -> Iterator[Chunk]:
        """Infer chunk after chunk; the next one is taken while batches of the last one still run.

        Args:
            chunks: two of them are under way at most.
            hint: see `Runtime`.

        Yields:
            The chunks, complete, in their order.
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
                while waiting[0].is_complete:  # without a window
                    yield waiting.popleft()
                waiting[0].take(logits)
                if waiting[0].is_complete:
                    yield waiting.popleft()
        yield from waiting

    def decode(self, chunk: Chunk, top_k: int, threshold: float | None) -> list[list[Answer]]:
        """Decode a complete chunk to answers."""
        spans = self.spans(chunk.windows, chunk.start, chunk.end, top_k, threshold)
        return answers_of(chunk.contexts, spans)

    def spans(
        self,
        windows: _core.Windows,
        start: NDArray[np.float32],
        end: NDArray[np.float32],
        top_k: int,
        threshold: float | None,
    ) -> _core.Spans:
        """Decode ragged logits to the best spans; raises what `spanjet.decode_spans` does."""
        return _core.decode_spans(windows, start, end, top_k=top_k, threshold=threshold, **self._decode)

    def check_top_k(self, top_k: int) -> None:
        """Raise the ValueError that decoding would."""
        none = np.empty(0, np.float32)
        self.spans(self.windows([], []), none, none, top_k, None)

    def answer_each(
        self, pairs: Sequence[Pair], top_k: int, threshold: float | None
    ) -> list[list[Answer] | Exception]:
        """Answer each pair, or return the ValueError or TypeError that it causes."""
        try:
            return [*self.answer(*unzip(pairs), top_k, threshold)]
        except (ValueError, TypeError) as error:
            if len(pairs) == 1:
                return [error]
        bad = [self.preparation_error(pair) for pair in pairs]
        good = [pair for pair, error in zip(pairs, bad, strict=True) if error is None]
        if len(good) == len(pairs):  # the model's answer cannot be decoded
            return [result for pair in pairs for result in self.answer_each([pair], top_k, threshold)]
        results = iter(self.answer_each(good, top_k, threshold)) if good else iter(())
        return [next(results) if error is None else error for error in bad]

    def preparation_error(self, pair: Pair) -> Exception | None:
        """Return the error that keeps a pair from having windows, or None."""
        try:
            questions, contexts = unzip([pair])
            self.windows(questions, encoded(contexts))
        except (ValueError, TypeError) as error:
            return of_one_pair(error)
        return None


def _fields(config: DecodeConfig | Calibration) -> dict[str, Any]:
    """Return the settings that decoding takes; the threshold belongs to each call."""
    return {field.name: getattr(config, field.name) for field in fields(config) if field.name != "threshold"}


def of_one_pair(error: Exception) -> Exception:
    """Make the error of a single pair anew, without indices, of which its asker knows nothing."""
    kind = TypeError if isinstance(error, TypeError) else ValueError
    return kind(_INDEXED.sub(r"\1", _CODEC.sub("", str(error))))


def unzip(pairs: Sequence[Pair]) -> tuple[list[str], list[str | Document]]:
    """Split pairs into questions and contexts."""
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(f"expected (question, context), found {pair!r:.60}")
    return [question for question, _ in pairs], [context for _, context in pairs]


def encoded(contexts: Sequence[str | Document]) -> list[str | _core.Encoding]:
    """Replace documents by their tokens."""
    return [context.encoding if isinstance(context, Document) else context for context in contexts]
