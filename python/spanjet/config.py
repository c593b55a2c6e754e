"""Define the settings of a reader, validated on construction."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from spanjet._core import DECODE_MODES
from spanjet.validation import (
    SettingError,
    check_bool,
    check_choice,
    check_integer,
    check_number,
    check_threshold,
)

__all__ = [
    "TUNED_DEFAULTS",
    "Calibration",
    "DecodeConfig",
    "DecodeMode",
    "RuntimeConfig",
    "Threshold",
    "WindowConfig",
    "default_cache_dir",
]

DecodeMode = Literal["global", "squad", "hf"]
"""Decoding mode, one of `spanjet._core.DECODE_MODES`."""

Threshold = float | Literal["model", "reader"] | None
"""Minimum probability that the text answers the question; below it, the null answer is given.

``"model"``: the one in the model's card, if there is one; ``"reader"``: the reader's own; None: always answer
with a span.
"""

SPECIAL_TOKENS, MOST_SPECIAL_TOKENS = 3, 4
"""Minimum and maximum number of special tokens of a window: BERT's and RoBERTa's."""


def default_cache_dir() -> Path | None:
    """Return the directory for compiled models: ``$XDG_CACHE_HOME/spanjet`` or ``~/.cache/spanjet``.

    A relative ``XDG_CACHE_HOME`` is ignored, as the XDG Base Directory Specification requires. None if the
    user has no home directory, which is never created.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():
        try:
            home = Path.home()
            if not (home.is_absolute() and home.is_dir()):
                return None
        except (RuntimeError, OSError):
            return None
        base = home / ".cache"
    return base / "spanjet"


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowConfig:
    """Settings for cutting a context into windows (see `Tokenizer.windows`).

    Attributes:
        max_length: maximum number of tokens of a window, including special tokens.
        doc_stride: tokens between the starts of two windows (``advance``) or shared by both (``overlap``). On
            texts of 2,000 tokens, 256 instead of 128 takes 0.54 of the time and lowers F1 by 1.5
            (docs/long-texts.md).
        convention: ``"advance"`` as in run_squad.py (Devlin et al. 2019) and MLPerf, or ``"overlap"``,
            which Hugging Face calls ``stride``.
        max_question_length: maximum number of tokens of a question; the rest is cut off. None: no limit.
        allow_empty: allow questions and contexts without tokens; such a context has no answer.

    Raises:
        TypeError: a field has the wrong type.
        ValueError: a field is out of range.
    """

    max_length: int = 384
    doc_stride: int = 128
    convention: Literal["advance", "overlap"] = "advance"
    max_question_length: int | None = 64
    allow_empty: bool = False

    def __post_init__(self) -> None:
        check_integer(self, "max_length", minimum=SPECIAL_TOKENS + 2)
        check_choice(self, "convention", ("advance", "overlap"))
        check_integer(self, "doc_stride", minimum=1 if self.convention == "advance" else 0)
        check_integer(self, "max_question_length", minimum=1, optional=True)
        check_bool(self, "allow_empty")
        room = self.max_length - SPECIAL_TOKENS - 1  # of a context, beside a question of one token
        if self.convention == "overlap" and self.doc_stride >= room:
            expected = f"less than {room}, the text of a window of {self.max_length} tokens"
            raise SettingError("doc_stride", self.doc_stride, expected, type(self).__name__)

    @classmethod
    def fitting(cls, max_length: int) -> "WindowConfig":
        """Return the default settings, limited to a model's ``max_length``."""
        return cls(max_length=min(cls().max_length, max_length))

    def arguments(self) -> dict[str, Any]:
        """Return the settings as arguments of `Tokenizer.windows`."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class DecodeConfig:
    """Settings for decoding logits to answers (see `spanjet.decode_spans`).

    Attributes:
        mode: ``"global"``: one list of candidates over all windows of a question; ``"squad"``: the
            rules of run_squad.py (Devlin et al. 2019), as MLPerf uses them; ``"hf"``: those of the
            question-answering pipeline of transformers 4.57, whose scores are not calibrated and which has
            no threshold (see `spanjet.pipeline`).
        n_best: number of candidates that scores are normalised over.
        max_answer_length: maximum number of tokens of an answer.
        overlap: also return spans that overlap a better one; modes ``squad`` and ``hf`` always do.
        align_to_words: extend answers to whole words (Unicode Standard Annex 29), otherwise to whole
            graphemes; mode ``hf`` to the tokenizer's words, otherwise not at all; mode ``squad`` returns the
            text of the tokens.
        handle_impossible_answer: rank the null answer among the others by its score; only in mode ``hf``.

    Raises:
        TypeError: a field has the wrong type.
        ValueError: a field is out of range.
    """

    mode: DecodeMode = "global"
    n_best: int = 20
    max_answer_length: int = 30
    overlap: bool = False
    align_to_words: bool = True
    handle_impossible_answer: bool = False

    def __post_init__(self) -> None:
        check_choice(self, "mode", DECODE_MODES)
        check_integer(self, "n_best", minimum=1)
        check_integer(self, "max_answer_length", minimum=1)
        for name in ("overlap", "align_to_words", "handle_impossible_answer"):
            check_bool(self, name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """Parameters that convert logits to probabilities, fitted by `spanjet calibrate`.

    The margin of a span is its logit minus the null logit of its window. The probability that a text answers
    a question is the logistic function of ``slope * best margin + intercept`` (Platt 1999); the candidates
    share it by a softmax of margin / temperature (Guo et al. 2017, arXiv 1706.04599).

    Attributes:
        slope: slope of the logistic function, at least 0; no parameter is beyond 1e30.
        intercept: intercept of the logistic function.
        temperature: temperature of the softmax, at least 1e-30.
        sentence_margin: penalty on the margin of a span that crosses a sentence boundary, at least 0; not
            used in mode ``squad``.
        threshold: minimum probability that the text answers the question, below which the null answer is
            given; None: always answer with a span.

    Raises:
        TypeError: a field has the wrong type.
        ValueError: a field is out of range.
    """

    slope: float = 1.0
    intercept: float = 0.0
    temperature: float = 1.0
    sentence_margin: float = 0.0
    threshold: float | None = None

    def __post_init__(self) -> None:
        # What single precision holds, in which answers are ranked, with room for sums and products.
        check_number(self, "slope", minimum=0, maximum=1e30)
        check_number(self, "intercept", minimum=-1e30, maximum=1e30)
        check_number(self, "temperature", minimum=1e-30, maximum=1e30)
        check_number(self, "sentence_margin", minimum=0, maximum=1e30)
        check_threshold(f"{type(self).__name__}.threshold", self.threshold)


@dataclass(frozen=True, kw_only=True, slots=True)
class RuntimeConfig:
    """Settings of the model's execution on this machine.

    If a field that `spanjet tune` measures is None, a reader uses the value tuned on this machine (see
    `spanjet.reader.tuned_settings`), or else the default.

    One process is enough for a machine with several sockets: OpenVINO distributes the streams of bulk work
    over all cores and keeps each stream on one NUMA node, like one process per node, but without duplicating
    the program and its data; a single question runs on one socket or node ("Performance Hints and Thread
    Scheduling" in OpenVINO's documentation). A process confined to a node by `numactl` or `taskset` stays on
    it.

    Attributes:
        threads: threads for inference and tokenization; None: one for each CPU that the process may use,
            by its affinity and its container's quota.
        streams: batches to run in parallel in bulk work; None: tuned, or OpenVINO's choice.
        precision: precision of operations that are not INT8: ``"f32"``, ``"bf16"`` or ``"f16"``; None:
            OpenVINO's choice for this CPU.
        int8: compute the matrix products of an INT8 model in INT8; None: if the processor has VNNI or AMX,
            otherwise in floating point, which is faster or right there (see `spanjet.runtime.precision`).
        cache_dir: directory to cache compiled models and tuned settings in; None: no cache.
        batch_tokens: maximum number of tokens of a batch, including padding; None: tuned, or 1,024. Above
            640, larger ones were at most 1 % faster.
        static_lengths: compile a model for each length in bulk work, which is faster, but takes memory and
            time to compile (see `spanjet.runtime.engine.Runtime`). It changes the rounding of some models;
            tuning only chooses it where it does not. None: tuned, or False.
        pinning: pin each inference thread to one CPU; None: OpenVINO's choice, True on Linux.
        hyper_threading: use both hardware threads of a core; None: OpenVINO's choice.

    Raises:
        TypeError: a field has the wrong type.
        ValueError: a field is out of range.
    """

    threads: int | None = None
    streams: int | None = None
    precision: Literal["f32", "bf16", "f16"] | None = None
    int8: bool | None = None
    cache_dir: str | os.PathLike[str] | None = field(default_factory=default_cache_dir)
    batch_tokens: int | None = None
    static_lengths: bool | None = None
    pinning: bool | None = None
    hyper_threading: bool | None = None

    def __post_init__(self) -> None:
        for name in ("threads", "streams", "batch_tokens"):
            check_integer(self, name, minimum=1, optional=True)
        for name in ("int8", "static_lengths", "pinning", "hyper_threading"):
            check_bool(self, name, optional=True)
        check_choice(self, "precision", ("f32", "bf16", "f16"), optional=True)
        if self.cache_dir is not None and not isinstance(self.cache_dir, str | os.PathLike):
            raise TypeError(
                str(SettingError("cache_dir", self.cache_dir, "a path or None", type(self).__name__))
            )

    def completed(self, tuned: Mapping[str, Any] | None = None) -> "RuntimeConfig":
        """Replace None by tuned values and defaults."""
        values = {**TUNED_DEFAULTS, **(tuned or {})}
        return replace(self, **{name: value for name, value in values.items() if getattr(self, name) is None})


TUNED_DEFAULTS: dict[str, Any] = {
    "streams": None,
    "batch_tokens": 1024,
    "static_lengths": False,
}
"""Settings that `spanjet tune` measures, with their defaults."""
