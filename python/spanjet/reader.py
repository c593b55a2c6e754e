"""Answers out of text: prepare (tokens and windows), infer (logits), decode (spans)."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from spanjet import _core
from spanjet.config import DecodeConfig, RuntimeConfig, WindowConfig
from spanjet.schedule import schedule

if TYPE_CHECKING:
    from spanjet.checkpoint import LoadedModel

__all__ = ["BUNDLED_MODEL", "Answer", "Document", "Reader"]

_T = TypeVar("_T")

BUNDLED_MODEL = Path(__file__).parent / "models" / "minilm-l6-squad-int8"


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


class Reader:
    """Reads answers out of text with an extractive question-answering model.

    A reader may be shared between threads, and results depend on neither threads, batches nor
    neighbours, beyond float rounding. The model is compiled when the first question comes.

    Args:
        model: a model directory (INT8 or a Hugging Face checkpoint, see
            `spanjet.checkpoint.load_model`), or a loaded model; None: the bundled INT8 MiniLM.
        windows: how a context is cut into windows; default: ``WindowConfig()``.
        decode: how logits become answers; default: ``DecodeConfig()``.
        runtime: threads, streams, precision, cache; default: ``RuntimeConfig()``.
        match_special_tokens: whether ``[SEP]`` and its like, typed in a text, become those tokens. The
            default takes them as plain text, which is what untrusted text needs.

    Raises:
        OSError: a file of the model is missing or cannot be read.
        ValueError: the model is malformed, or ``windows.max_length`` is more than it can read.
        TypeError: an argument of another type.
    """

    def __init__(
        self,
        model: "str | os.PathLike[str] | LoadedModel | None" = None,
        *,
        windows: WindowConfig | None = None,
        decode: DecodeConfig | None = None,
        runtime: RuntimeConfig | None = None,
        match_special_tokens: bool = False,
    ) -> None:
        # OpenVINO takes 200 ms to import, which `import spanjet` need not pay.
        import spanjet.telemetry  # noqa: F401, PLC0415
        from spanjet.checkpoint import LoadedModel, load_model  # noqa: PLC0415
        from spanjet.runtime import Runtime  # noqa: PLC0415

        windows = _checked("windows", WindowConfig() if windows is None else windows, WindowConfig)
        decode = _checked("decode", DecodeConfig() if decode is None else decode, DecodeConfig)
        runtime = _checked("runtime", RuntimeConfig() if runtime is None else runtime, RuntimeConfig)
        if model is None:
            model = BUNDLED_MODEL
        loaded = model if isinstance(model, LoadedModel) else load_model(model)
        self._model = loaded
        self._window_config = windows
        self._decode_config = decode
        self._runtime_config = runtime
        self._tokenizer = _core.Tokenizer(
            loaded.tokenizer, match_special_tokens=match_special_tokens, threads=runtime.threads
        )
        _check_fit(loaded, self._tokenizer, windows)
        self._engine = Runtime(loaded.model, runtime)

    @property
    def tokenizer(self) -> _core.Tokenizer:
        """The model's tokenizer."""
        return self._tokenizer

    @property
    def model(self) -> "LoadedModel":
        """The model, its directory and its card."""
        return self._model

    @property
    def windows(self) -> WindowConfig:
        """How a context is cut into windows."""
        return self._window_config

    @property
    def decode(self) -> DecodeConfig:
        """How logits become answers."""
        return self._decode_config

    @property
    def runtime(self) -> RuntimeConfig:
        """How the model runs."""
        return self._runtime_config

    def ask(self, question: str, context: str | Document) -> Answer:
        """The best answer to one question.

        Raises:
            ValueError: question or context has no tokens or holds a lone surrogate.
            TypeError: another type.
        """
        return self.ask_many([_checked("question", question, str)], context)[0][0]

    def ask_many(
        self, questions: Sequence[str], contexts: Sequence[str | Document] | str | Document, *, top_k: int = 1
    ) -> list[list[Answer]]:
        """The best answers to many questions, which run in batches of like length.

        Args:
            questions: the questions.
            contexts: one context for each question, or one text or document for all of them.
            top_k: answers to each question at most, best first; there are fewer only where the context
                has fewer distinct spans.

        Returns:
            The answers to each question, at least one, in the order of ``questions``.

        Raises:
            ValueError: different numbers of questions and contexts, a question or context without
                tokens or with a lone surrogate, or ``top_k`` less than 1; with the index.
            TypeError: an item of another type; with the index.
        """
        questions = _listed("questions", questions)
        if isinstance(contexts, str | Document):
            contexts = [contexts] * len(questions)
        contexts = _listed("contexts", contexts)
        top_k = _checked("top_k", top_k, int)
        windows = self._prepare(questions, contexts)
        start_logits, end_logits = self._infer(windows)
        spans = self._decode(windows, start_logits, end_logits, top_k)
        return _answers(contexts, spans)

    def prepare(self, text: str) -> Document:
        """Tokenize a context once, to ask it often.

        Raises:
            ValueError: the text holds a lone surrogate.
            TypeError: not a text.
        """
        return Document(text, self._tokenizer.encode(_checked("text", text, str)))

    def stream(
        self, pairs: Iterable[tuple[str, str | Document]], *, top_k: int = 1, look_ahead: int = 512
    ) -> Iterator[list[Answer]]:
        """Answer an endless or long run of questions in bounded memory.

        Args:
            pairs: question and context, as they come.
            top_k: answers to each question at most, best first.
            look_ahead: pairs that are read before their answers come out; more of them make batches of
                more equal length.

        Yields:
            The answers to each question, in the order of ``pairs``.

        Raises:
            ValueError, TypeError: as `ask_many`; with the pair's index in the whole run, after the
                answers to all pairs before it.
        """
        if _checked("look_ahead", look_ahead, int) < 1:
            raise ValueError(f"look_ahead is {look_ahead}; expected at least 1")
        return self._stream(iter(pairs), top_k, look_ahead)

    def _stream(
        self, pairs: Iterator[tuple[str, str | Document]], top_k: int, look_ahead: int
    ) -> Iterator[list[Answer]]:
        first = 0
        while chunk := list(islice(pairs, look_ahead)):
            try:
                questions, contexts = _unzip(chunk)
                answers = self.ask_many(questions, contexts, top_k=top_k)
            except (ValueError, TypeError):
                yield from self._stream_to_error(chunk, first, top_k)
                raise
            yield from answers
            first += len(chunk)

    def _stream_to_error(
        self, chunk: list[tuple[str, str | Document]], first: int, top_k: int
    ) -> Iterator[list[Answer]]:
        """Answer the pairs before the first that cannot be prepared, then raise its error.

        Ends without an answer where the pairs are not the reason.
        """
        for position, pair in enumerate(chunk):
            error = self._preparation_error(pair)
            if error is not None:
                if position:
                    yield from self.ask_many(*_unzip(chunk[:position]), top_k=top_k)
                kind = TypeError if isinstance(error, TypeError) else ValueError
                raise kind(f"pair {first + position}: {error}") from None

    def _preparation_error(self, pair: tuple[str, str | Document]) -> ValueError | TypeError | None:
        try:
            self._prepare(*_unzip([pair]))
        except (ValueError, TypeError) as error:
            return error
        return None

    def _prepare(self, questions: list[str], contexts: list[str | Document]) -> _core.Windows:
        return self._tokenizer.windows(
            questions,
            [context.encoding if isinstance(context, Document) else context for context in contexts],
            max_length=self._window_config.max_length,
            doc_stride=self._window_config.doc_stride,
            convention=self._window_config.convention,
            max_question_length=self._window_config.max_question_length,
        )

    def _infer(self, windows: _core.Windows) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Start and end logits, float32[total] each, ragged as ``windows.ids``."""
        batches = schedule(
            np.diff(windows.indptr),
            batch_tokens=self._runtime_config.batch_tokens,
            length_multiple=self._runtime_config.length_multiple,
            max_length=self._model.max_length,
        )
        start = np.empty(len(windows.ids), np.float32)
        end = np.empty_like(start)
        inputs = (windows.batch(rows, length=length) for rows, length in batches)
        logits = self._engine.run(inputs, hint="LATENCY" if len(batches) == 1 else "THROUGHPUT")
        for (rows, _), (start_logits, end_logits) in zip(batches, logits, strict=True):
            windows.scatter(rows, start_logits, start)
            windows.scatter(rows, end_logits, end)
        return start, end

    def _decode(
        self, windows: _core.Windows, start: NDArray[np.float32], end: NDArray[np.float32], top_k: int
    ) -> _core.Spans:
        config = self._decode_config
        return _core.decode(
            windows,
            start,
            end,
            mode=config.mode,
            top_k=top_k,
            n_best=config.n_best,
            max_answer_length=config.max_answer_length,
            null_threshold=config.null_threshold,
        )


def _check_fit(model: "LoadedModel", tokenizer: _core.Tokenizer, windows: WindowConfig) -> None:
    """Check that every id and position of a window has its row in the model's tables."""
    if windows.max_length > model.max_length:
        raise ValueError(
            f"WindowConfig.max_length is {windows.max_length}; expected at most {model.max_length}, the "
            f"positions of the model {model.path}"
        )
    if tokenizer.vocab_size > model.vocab_size:
        raise ValueError(
            f"{model.tokenizer}: {tokenizer.vocab_size} ids; expected at most {model.vocab_size}, the "
            f"vocabulary of the model {model.path}"
        )


def _answers(contexts: list[str | Document], spans: _core.Spans) -> list[list[Answer]]:
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


def _unzip(pairs: list[tuple[str, str | Document]]) -> tuple[list[str], list[str | Document]]:
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(f"expected (question, context), found {pair!r:.60}")
    return [question for question, _ in pairs], [context for _, context in pairs]


def _listed(name: str, values: Sequence[_T]) -> list[_T]:
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise TypeError(f"{name}: expected a sequence of texts, found {type(values).__name__}")
    return list(values)


def _checked(name: str, value: _T, expected: type[_T]) -> _T:
    if not isinstance(value, expected):
        raise TypeError(f"{name}: expected {expected.__name__}, found {type(value).__name__}")
    return value
