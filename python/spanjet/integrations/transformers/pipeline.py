"""Answer questions through the interface of the pipeline that transformers 5.3 removed."""

from dataclasses import replace
from functools import partial
from typing import Any, Literal

from spanjet._core import Tokenizer
from spanjet.config import DecodeConfig, RuntimeConfig, Threshold, WindowConfig
from spanjet.integrations.transformers.inputs import DataSet, Pair, read_inputs
from spanjet.integrations.transformers.model import load, model_max_length
from spanjet.integrations.transformers.options import (
    Lengths,
    in_their_terms,
    own_settings,
    read_ignored,
    read_options,
    read_precision,
    transformers_settings,
)
from spanjet.integrations.transformers.results import DataSetResults, result, stream
from spanjet.model.load import Model
from spanjet.reader.answer import Answer
from spanjet.reader.dynamic_batching.config import WhenFull
from spanjet.reader.reader import Reader
from spanjet.runtime.warnings import warn_caller
from spanjet.validation import SettingError, check_count

__all__ = ["QuestionAnsweringPipeline", "pipeline"]

AT_ONCE = 1024
"""Number of examples of a list that are answered together; longer lists are streamed."""


def pipeline(
    task: str | None = None, model: Any = None, *, mode: Literal["hf", "global"] = "hf", **options: Any
) -> "QuestionAnsweringPipeline":
    """Make a question-answering pipeline, as `transformers.pipeline` did up to version 5.2.

    Args:
        task: ``"question-answering"``, or None if there is a model.
        model: directory or hub id of a model; None: the bundled model. `QuestionAnsweringPipeline` has more.
        mode: ``"hf"``: the spans and scores of transformers; ``"global"``: those of `Reader`.
        options: further arguments of `QuestionAnsweringPipeline`, such as ``tokenizer`` and ``batch_size``,
            and options of all calls, such as ``top_k`` and ``handle_impossible_answer``.

    Returns:
        A pipeline to call with ``question=`` and ``context=``, see `QuestionAnsweringPipeline`.

    Raises:
        KeyError: the task is another one.
        RuntimeError: there is neither a task nor a model.
        OSError, ValueError, TypeError: as `QuestionAnsweringPipeline`.

    Example:
        >>> import spanjet
        >>> qa = spanjet.pipeline("question-answering")
        >>> result = qa(question="Who built it?", context="The bridge was built by Clara Hansen in 1903.")
        >>> result["answer"], result["start"], result["end"]
        ('Clara Hansen', 24, 36)
    """
    if task is None and model is None:
        raise RuntimeError("expected the task 'question-answering' or a model; found neither")
    if task not in (None, QuestionAnsweringPipeline.task):
        raise KeyError(f"unknown task {task!r}; expected {QuestionAnsweringPipeline.task!r}")
    return QuestionAnsweringPipeline(model, mode=mode, **options)


