"""Define the settings of a reader, validated when they are made."""

import math
import os
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

DecodeMode = Literal["global", "squad"]
"""A name of `spanjet._core.DECODE_MODES`."""

Threshold = float | Literal["model", "reader"] | None
"""The probability of an answer below which a question counts as not answered.

``"model"``: the one in the model's card, if there is one; ``"reader"``: the reader's own; None: a span is
always given.
"""

MOST = 2**31 - 1
"""The greatest number of anything."""

SPECIAL_TOKENS = 3
"""Tokens of a window that belong to neither text: ``[CLS]``, ``[SEP]`` and ``[SEP]``."""


class SettingError(ValueError):
    """A setting is out of range.

    Attributes:
        name: of the setting; a command's option has it too, with hyphens.
        value: what it is.
        expected: what it may be.
        owner: the class that it belongs to; "" for an argument.
    """

    def __init__(self, name: str, value: object, expected: str, owner: str = "") -> None:
        super().__init__(name, value, expected, owner)  # all of them, so that it can be pickled
        self.name, self.value, self.expected, self.owner = name, value, expected, owner

    def __str__(self) -> str:
        owner = f"{self.owner}." if self.owner else ""
        return f"{owner}{self.name} is {self.value!r}; expected {self.expected}"


def default_cache_dir() -> Path | None:
    """Return the directory for compiled models: ``$XDG_CACHE_HOME/spanjet`` or ``~/.cache/spanjet``.

    A relative ``XDG_CACHE_HOME`` is ignored, as the XDG Base Directory Specification asks. None where
    the user has no home directory, which is never made.
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
        max_length: tokens of a window at most, the three special tokens included.
        doc_stride: tokens from one window to the next (``advance``) or shared by both (``overlap``). Of texts
            of 2,000 tokens, 256 in place of 128 takes 0.54 of the time and 1.5 from F1 (docs/long-texts.md).
        convention: ``"advance"`` as in run_squad.py (Devlin et al. 2019) and MLPerf, or ``"overlap"``,
            which Hugging Face calls ``stride``.
        max_question_length: a longer question is cut to this many tokens; None: never cut.

    Raises:
        TypeError: a field of another type.
        ValueError: a field out of range.
    """

    max_length: int = 384
    doc_stride: int = 128
    convention: Literal["advance", "overlap"] = "advance"
    max_question_length: int | None = 64

    def __post_init__(self) -> None:
        check_integer(self, "max_length", minimum=SPECIAL_TOKENS + 2)
        check_choice(self, "convention", ("advance", "overlap"))
        check_integer(self, "doc_stride", minimum=1 if self.convention == "advance" else 0)
        check_integer(self, "max_question_length", minimum=1, optional=True)
        room = self.max_length - SPECIAL_TOKENS - 1  # of a context, beside a question of one token
        if self.convention == "overlap" and self.doc_stride >= room:
            raise _error(
                self,
                "doc_stride",
                f"less than {room}, the text of a window of {self.max_length} tokens",
            )

    @classmethod
    def fitting(cls, max_length: int) -> "WindowConfig":
        """Make the default windows, no longer than a model's ``max_length``."""
        return cls(max_length=min(cls().max_length, max_length))

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of `Tokenizer.windows` that these settings stand for."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class DecodeConfig:
    """Settings for decoding logits to answers (see `spanjet.decode_spans`).

    Attributes:
        mode: ``"global"``: one list of candidates over all windows of a question; ``"squad"``: the
            rules of run_squad.py (Devlin et al. 2019), as MLPerf uses them.
        n_best: candidates that share the score.
        max_answer_length: tokens of an answer at most.
        overlap: whether spans that overlap a better one are answers of their own; in mode ``squad`` they
            always are.
        align_to_words: whether answers are whole words (Unicode Standard Annex 29), or only whole graphemes;
            mode ``squad`` keeps to what the tokens cover.

    Raises:
        TypeError: a field of another type.
        ValueError: a field out of range.
    """

    mode: DecodeMode = "global"
    n_best: int = 20
    max_answer_length: int = 30
    overlap: bool = False
    align_to_words: bool = True

    def __post_init__(self) -> None:
        check_choice(self, "mode", DECODE_MODES)
        check_integer(self, "n_best", minimum=1)
        check_integer(self, "max_answer_length", minimum=1)
        for name in ("overlap", "align_to_words"):
            check_bool(self, name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """Parameters that turn logits into probabilities; fitted by `spanjet calibrate`, kept in the card.

    The margin of a span is its logit minus the null logit of its window. The probability that a text answers
    a question is the logistic function of ``slope * best margin + intercept`` (Platt 1999); the candidates
    share it by a softmax of margin / temperature (Guo et al. 2017, arXiv 1706.04599).

    Attributes:
        slope: at least 0.
        intercept: any number.
        temperature: greater than 0.
        sentence_margin: what a span that reaches from one sentence into another loses of its margin; at
            least 0. Mode ``squad`` does not use it.
        threshold: the probability of an answer below which a question counts as not answered; None: a span
            is always given.

    Raises:
        TypeError: a field of another type.
        ValueError: a field out of range.
    """

    slope: float = 1.0
    intercept: float = 0.0
    temperature: float = 1.0
    sentence_margin: float = 0.0
    threshold: float | None = None

    def __post_init__(self) -> None:
        check_number(self, "slope", minimum=0)
        check_number(self, "intercept")
        check_number(self, "temperature", above=0)
        check_number(self, "sentence_margin", minimum=0)
        check_threshold(f"{type(self).__name__}.threshold", self.threshold)


def check_threshold(name: str, value: Any, others: str = "") -> None:
    """Raise TypeError or ValueError unless a threshold is a probability or None.

    Args:
        name: of the threshold.
        value: the threshold.
        others: what else it may be, for the message.
    """
    expected = f"{name} is {value!r}; expected {others}a probability, 0 to 1, or None"
    if value is None:
        return
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(expected)
    if not 0 <= float(value) <= 1:
        raise ValueError(expected)


def check_count(name: str, value: Any) -> int:
    """Read a number of things, at least 1, of Python's or numpy's integers.

    Raises:
        TypeError: another type.
        ValueError: out of range.
    """
    error = SettingError(name, value, f"an integer from 1 to {MOST}")
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(str(error))
    if not 1 <= int(value) <= MOST:
        raise error
    return int(value)


def check_type(name: str, value: _T, expected: type[_T]) -> _T:
    """Return an argument, or raise the TypeError that says what it was and should be."""
    if not isinstance(value, expected):
        raise TypeError(f"{name}: expected {expected.__name__}, found {type(value).__name__}")
    return value


def check_config(name: str, value: _T | None, expected: type[_T]) -> _T:
    """Return settings, the defaults in place of None; raise TypeError for another type."""
    return expected() if value is None else check_type(name, value, expected)


def check_list(name: str, values: Iterable[_T]) -> list[_T]:
    """List the items of an argument that is no text itself; raise the TypeError where there are none."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise TypeError(f"{name}: expected a sequence of texts, found {type(values).__name__}")
    return list(values)


@dataclass(frozen=True, kw_only=True, slots=True)
class RuntimeConfig:
    """Settings for running the model on this machine.

    Where a field that `spanjet tune` measures is None, a reader takes what was measured on this machine
    (see `spanjet.reader.tuned_settings`), or else the default.

    A machine of several sockets needs one process: OpenVINO spreads the streams of bulk work over all cores
    and never mixes those of two NUMA nodes in a stream, which is what a process for each node would give,
    without its second copy of the program and of what is read; a single question runs on one socket or
    node ("Performance Hints and Thread Scheduling" in OpenVINO's documentation). A process that `numactl`
    or `taskset` confines to a node keeps to it.

    Attributes:
        threads: threads for inference and tokenizing; None: the CPUs that this process may run on.
        streams: batches that run at the same time in bulk work; None: tuned, or OpenVINO's choice.
        precision: arithmetic of what is not INT8: ``"f32"``, ``"bf16"`` or ``"f16"``; None: OpenVINO's
            choice for this CPU.
        int8: whether the products of an INT8 model are computed in INT8; None: where the processor has VNNI
            or AMX, and in floating point elsewhere, which is faster there (see `spanjet.runtime.precision`).
        cache_dir: directory that keeps compiled models and tuned settings between runs; None: nothing
            is kept.
        batch_tokens: tokens of a batch at most, padding included; None: tuned, or 1,024. From 640 on,
            larger ones were faster by 1 % at most.
        static_lengths: whether bulk work has a compiled model for each length, which is faster and takes
            memory and time to compile (see `spanjet.runtime.engine.Runtime`). With some models it rounds
            differently, with the bundled one not; tuning keeps it only where it does not. None: tuned, or
            False.
        pinning: whether each inference thread stays on one CPU; None: OpenVINO's choice, which is yes on
            Linux.
        hyper_threading: whether both threads of a core are used; None: OpenVINO's choice.

    Raises:
        TypeError: a field of another type.
        ValueError: a field out of range.
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
        """Fill in tuned values and defaults where a field is None."""
        values = {**TUNED_DEFAULTS, **(tuned or {})}
        return replace(self, **{name: value for name, value in values.items() if getattr(self, name) is None})


TUNED_DEFAULTS: dict[str, Any] = {
    "streams": None,
    "batch_tokens": 1024,
    "static_lengths": False,
}
"""The settings that `spanjet tune` measures, and what they are without it."""


def check_integer(config: Any, name: str, *, minimum: int, optional: bool = False) -> None:
    """Raise TypeError or ValueError unless a setting is an integer in range.

    Args:
        config: whose setting it is.
        name: of the setting.
        minimum: the least; the greatest is `MOST`.
        optional: whether it may be None.
    """
    value = getattr(config, name)
    if optional and value is None:
        return
    expected = f"an integer of at least {minimum}"
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(str(_error(config, name, expected)))
    if value < minimum:
        raise _error(config, name, expected)
    if value > MOST:
        raise _error(config, name, f"an integer of at most {MOST}")


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
    """Raise TypeError or ValueError unless a setting is a finite number in range.

    Args:
        config: whose setting it is.
        name: of the setting.
        minimum: the least, itself allowed; None: no limit.
        above: a lower limit that is not allowed itself; None: no such limit.
        maximum: the greatest, itself allowed; None: no limit.
        optional: whether it may be None.
        kind: of number, for the message.
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
        not math.isfinite(value)
        or (minimum is not None and value < minimum)
        or (above is not None and value <= above)
        or (maximum is not None and value > maximum)
    ):
        raise _error(config, name, expected)


def check_bool(config: Any, name: str, *, optional: bool = False) -> None:
    """Raise TypeError unless a setting is True or False, or None where that is allowed."""
    value = getattr(config, name)
    if not isinstance(value, bool) and not (optional and value is None):
        raise TypeError(str(_error(config, name, "True, False or None" if optional else "True or False")))


def check_choice(config: Any, name: str, choices: Sequence[str], *, optional: bool = False) -> None:
    """Raise ValueError unless a setting is one of some words, or None where that is allowed."""
    value = getattr(config, name)
    if value not in choices and not (optional and value is None):
        raise _error(config, name, " or ".join(map(repr, choices)))


def _error(config: Any, name: str, expected: str) -> SettingError:
    return SettingError(name, getattr(config, name), expected, type(config).__name__)
