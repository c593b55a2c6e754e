"""Choose the windows that a large model reads by what a small one finds in all of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spanjet import _core
from spanjet.config import DecodeConfig, Threshold
from spanjet.reader.answer import Answer, Document
from spanjet.reader.cascade.config import CascadeConfig
from spanjet.reader.cascade.thresholds import CascadeThresholds
from spanjet.reader.pipeline import Chunk, Pipeline
from spanjet.reader.thresholds import Thresholds
from spanjet.runtime.engine import Runtime

__all__ = ["Cascade", "FirstPass", "best_places"]


class FirstPass(Chunk):
    """Questions whose texts have many windows, as the first model reads them.

    Args:
        whole: chunk of these and other questions, with all windows of the second model.
        questions: int64[questions], indices in ``whole`` of those that the first model reads.
        contexts, windows: of those questions.
    """

    def __init__(
        self,
        whole: Chunk,
        questions: NDArray[np.int64],
        contexts: Sequence[str | Document],
        windows: _core.Windows,
    ) -> None:
        super().__init__(contexts, windows)
        self.whole = whole
        self.questions = questions


class _Reread(Chunk):
    """Questions of whose windows some are left; ``is_chosen``: bool[questions], True for those questions."""

    def __init__(
        self, contexts: Sequence[str | Document], windows: _core.Windows, is_chosen: NDArray[np.bool_]
    ) -> None:
        super().__init__(contexts, windows)
        self.is_chosen = is_chosen


class Cascade(Pipeline):
    """Pipeline of two models: the first reads all windows, the second rereads the best ones.

    Questions with no more windows than are reread skip the first model, so that their answers are those of
    the second model alone. The others are decoded from the reread windows only; the rest of their texts
    counts as holding nothing, neither an answer nor evidence against one.

    A place that the first model ranks is found in the second model's windows by its character, so that the
    two may have different tokenizers and windows.

    Args:
        first: pipeline of the first model, whose windows may be empty and whose questions are cut.
        tokenizer, runtime: of the second model.
        thresholds: calibration of the second model alone, for questions that skip the first one.
        cascade_thresholds: calibration of both, for the others.
        config: number of windows to reread.
        decode_config: settings of decoding.
        settings: the other arguments of `Pipeline`.

    Attributes:
        first: pipeline of the first model.
        alone: pipeline of the second model alone.
        most: maximum number of windows of a question to reread.
    """

    def __init__(
        self,
        first: Pipeline,
        tokenizer: _core.Tokenizer,
        runtime: Runtime,
        *,
        thresholds: Thresholds,
        cascade_thresholds: CascadeThresholds,
        config: CascadeConfig,
        decode_config: DecodeConfig,
        **settings: Any,
    ) -> None:
        settings["decode_config"] = decode_config
        super().__init__(tokenizer, runtime, thresholds=thresholds, **settings)
        self.first = first
        self.alone = Pipeline(tokenizer, runtime, thresholds=thresholds, **settings)
        self.most = config.reread
        self._reread = Pipeline(tokenizer, runtime, thresholds=cascade_thresholds, **settings)
        self._cascade_thresholds = cascade_thresholds
        self._max_answer_length = decode_config.max_answer_length
        self._has_one_tokenizer = first.tokenizer == tokenizer

    def prepare(self, text: str) -> Document:
        """Tokenize a context once for many questions, for both models."""
        encoding = self.tokenizer.encode(text)
        return Document(encoding, None if self._has_one_tokenizer else self.first.tokenizer.encode(text))

    def prepared(
        self, questions: Sequence[str], contexts: Sequence[str | Document], *, warn: bool = True
    ) -> Chunk:
        """Make the chunk that runs first, of the questions that do not skip the first model."""
        whole = super().prepared(questions, contexts, warn=warn)
        counts = np.bincount(whole.windows.question, minlength=len(questions))
        chosen = np.flatnonzero(counts > self.most).astype(np.int64, copy=False)
        texts = [contexts[index] for index in chosen.tolist()]
        encodings: Sequence[str | Document | _core.Encoding] = texts
        if self._has_one_tokenizer and len(chosen):
            of_second = whole.windows.contexts
            encodings = [of_second[index] for index in chosen.tolist()]
        windows = self.first_windows([questions[index] for index in chosen.tolist()], encodings)
        return FirstPass(whole, chosen, texts, windows)

    def first_windows(
        self, questions: Sequence[str], contexts: Sequence[str | Document | _core.Encoding]
    ) -> _core.Windows:
        """Make the windows of the first model.

        Args:
            questions: the questions.
            contexts: their contexts; an encoding is one of the first model's tokenizer.
        """
        encodings = [
            self._first_encoding(context) if isinstance(context, Document) else context
            for context in contexts
        ]
        return self.first.windows(questions, encodings, warn=False)

    def _first_encoding(self, document: Document) -> str | _core.Encoding:
        """Return a document's encoding for the first model, or its text, which is then tokenized."""
        if self._has_one_tokenizer:
            return document.encoding
        first = document.first
        return first if first is not None and first.tokenizer == self.first.tokenizer else document.text

    def selected(self, chunk: Chunk) -> Chunk:
        """Run the first model, if questions need it, and return the chunk of the windows to reread."""
        if isinstance(chunk, FirstPass) and len(chunk.windows):
            planned, hint = self.first.only_chunk(chunk)
            for _ in self.first.run([planned], hint=hint):
                pass
        return self.reread(chunk)

    def reread(self, first: Chunk) -> Chunk:
        """Return the chunk of the windows to reread after a `FirstPass`, whose logits are complete."""
        if not isinstance(first, FirstPass):
            return first
        if not len(first.questions):
            return first.whole
        whole = first.whole
        margin, start = self.rank(first)
        question = first.windows.question
        places = best_places(question, margin, self.most)
        central = whole.windows.central(first.questions[question[places]], start[places])
        is_chosen = np.zeros(len(whole.contexts), np.bool_)
        is_chosen[first.questions] = True
        others = np.flatnonzero(~is_chosen[whole.windows.question])
        rows = np.union1d(others, central).astype(np.int64, copy=False)
        return _Reread(whole.contexts, whole.windows.select(rows), is_chosen)

    @staticmethod
    def is_reread(chunk: Chunk) -> bool:
        """Return True if the first model has chosen windows of a chunk."""
        return isinstance(chunk, _Reread)

    def rank(self, chunk: Chunk) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Rank the windows of a complete chunk of the first model (see `spanjet._core.rank_windows`).

        Raises:
            ValueError: a logit is not a number.
        """
        try:
            return _core.rank_windows(
                chunk.windows, chunk.start, chunk.end, max_answer_length=self._max_answer_length
            )
        except ValueError as error:
            raise ValueError(f"the first model: {error}") from None

    def decode(self, chunk: Chunk, top_k: int, threshold: Threshold) -> list[list[Answer]]:
        """Decode a complete chunk; reread questions by the calibration of both models."""
        if not isinstance(chunk, _Reread):
            return super().decode(chunk, top_k, threshold)
        reread = self._reread.decode(chunk, top_k, threshold)
        if chunk.is_chosen.all():
            return reread
        alone = super().decode(chunk, top_k, threshold)
        return [
            reread[index] if is_chosen else alone[index]
            for index, is_chosen in enumerate(chunk.is_chosen.tolist())
        ]

    def check_threshold(self, threshold: Threshold) -> None:
        """Check a threshold before the work for it is done, with the errors of `Thresholds.resolve`."""
        super().check_threshold(threshold)
        self._cascade_thresholds.resolve(threshold)


def best_places(question: NDArray[np.int32], margin: NDArray[np.float32], most: int) -> NDArray[np.int64]:
    """Return the windows of greatest margin of each question, int64[n]; of equals the earlier ones.

    Args:
        question: int32[windows], question of each window, in increasing order.
        margin: float32[windows].
        most: maximum number of windows of a question.
    """
    order = np.lexsort((-margin, question))
    place = np.arange(len(order)) - np.searchsorted(question, question, side="left")
    return np.sort(order[place < most]).astype(np.int64, copy=False)
