"""Define the settings of a reader, validated on construction."""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, TypeVar

from spanjet._core import DECODE_MODES

__all__ = [
    "TUNED_DEFAULTS",
    "Calibration",
    "DecodeConfig",
    "DecodeMode",
    "RuntimeConfig",
    "SettingError",
    "Threshold",
    "WindowConfig",
    "check_config",
    "check_count",
    "check_list",
    "check_threshold",
    "check_type",
    "default_cache_dir",
]

_T = TypeVar("_T")

DecodeMode = Literal["global", "squad", "hf"]
"""Decoding mode, one of `spanjet._core.DECODE_MODES`."""

Threshold = float | Literal["model", "reader"] | None
"""Minimum probability that the text answers the question; below it, the null answer is given.

``"model"``: the one in the model's card, if there is one; ``"reader"``: the reader's own; None: always answer
with a span.
"""

MOST = 2**31 - 1
"""Maximum of any integer setting."""

SPECIAL_TOKENS, MOST_SPECIAL_TOKENS = 3, 4
"""Minimum and maximum number of special tokens of a window: BERT's and RoBERTa's."""


class SettingError(ValueError):
    """A setting is out of range.

    Attributes:
        name, value: of the setting; a command's option has the same name, with hyphens.
        expected: what it may be.
        owner: class that it belongs to; "" for an argument.
    """

    def __init__(self, name: str, value: object, expected: str, owner: str = "") -> None:
        super().__init__(name, value, expected, owner)  # all of them, so that it can be pickled
        self.name, self.value, self.expected, self.owner = name, value, expected, owner

    def __str__(self) -> str:
        owner = f"{self.owner}." if self.owner else ""
        return f"{owner}{self.name} is {self.value!r}; expected {self.expected}"


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
        max_length: maximum number of tokens of a window, including the three special tokens.
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
            raise _error(self, "doc_stride", expected)

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


def check_threshold(name: str, value: Any, others: str = "") -> None:
    """Check that a threshold is a probability or None.

    Args:
        name: name of the threshold, for the message.
        value: threshold to check.
        others: other allowed values, for the message.
    """
    expected = f"{name} is {value!r}; expected {others}a probability, 0 to 1, or None"
    if value is None:
        return
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(expected)
    if not 0 <= (int(value) if isinstance(value, Integral) else float(value)) <= 1:  # floats have a limit
        raise ValueError(expected)


def check_count(name: str, value: Any) -> int:
    """Check that a count is an integer of Python or NumPy and at least 1, and return it.

    Raises:
        TypeError: the value is not an integer.
        ValueError: the value is out of range.
    """
    error = SettingError(name, value, f"an integer from 1 to {MOST}")
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(str(error))
    if not 1 <= int(value) <= MOST:
        raise error
    return int(value)


def check_type(name: str, value: _T, expected: type[_T]) -> _T:
    """Check the type of an argument, and return it."""
    if not isinstance(value, expected):
        raise TypeError(f"{name}: expected {expected.__name__}, found {type(value).__name__}")
    return value


def check_config(name: str, value: _T | None, expected: type[_T]) -> _T:
    """Check the type of settings, and return them, or the defaults for None."""
    return expected() if value is None else check_type(name, value, expected)


def check_list(name: str, values: Iterable[_T]) -> list[_T]:
    """List the items of an iterable argument that is not a string; raise TypeError otherwise."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise TypeError(f"{name}: expected a sequence of texts, found {type(values).__name__}")
    return list(values)


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
            time to compile (see `spanjet.runtime.engine.Runtime`). It changes the rounding of some models,
            not of the bundled one; tuning only chooses it if it does not. None: tuned, or False.
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
            raise TypeError(str(_error(self, "cache_dir", "a path or None")))

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


def check_integer(config: Any, name: str, *, minimum: int, optional: bool = False) -> None:
    """Check that a setting is an integer of Python or NumPy in range, and keep it as Python's.

    Args:
        config: settings to check, a dataclass.
        name: name of the setting.
        minimum: minimum value; the maximum is `MOST`.
        optional: allow None.
    """
    value = getattr(config, name)
    if optional and value is None:
        return
    expected = f"an integer of at least {minimum}"
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(str(_error(config, name, expected)))
    number = int(value)
    if number < minimum:
        raise _error(config, name, expected)
    if number > MOST:
        raise _error(config, name, f"an integer of at most {MOST}")
    object.__setattr__(config, name, number)  # frozen


def check_number(
    config: Any,
    name: str,
    *,
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
    optional: bool = False,
    kind: str = "a finite number",
) -> None:
    """Check that a setting is a finite number in range.

    Args:
        config: settings to check.
        name: name of the setting.
        minimum: inclusive lower limit; None: no limit.
        above: exclusive lower limit; None: no limit.
        maximum: inclusive upper limit; None: no limit.
        optional: allow None.
        kind: kind of number, for the message.
    """
    value = getattr(config, name)
    if optional and value is None:
        return
    low = f"of at least {minimum}" if minimum is not None else f"greater than {above}"
    expected = kind if minimum is above is None else f"{kind} {low}"
    expected += "" if maximum is None else f" and at most {maximum}"
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(str(_error(config, name, expected)))
    if (
        not abs(value) <= sys.float_info.max  # also of an integer that is too large for a float
        or (minimum is not None and value < minimum)
        or (above is not None and value <= above)
        or (maximum is not None and value > maximum)
    ):
        raise _error(config, name, expected)


def check_bool(config: Any, name: str, *, optional: bool = False) -> None:
    """Check that a setting is True or False, or None if allowed."""
    value = getattr(config, name)
    if not isinstance(value, bool) and not (optional and value is None):
        raise TypeError(str(_error(config, name, "True, False or None" if optional else "True or False")))


def check_choice(config: Any, name: str, choices: Sequence[str], *, optional: bool = False) -> None:
    """Check that a setting is one of the given strings, or None if allowed."""
    value = getattr(config, name)
    if value not in choices and not (optional and value is None):
        raise _error(config, name, " or ".join(map(repr, choices)))


def _error(config: Any, name: str, expected: str) -> SettingError:
    return SettingError(name, getattr(config, name), expected, type(config).__name__)