class QuestionAnsweringPipeline:
    """Answer questions with the calls, options, results and errors of transformers 4.57's pipeline.

    In mode ``"hf"`` spans and scores are those of transformers, fault for fault: each window has a softmax of
    its own, equal texts add up their scores, nothing is calibrated, the question is not cut, and special
    tokens typed in a text are special. Mode ``"global"`` answers as `Reader` does, in the same dictionaries.

    A call takes a question and a context (``question=``, ``context=``), a list of questions and one context
    or as many, an example ``{"question": …, "context": …}`` or a list of them, or a generator or data set of
    examples, which is read on demand. The result of an example is a dictionary of ``score``, ``start`` and
    ``end``, in characters of the context, and ``answer``, its text; with ``top_k`` a list of them, best
    first, unless there is exactly one. Several examples have a list of results, but a list of one question
    has the bare result; a generator has an iterator, and a data set an iterable, which reads it anew each
    time and is as long. An impossible answer has the text "" and the offsets 0.

    Args:
        model: a model directory, checkpoint or hub id, see `spanjet.load_model`; a loaded `Model`; a
            `Reader`, whose model and runtime settings are used; None: the bundled model.
        tokenizer: directory, file or hub id of another tokenizer; None: the model's.
        mode: ``"hf"`` or ``"global"``.
        device: anything but None, "cpu" and -1 is ignored with a warning.
        batch_size: number of examples to read from a generator or data set together; None: one by one.
        torch_dtype: ``float32``, ``bfloat16`` or ``float16``, of torch or as text: precision of what is not
            INT8; None, "auto": OpenVINO's choice for this CPU.
        dtype: newer name of ``torch_dtype``.
        revision: commit, tag or branch of a hub id.
        runtime_config: threads, precision and cache, see `spanjet.RuntimeConfig`.
        options: options of all calls, see `__call__`. Other arguments of transformers are ignored, those that
            would change something there with one warning.

    Raises:
        OSError, ValueError: as `Reader`; or an option is out of range.
        TypeError: an argument has the wrong type, such as a torch model.
    """

    task = "question-answering"

    def __init__(
        self,
        model: Any = None,
        tokenizer: Any = None,
        *,
        mode: Literal["hf", "global"] = "hf",
        device: Any = None,
        batch_size: int | None = None,
        torch_dtype: Any = None,
        dtype: Any = None,
        revision: str | None = None,
        runtime_config: RuntimeConfig | None = None,
        **options: Any,
    ) -> None:
        if mode not in ("hf", "global"):
            raise ValueError(f"mode is {mode!r}; expected 'hf' or 'global'")
        dtype = dtype or torch_dtype
        self.mode = mode
        self._arguments = {
            "model": model,
            "tokenizer": tokenizer,
            "mode": mode,
            "batch_size": batch_size,
            "dtype": dtype,
            "revision": revision,
            "runtime_config": runtime_config,
            **read_options(options),
        }
        self._batch_size = 1 if batch_size is None else check_count("batch_size", batch_size)
        self._options = read_options(options)
        precision = read_precision(dtype)
        if ignored := read_ignored(options, device, dtype):
            found = ", ".join(f"{name}={value!r}" for name, value in ignored.items())
            warn_caller(f"ignored, since spanjet runs on the CPU without torch: {found}", UserWarning)
        if isinstance(model, Reader) and not (tokenizer or precision or runtime_config):
            self.reader = _sharing(model, mode)
        else:
            if runtime_config is None and isinstance(model, Reader):
                runtime_config = model.runtime_config
            if precision is not None:
                runtime_config = replace(runtime_config or RuntimeConfig(), precision=precision)
            self.reader = _loading(load(model, tokenizer, revision), runtime_config, mode)
        loaded = self.reader.model
        self._lengths = Lengths(loaded.max_length, model_max_length(loaded.tokenizer) or loaded.max_length)
        self._configured(self._options)

    @property
    def model(self) -> Model:
        """The model, its directory and its card."""
        return self.reader.model

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer."""
        return self.reader.tokenizer

    @property
    def device(self) -> str:
        """The device: always "cpu"."""
        return "cpu"

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Answer questions.

        Args:
            arguments: a question and a context, an example, several, or an iterable of them.
            keywords: ``question`` and ``context``; or ``X`` or ``data`` with the examples; and options, here
                with transformers' defaults: ``top_k`` or ``topk`` (1), ``max_answer_len`` in tokens (15),
                ``max_seq_len``, tokens of a window (384, or the model's limit), ``doc_stride``, tokens that
                neighbouring windows share (128, or half a window), ``handle_impossible_answer`` (False),
                ``align_to_words`` (True), ``batch_size``. ``max_question_len`` and ``padding`` change
                nothing, as in transformers with its fast tokenizers. In mode ``"global"`` the defaults are
                those of `WindowConfig` and `DecodeConfig`, a question is cut to ``max_question_len``, and
                ``handle_impossible_answer`` applies the model's threshold. Unknown keywords are ignored.

        Returns:
            See the class.

        Raises:
            ValueError: the arguments cannot be understood, an option is out of range, a text is None or
                empty, or a question leaves no room for the context.
            KeyError: an example lacks a question or context.
            TypeError: a question or context is no text, or a number is no integer.
        """
        options = {**self._options, **read_options(keywords)}
        reader, threshold = self._configured(options)
        top_k = options.get("top_k", 1)
        batch_size = keywords.get("batch_size")
        batch_size = self._batch_size if batch_size is None else check_count("batch_size", batch_size)
        inputs = read_inputs(arguments, keywords)
        if isinstance(inputs, tuple):
            return result(reader.ask(*inputs, top_k=top_k, threshold=threshold))
        answer = partial(stream, reader=reader, top_k=top_k, threshold=threshold)
        if isinstance(inputs, list):
            if len(inputs) > AT_ONCE:
                return list(answer(inputs, look_ahead=2 * AT_ONCE))
            return _results(reader.ask_many(*_unzipped(inputs), top_k=top_k, threshold=threshold))
        answer = partial(answer, look_ahead=1 if batch_size == 1 else 2 * batch_size)
        return DataSetResults(inputs, answer) if isinstance(inputs, DataSet) else answer(inputs)

    async def call_async(self, *arguments: Any, when_full: WhenFull = "wait", **keywords: Any) -> Any:
        """Answer questions without blocking the event loop, for servers.

        Args:
            arguments: as for a call; not a generator or a data set.
            when_full: what to do if the queue is full, see `Reader.ask_async`.
            keywords: as for a call.

        Returns:
            What a call returns.

        Raises:
            Overloaded: the call is refused.
            ValueError, KeyError, TypeError: as a call.
        """
        options = {**self._options, **read_options(keywords)}
        reader, threshold = self._configured(options)
        inputs = read_inputs(arguments, keywords)
        if not isinstance(inputs, tuple | list):
            raise ValueError("expected examples or a list of them, found a generator or a data set")
        pairs = [inputs] if isinstance(inputs, tuple) else inputs
        found = await reader.ask_many_async(
            *_unzipped(pairs), top_k=options.get("top_k", 1), threshold=threshold, when_full=when_full
        )
        return result(found[0]) if isinstance(inputs, tuple) else _results(found)

    def reader_for(self, **options: Any) -> Reader:
        """Return the reader that answers calls with some options.

        Args:
            options: as for a call.

        Raises:
            ValueError, TypeError: as a call.
        """
        return self._configured({**self._options, **read_options(options)})[0]

    def predict(self, X: Any) -> Any:  # noqa: N803  (as scikit-learn calls it)
        """Answer questions, under the name that scikit-learn uses."""
        return self(X)

    def transform(self, X: Any) -> Any:  # noqa: N803  (as scikit-learn calls it)
        """Answer questions, under the name that scikit-learn uses."""
        return self(X)

    def __repr__(self) -> str:
        return f"QuestionAnsweringPipeline({str(self.model.path)!r}, mode={self.mode!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self._arguments,)

    def __copy__(self) -> "QuestionAnsweringPipeline":
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> "QuestionAnsweringPipeline":
        return self

    def _configured(self, options: dict[str, Any]) -> tuple[Reader, Threshold]:
        """Return the reader and the threshold for some options."""
        settings_of = transformers_settings if self.mode == "hf" else own_settings
        try:
            windows, decoding = settings_of(options, self._lengths)
            reader = self.reader.with_config(window_config=windows, decode_config=decoding)
        except SettingError as error:
            raise in_their_terms(error) from None
        can_abstain = self.mode == "global" and options.get("handle_impossible_answer")
        return reader, "model" if can_abstain else None


def _again(arguments: dict[str, Any]) -> QuestionAnsweringPipeline:
    return QuestionAnsweringPipeline(**arguments)


def _sharing(reader: Reader, mode: str) -> Reader:
    """Make a reader that shares the engine of another."""
    return reader.with_config(
        window_config=WindowConfig.fitting(reader.model.max_length),
        decode_config=DecodeConfig(),
        match_special_tokens=mode == "hf",
    )


def _loading(model: Model, runtime_config: RuntimeConfig | None, mode: str) -> Reader:
    return Reader(model, runtime_config=runtime_config, match_special_tokens=mode == "hf")


def _unzipped(pairs: list[Pair]) -> tuple[list[str], list[str]]:
    return [question for question, _ in pairs], [context for _, context in pairs]


def _results(found: list[list[Answer]]) -> list[Any]:
    return [result(answers) for answers in found]
