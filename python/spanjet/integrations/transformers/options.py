"""Convert the options of transformers' pipeline to settings of windows and decoding."""

from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral
from typing import Any, Literal, NamedTuple

from spanjet.config import DecodeConfig, WindowConfig
from spanjet.validation import MOST, SettingError

__all__ = [
    "Lengths",
    "Precision",
    "Settings",
    "in_their_terms",
    "own_settings",
    "read_ignored",
    "read_options",
    "read_precision",
    "transformers_settings",
]

Precision = Literal["f32", "bf16", "f16"]

Settings = tuple[WindowConfig, DecodeConfig]


class Lengths(NamedTuple):
    """Maximum lengths of a sequence in tokens.

    Attributes:
        model: number of positions of the model.
        tokenizer: limit of the tokenizer's settings.
    """

    model: int
    tokenizer: int


OPTIONS = (
    "align_to_words",
    "doc_stride",
    "handle_impossible_answer",
    "max_answer_len",
    "max_question_len",
    "max_seq_len",
    "top_k",
)
"""Options of a call, which the constructor takes too."""

WITHOUT_MEANING = (
    "binary_output",
    "config",
    "device_map",
    "feature_extractor",
    "framework",
    "image_processor",
    "model_kwargs",
    "modelcard",
    "num_workers",
    "processor",
    "token",
    "trust_remote_code",
    "use_auth_token",
    "use_fast",
)
"""Arguments of transformers that mean nothing here."""

PRECISIONS: dict[str, Precision] = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}

MAX_SEQ_LEN = 384

NAMES = {
    "max_answer_length": "max_answer_len",
    "max_length": "max_seq_len",
    "max_question_length": "max_question_len",
}
"""Names of transformers for settings of spanjet, if they differ."""


def read_options(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options among keywords that are not None, by their newer names.

    Raises:
        ValueError: ``top_k`` or ``max_answer_len`` is less than 1.
        TypeError: a number is no integer.
    """
    options = {name: keywords[name] for name in OPTIONS if keywords.get(name) is not None}
    if keywords.get("topk") is not None:
        options.setdefault("top_k", keywords["topk"])
    for name in ("doc_stride", "max_answer_len", "max_seq_len", "top_k"):
        if name in options:
            options[name] = _integer(name, options[name])
    for name in ("top_k", "max_answer_len"):
        if options.get(name, 1) < 1:
            raise ValueError(f"{name} is {options[name]}; expected at least 1")
        if name in options:
            options[name] = min(options[name], MOST)  # such as sys.maxsize, for all that there are
    return options


def read_ignored(keywords: Mapping[str, Any], device: Any, dtype: Any) -> dict[str, Any]:
    """Return the arguments that mean nothing on a CPU without torch."""
    ignored = {name: keywords[name] for name in WITHOUT_MEANING if keywords.get(name) is not None}
    if device is not None and str(device) not in ("cpu", "-1"):
        ignored["device"] = device
    if dtype not in (None, "auto") and read_precision(dtype) is None:
        ignored["torch_dtype"] = dtype
    return ignored


def read_precision(dtype: Any) -> Precision | None:
    """Return the precision that a dtype of torch or its name means; None for None, ``"auto"`` and others."""
    return PRECISIONS.get(str(dtype).removeprefix("torch."))


def transformers_settings(options: Mapping[str, Any], lengths: Lengths) -> Settings:
    """Return the settings of mode ``"hf"``, with transformers' defaults.

    Args:
        options: options of the call.
        lengths: limits of the model and its tokenizer.
    """
    decoding = DecodeConfig(
        mode="hf",
        max_answer_length=options.get("max_answer_len", 15),
        align_to_words=bool(options.get("align_to_words", True)),
        handle_impossible_answer=bool(options.get("handle_impossible_answer", False)),
    )
    return _transformers_windows(options, lengths), decoding


def own_settings(options: Mapping[str, Any], lengths: Lengths) -> Settings:
    """Return the settings of mode ``"global"``: spanjet's own, where no option says otherwise."""
    if "max_seq_len" in options or "doc_stride" in options:
        windows = _transformers_windows(options, lengths)
    else:
        windows = WindowConfig.fitting(lengths.model)
    most = _integer("max_question_len", options.get("max_question_len", WindowConfig().max_question_length))
    default = DecodeConfig()
    decoding = DecodeConfig(
        max_answer_length=options.get("max_answer_len", default.max_answer_length),
        align_to_words=bool(options.get("align_to_words", default.align_to_words)),
    )
    return replace(windows, max_question_length=most, allow_empty=True), decoding


def in_their_terms(error: SettingError) -> SettingError:
    """Call the setting of an error as transformers does."""
    return SettingError(NAMES.get(error.name, error.name), error.value, error.expected)


def _integer(name: str, value: Any) -> int:
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(f"{name} is {value!r}; expected an integer")
    return int(value)


def _transformers_windows(options: Mapping[str, Any], lengths: Lengths) -> WindowConfig:
    length = options.get("max_seq_len", min(lengths.tokenizer, MAX_SEQ_LEN))
    doc_stride = options.get("doc_stride", min(length // 2, 128))
    if doc_stride > length:
        raise ValueError(f"doc_stride is {doc_stride}; expected at most the max_seq_len of {length}")
    return WindowConfig(
        # A model of transformers fails on a longer text.
        max_length=min(length, lengths.model),
        doc_stride=doc_stride,
        convention="overlap",
        max_question_length=None,
        allow_empty=True,
    )
