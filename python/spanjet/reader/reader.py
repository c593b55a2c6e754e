"""Read answers out of text with one model."""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, overload

import numpy as np
from numpy.typing import NDArray

from spanjet._core import Windows
from spanjet.config import DecodeConfig, RuntimeConfig, Threshold, WindowConfig
from spanjet.model.load import Model
from spanjet.reader.answer import Answer, Document, Failure
from spanjet.reader.batching import PlannedBatch
from spanjet.reader.cascade.config import CascadeConfig
from spanjet.reader.dynamic_batching.async_reading import AsyncReading
from spanjet.reader.dynamic_batching.config import QueueConfig
from spanjet.reader.parts import Settings
from spanjet.reader.passages import Passage, SearchResult
from spanjet.reader.pipeline import Pair, encoded
from spanjet.reader.stream import Stream
from spanjet.validation import check_config, check_count, check_list, check_type

__all__ = ["Reader"]


class Reader(AsyncReading):
    """Read answers out of text with an extractive question-answering model.

    On one machine, an answer and its scores do not depend, to the bit, on what else is asked, the order, the
    way of asking, threads, streams, batches or what `spanjet tune` found. A reader may be shared between
    threads. The model is compiled when the first question comes. A reader that is pickled crosses as its
    model's path and settings, and reads the model again when it is first used; a copy is the reader itself.

    Args:
        model: a model directory (INT8 or a Hugging Face checkpoint, see
            `spanjet.model.load_model`), or a loaded model; None: the bundled INT8 reader.
        first: a smaller model, given likewise, that reads all windows of long texts and of many passages,
            so that ``model`` need only read the best of them (see `CascadeConfig`); None: ``model`` reads
            all.
        threshold: minimum probability that a text answers a question, 0 to 1, below which the null answer is
            given; ``"model"``: the one in the model's card, if there is one; None: always answer with a span.
            Each call may override it.
        window_config: settings of the windows; default: ``WindowConfig()``, with shorter windows if the
            model's maximum length is less.
        decode_config: settings of decoding; default: ``DecodeConfig()``.
        runtime_config: threads, streams, precision and cache; default: ``RuntimeConfig()``. Fields of None
            take the values that `spanjet tune` found on this machine.
        queue_config: limits of the queue of `ask_async`; default: ``QueueConfig()``.
        cascade_config: number of windows that ``model`` reads where ``first`` is given; default:
            ``CascadeConfig()``.
        match_special_tokens: convert special tokens such as ``[SEP]`` in a text to those tokens. By default
            they are plain text, which is safe for untrusted input.

    Raises:
        OSError: a file of the model is missing or cannot be read.
        ValueError: the model or its card is malformed, its tokenizer does not fit it,
            ``window_config.max_length`` exceeds its maximum length, the threshold is not a probability or the
            mode takes none, or ``runtime_config.threads`` is more than 1,024.
        ImportError: ``model`` is a hub id, and the hub's client is not installed.
        TypeError: an argument has the wrong type.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | Model | None = None,
        *,
        first: str | os.PathLike[str] | Model | None = None,
        threshold: Threshold = "model",
        window_config: WindowConfig | None = None,
        decode_config: DecodeConfig | None = None,
        runtime_config: RuntimeConfig | None = None,
        queue_config: QueueConfig | None = None,
        cascade_config: CascadeConfig | None = None,
        match_special_tokens: bool = False,
    ) -> None:
        settings = Settings(
            model=model,
            first=first,
            threshold=threshold,
            window_config=None
            if window_config is None
            else check_type("window_config", window_config, WindowConfig),
            decode_config=check_config("decode_config", decode_config, DecodeConfig),
            runtime_config=check_config("runtime_config", runtime_config, RuntimeConfig),
            queue_config=check_config("queue_config", queue_config, QueueConfig),
            cascade_config=check_config("cascade_config", cascade_config, CascadeConfig),
            match_special_tokens=match_special_tokens,
        )
        super().__init__(settings)

    def with_config(
        self,
        *,
        window_config: WindowConfig | None = None,
        decode_config: DecodeConfig | None = None,
        cascade_config: CascadeConfig | None = None,
        match_special_tokens: bool | None = None,
    ) -> "Reader":
        """Return a reader with other settings, which shares this one's loaded models, threads and queue.

        Args:
            window_config: as for the reader; None: this reader's own.
            decode_config: likewise.
            cascade_config: likewise.
            match_special_tokens: likewise.

        Raises:
            ValueError, TypeError: as `Reader`.
        """
        windows = self.window_config if window_config is None else window_config
        decoding = self.decode_config if decode_config is None else decode_config
        cascade = self.cascade_config if cascade_config is None else cascade_config
        match = self._settings.match_special_tokens if match_special_tokens is None else match_special_tokens
        return self._sibling(
            window_config=check_type("window_config", windows, WindowConfig),
            decode_config=check_type("decode_config", decoding, DecodeConfig),
            cascade_config=check_type("cascade_config", cascade, CascadeConfig),
            match_special_tokens=match,
        )

    def __repr__(self) -> str:
        parts = self._parts
        first = "" if parts.first is None else f", first={str(parts.first.model.path)!r}"
        return f"Reader({str(parts.model.path)!r}{first}, threshold={self.threshold})"

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
            context: the text to find the answer in.
            top_k: maximum number of answers, returned as a list, best first; None: the best answer alone.
            threshold: as for the reader; ``"reader"``: the reader's own.

        Returns:
            The best answer, or the null answer (``is_null``) below the threshold; with ``top_k`` a list, as
            from `ask_many`.

        Raises:
            ValueError: question or context has no tokens or has a lone surrogate, ``top_k`` is less than 1,
                or the threshold is not a probability.
            TypeError: an argument has the wrong type.

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
        """Answer many questions in batches of similar length.

        Args:
            questions: the questions.
            contexts: one context for each question, or one text or document for all of them.
            top_k: maximum number of answers per question, best first, including the null answer if it is
                first; there are fewer only if the context has fewer distinct spans.
            threshold: as for the reader; ``"reader"``: the reader's own.

        Returns:
            The answers to each question, at least one, in the order of ``questions``.

        Raises:
            ValueError: questions and contexts differ in number; a question or context has no tokens or has a
                lone surrogate, a question leaves no room, or a document is of another tokenizer (with the
                index, where there are several); ``top_k`` is less than 1, or in mode ``squad`` more than
                ``n_best``.
            TypeError: an item has the wrong type; likewise with the index.
            RuntimeError: the process was forked after the reader had run its model.

        Warns:
            QuestionCut: a question was cut to ``max_question_length`` tokens.
            Uncalibrated: a first model is not calibrated with this one.
        """
        questions = check_list("questions", questions)
        if isinstance(contexts, str | Document):
            contexts = [contexts] * len(questions)
        contexts = check_list("contexts", contexts)
        top_k = check_count("top_k", top_k)
        return self._pipeline.answer(questions, contexts, top_k, threshold)

    def prepare(self, text: str) -> Document:
        """Tokenize a context once for many questions.

        Raises:
            ValueError: the text has a lone surrogate, or a character that the tokenizer has no token for.
            TypeError: the text is not a string.
        """
        return self._pipeline.prepare(check_type("text", text, str))

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
        """Answer a stream of any number of questions in bounded memory.

        Pairs are read, tokenized and decoded while inference runs on others. A context that repeats soon is
        not tokenized again. Inference stops when the iterator is closed or the program is interrupted.

        Args:
            pairs: pairs of question and context, read on demand.
            top_k: maximum number of answers per question, best first.
            threshold: as for the reader; ``"reader"``: the reader's own.
            look_ahead: number of pairs to read ahead; more give batches with less padding, fewer give the
                first answers sooner.
            errors: ``"raise"``: raise the error of the first pair that cannot be answered; ``"return"``:
                yield a `Failure` instead of its answers, and continue.

        Yields:
            The answers to each question, in the order of ``pairs``.

        Raises:
            ValueError, TypeError: as `ask_many`; with the pair's index in the whole stream, after the answers
                to all pairs before it. An error of ``pairs`` itself is also raised after those.
        """
        if not isinstance(pairs, Iterable):
            raise TypeError(f"pairs: expected an iterable of pairs, found {type(pairs).__name__}")
        stream = Stream(self._pipeline, iter(pairs), top_k, threshold, look_ahead, errors)
        return stream.results() if errors == "return" else stream.answers()

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

        Passages are read, tokenized and decoded while inference runs on others, and those without one of the
        best answers are discarded. A text is tokenized once for all questions of a call, a `Document` once
        for all calls. With a first model, that one reads all passages, and the best windows of all of them
        are reread.

        Args:
            question: one question or several, each of which is asked of every passage.
            passages: any number of texts or Documents, or pairs of an id and one of them, also from a
                generator. Blank ones have no answer.
            top_k: maximum number of answers per question, of which several may be from one passage.
            threshold: answers whose probability of answering the question, by their margin, is below this are
                omitted; the best of a passage is thus omitted if `ask` gives the null answer. ``"reader"``,
                ``"model"``, None: as for `ask`.

        Returns:
            The answers by ``margin``, best first; ties are in the order of the passages, and answers of a
            passage in the order of `ask_many`. For several questions a list of such results, in the order of
            the questions.

        Raises:
            ValueError: a question has no tokens or is too long, a text has a lone surrogate, a Document is of
                another tokenizer, ``top_k`` is less than 1, or the mode is ``"hf"``; the message has
                ``questions[i]`` or ``passages[i]``.
            TypeError: an argument or item has the wrong type, likewise.

        Example:
            >>> reader = spanjet.Reader()
            >>> passages = [("park", "The park is old."), ("bridge", "The bridge was built by Clara Hansen.")]
            >>> [(each.passage_id, each.text) for each in reader.search("Who built the bridge?", passages)]
            [('bridge', 'Clara Hansen')]
        """
        single = isinstance(question, str)
        questions = [question] if isinstance(question, str) else check_list("questions", question)
        search = self._new_search(questions, top_k, single=single)
        threshold = self._parts.thresholds.resolve(threshold)
        results = search.run(passages, threshold)
        return results[0] if single else results

    def windows(self, questions: Sequence[str], contexts: Sequence[str | Document]) -> Windows:
        """Make the windows of questions as `ask_many` does, with the errors of `Tokenizer.windows`.

        With a first model they are those of ``model``, of which it rereads some.
        """
        return self._pipeline.windows(questions, encoded(contexts))

    def batches(
        self, windows: Windows | NDArray[np.int64], *, streams: int | None = None
    ) -> list[PlannedBatch]:
        """Plan the batches of windows, in the order in which they run.

        `ask_many` plans them so where they fill more than one batch; less is planned for a single stream.

        Args:
            windows: the windows, or their lengths in tokens, int64[windows].
            streams: number of parallel streams; None: the engine's.

        Raises:
            TypeError: ``windows`` is neither.
        """
        if not isinstance(windows, Windows | np.ndarray):
            raise TypeError(
                f"windows: expected Windows or an array of their lengths, found {type(windows).__name__}"
            )
        return self._pipeline.plan(
            windows, streams=self._parts.engine.streams if streams is None else streams
        )

    def close(self) -> None:
        """Stop the threads of `ask_async` after the waiting questions are answered.

        A reader that is freed closes itself, and a closed one can still be asked.
        """
        if self._parts.first is not None:
            self._parts.first.batcher.close()
        self._parts.batcher.close()

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
