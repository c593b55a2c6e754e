"""Read answers out of text with one model."""

import asyncio
import os
import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, overload

import numpy as np
from numpy.typing import NDArray

from spanjet._core import Tokenizer, Windows
from spanjet.config import (
    Calibration,
    DecodeConfig,
    RuntimeConfig,
    Threshold,
    WindowConfig,
    check_config,
    check_count,
    check_list,
    check_type,
)
from spanjet.model.directory import BUNDLED_MODEL
from spanjet.model.load import Model, load_model
from spanjet.reader.answer import Answer, Document, Failure
from spanjet.reader.batching import PlannedBatch
from spanjet.reader.compatibility import check_compatible
from spanjet.reader.dynamic_batching import DynamicBatcher
from spanjet.reader.passages import Passage, SearchResult
from spanjet.reader.pipeline import Pair, Pipeline, encoded
from spanjet.reader.search import Search
from spanjet.reader.stream import Stream
from spanjet.reader.thresholds import Thresholds
from spanjet.reader.tuned_settings import tuned_settings
from spanjet.runtime.engine import Runtime

__all__ = ["Reader"]


class Reader:
    """Read answers out of text with an extractive question-answering model.

    On one machine, an answer and its scores do not depend, to the bit, on what else is asked, the order, the
    way of asking, threads, streams, batches or what `spanjet tune` found. A reader may be shared between
    threads. The model is compiled when the first question comes.

    Args:
        model: a model directory (INT8 or a Hugging Face checkpoint, see
            `spanjet.model.load_model`), or a loaded model; None: the bundled INT8 MiniLM.
        threshold: the probability that a text answers a question, 0 to 1, below which the null answer is
            given; ``"model"``: the one in the model's card, if there is one; None: a span is always given.
            Each call may have its own.
        window_config: how a context is cut into windows; default: ``WindowConfig()``.
        decode_config: how logits become answers; default: ``DecodeConfig()``.
        runtime_config: threads, streams, precision, cache; default: ``RuntimeConfig()``. Where it leaves
            something open, what `spanjet tune` found on this machine is taken.
        match_special_tokens: whether ``[SEP]`` and its like, typed in a text, become those tokens. The
            default takes them as plain text, which is what untrusted text needs.

    Raises:
        OSError: a file of the model is missing or cannot be read.
        ValueError: the model is malformed, or ``window_config.max_length`` is more than it can read.
        TypeError: an argument of another type.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | Model | None = None,
        *,
        threshold: Threshold = "model",
        window_config: WindowConfig | None = None,
        decode_config: DecodeConfig | None = None,
        runtime_config: RuntimeConfig | None = None,
        match_special_tokens: bool = False,
    ) -> None:
        self._window_config = check_config("window_config", window_config, WindowConfig)
        self._decode_config = check_config("decode_config", decode_config, DecodeConfig)
        runtime_config = check_config("runtime_config", runtime_config, RuntimeConfig)
        if not isinstance(model, Model):
            model = load_model(BUNDLED_MODEL if model is None else model)
        self._model = model
        self._runtime_config = runtime_config.completed(tuned_settings(model, runtime_config))
        self._thresholds = Thresholds(model, threshold)
        self._tokenizer = Tokenizer(
            model.tokenizer, match_special_tokens=match_special_tokens, threads=self._runtime_config.threads
        )
        check_compatible(model, self._tokenizer, self._window_config)
        self._engine = Runtime(model.model, self._runtime_config)
        self._pipeline = Pipeline(
            self._tokenizer,
            self._engine,
            window_config=self._window_config,
            decode_config=self._decode_config,
            runtime_config=self._runtime_config,
            calibration=self._thresholds.calibration,
            max_length=model.max_length,
        )
        self._batcher = DynamicBatcher(self._pipeline)
        self._end_of_batcher = weakref.finalize(self, self._batcher.close)

    def __repr__(self) -> str:
        return f"Reader({str(self._model.path)!r}, threshold={self.threshold})"

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's tokenizer."""
        return self._tokenizer

    @property
    def model(self) -> Model:
        """The model, its directory and its card."""
        return self._model

    @property
    def window_config(self) -> WindowConfig:
        """Settings for cutting a context into windows."""
        return self._window_config

    @property
    def decode_config(self) -> DecodeConfig:
        """Settings for decoding logits to answers."""
        return self._decode_config

    @property
    def calibration(self) -> Calibration:
        """Parameters that turn logits into probabilities: the model's, or the defaults where it has none."""
        return self._thresholds.calibration

    @property
    def threshold(self) -> float | None:
        """The probability of an answer below which the null answer is given; None: never."""
        return self._thresholds.default

    @property
    def runtime_config(self) -> RuntimeConfig:
        """Settings for running the model, with tuned settings and defaults filled in."""
        return self._runtime_config

    @property
    def engine(self) -> Runtime:
        """The model on this machine, for those who bring their own batches."""
        return self._engine

    @overload
    def ask(self, question: str, context: str | Document, *, threshold: Threshold = "reader") -> Answer: ...
    @overload
    def ask(
        self, question: str, context: str | Document, *, top_k: int, threshold: Threshold = "reader"
    ) -> list[Answer]: ...
    def ask(
        self,
        question: str,
        context: str | Document,
        *,
        top_k: int | None = None,
        threshold: Threshold = "reader",
    ) -> Answer | list[Answer]:
        """Answer one question.

        Args:
            question: the question.
            context: the text that may hold the answer.
            top_k: None: the best answer; otherwise a list of so many answers at most, best first.
            threshold: as the reader's; ``"reader"``: that one.

        Returns:
            The best answer, or the null answer where the threshold asks for it (``is_null``); with ``top_k``
            a list as `ask_many` gives.

        Raises:
            ValueError: question or context has no tokens or holds a lone surrogate, ``top_k`` is less than 1,
                or the threshold is no probability.
            TypeError: another type.

        Example:
            >>> reader = spanjet.Reader()
            >>> answer = reader.ask("Who built it?", "The bridge was built by Clara Hansen in 1903.")
            >>> answer.text, answer.start, answer.end
            ('Clara Hansen', 24, 36)
        """
        questions = [check_type("question", question, str)]
        count = 1 if top_k is None else top_k
        answers = self.ask_many(questions, [context], top_k=count, threshold=threshold)[0]
        return answers[0] if top_k is None else answers

    def ask_many(
        self,
        questions: Sequence[str],
        contexts: Sequence[str | Document] | str | Document,
        *,
        top_k: int = 1,
        threshold: Threshold = "reader",
    ) -> list[list[Answer]]:
        """Answer many questions, which run in batches of like length.

        Args:
            questions: the questions.
            contexts: one context for each question, or one text or document for all of them.
            top_k: answers to each question at most, best first; there are fewer only where the context
                has fewer distinct spans. The null answer, where it comes first, is one of them.
            threshold: as the reader's; ``"reader"``: that one.

        Returns:
            The answers to each question, at least one, in the order of ``questions``.

        Raises:
            ValueError: different numbers of questions and contexts, a question or context without
                tokens or with a lone surrogate, or ``top_k`` less than 1; with the index.
            TypeError: an item of another type; with the index.
        """
        questions = check_list("questions", questions)
        if isinstance(contexts, str | Document):
            contexts = [contexts] * len(questions)
        contexts = check_list("contexts", contexts)
        top_k = check_count("top_k", top_k)
        return self._pipeline.answer(questions, contexts, top_k, self._thresholds.resolve(threshold))

    def prepare(self, text: str) -> Document:
        """Tokenize a context once, to ask it often.

        Raises:
            ValueError: the text holds a lone surrogate.
            TypeError: not a text.
        """
        return Document(self._tokenizer.encode(check_type("text", text, str)))

    @overload
    def stream(
        self,
        pairs: Iterable[Pair],
        *,
        top_k: int = 1,
        threshold: Threshold = "reader",
        look_ahead: int = 2048,
        errors: Literal["raise"] = "raise",
    ) -> Iterator[list[Answer]]: ...
    @overload
    def stream(
        self,
        pairs: Iterable[Pair],
        *,
        top_k: int = 1,
        threshold: Threshold = "reader",
        look_ahead: int = 2048,
        errors: Literal["return"],
    ) -> Iterator[list[Answer] | Failure]: ...
    def stream(
        self,
        pairs: Iterable[Pair],
        *,
        top_k: int = 1,
        threshold: Threshold = "reader",
        look_ahead: int = 2048,
        errors: str = "raise",
    ) -> Iterator[list[Answer]] | Iterator[list[Answer] | Failure]:
        """Answer any number of questions, as they come, in bounded memory.

        Pairs are read, tokenized and decoded while others are inferred. A context that comes again soon
        is not tokenized again. When the iterator is closed, or the program is interrupted, inference
        stops.

        Args:
            pairs: question and context, as they come.
            top_k: answers to each question at most, best first.
            threshold: as the reader's; ``"reader"``: that one.
            look_ahead: pairs that are read before their answers come out; more make batches of more equal
                length, fewer make the first answers come sooner.
            errors: ``"raise"``: the first pair that cannot be answered ends the run; ``"return"``: a
                `Failure` takes the place of its answers, and the run goes on.

        Yields:
            The answers to each question, in the order of ``pairs``.

        Raises:
            ValueError, TypeError: as `ask_many`; with the pair's index in the whole run, after the
                answers to all pairs before it. An error of ``pairs`` itself also comes after those.
        """
        threshold = self._thresholds.resolve(threshold)
        stream = Stream(self._pipeline, iter(pairs), top_k, threshold, look_ahead, errors)
        return stream.results() if errors == "return" else stream.answers()

    @overload
    async def ask_async(
        self, question: str, context: str | Document, *, threshold: Threshold = "reader"
    ) -> Answer: ...
    @overload
    async def ask_async(
        self, question: str, context: str | Document, *, top_k: int, threshold: Threshold = "reader"
    ) -> list[Answer]: ...
    async def ask_async(
        self,
        question: str,
        context: str | Document,
        *,
        top_k: int | None = None,
        threshold: Threshold = "reader",
    ) -> Answer | list[Answer]:
        """Answer a question without blocking the event loop, for servers.

        Calls that come at nearly the same time, of any event loops and threads, are answered in batches
        by a thread of the reader's; a call waits 2 ms for others at most. A call that is cancelled or
        fails does not touch the others. Arguments, result and errors are those of `ask`.
        """
        check_type("question", question, str)
        if top_k is not None:
            self._pipeline.check_top_k(check_count("top_k", top_k))
        self._engine.check_process()
        future = self._batcher.submit(question, context, top_k or 1, self._thresholds.resolve(threshold))
        answers = await asyncio.wrap_future(future)
        return answers[0] if top_k is None else answers

    @overload
    def search(  # type: ignore[overload-overlap]
        self,
        question: str,
        passages: Iterable[Passage],
        *,
        top_k: int = 5,
        threshold: Threshold = "reader",
    ) -> SearchResult: ...
    @overload
    def search(
        self,
        question: Iterable[str],
        passages: Iterable[Passage],
        *,
        top_k: int = 5,
        threshold: Threshold = "reader",
    ) -> list[SearchResult]: ...
    def search(
        self,
        question: str | Iterable[str],
        passages: Iterable[Passage],
        *,
        top_k: int = 5,
        threshold: Threshold = "reader",
    ) -> SearchResult | list[SearchResult]:
        """Find the best answers in many passages, in bounded memory.

        Passages are read, tokenized and decoded while others are inferred; of those without one of the
        best answers nothing is kept. A text is tokenized once for all questions of a call, a `Document`
        once for all calls.

        Args:
            question: one question or several; each is asked of every passage.
            passages: texts, Documents, or pairs of an id of yours and one of them; any number of them, also
                from a generator. Blank ones hold no answer.
            top_k: answers to each question at most. Several may come from one passage.
            threshold: an answer whose margin gives it a smaller probability than this to answer the question
                is left out; the best of a passage thus where `ask` gives the null answer. ``"reader"``,
                ``"model"``, None: as for `ask`.

        Returns:
            The answers by ``margin``, best first; of equal ones those of the earlier passage come first, and
            within a passage they are in the order of `ask_many`. Of several questions a list of such results,
            in the order of the questions.

        Raises:
            ValueError: a question without tokens or too long, a text with a lone surrogate, a Document of
                another tokenizer, or ``top_k`` less than 1; with ``questions[i]`` or ``passages[i]``.
            TypeError: an argument or item of another type, likewise.
        """
        single = isinstance(question, str)
        questions = [question] if isinstance(question, str) else check_list("questions", question)
        top_k = check_count("top_k", top_k)
        threshold = self._thresholds.resolve(threshold)
        search = Search(self._pipeline, questions, top_k=top_k, calibration=self.calibration, single=single)
        self._thresholds.warn_uncalibrated("search compares passages by them")
        results = search.run(passages, threshold)
        return results[0] if single else results

    def windows(self, questions: Sequence[str], contexts: Sequence[str | Document]) -> Windows:
        """Make the windows that `ask_many` makes of questions; raises what `Tokenizer.windows` does."""
        return self._pipeline.windows(questions, encoded(contexts))

    def batches(
        self, windows: Windows | NDArray[np.int64], *, streams: int | None = None
    ) -> list[PlannedBatch]:
        """Plan the batches that `ask_many` makes of windows, in the order in which they run.

        Args:
            windows: the windows, or their lengths in tokens, int64[windows].
            streams: batches that run at the same time; None: as many as the engine has.
        """
        return self._pipeline.plan(windows, streams=self._engine.streams if streams is None else streams)

    def close(self) -> None:
        """Stop the thread that `ask_async` started, once it has answered what waits.

        A reader that is freed does so by itself, and one that is closed can still be asked.
        """
        self._batcher.close()

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
