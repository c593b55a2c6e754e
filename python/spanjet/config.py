"""Settings of a reader, validated when they are made."""

import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

__all__ = ["DecodeConfig", "RuntimeConfig", "WindowConfig", "default_cache_dir"]

SPECIAL_TOKENS = 3
"""Tokens of a window that belong to neither text: ``[CLS]``, ``[SEP]`` and ``[SEP]``."""


def default_cache_dir() -> Path | None:
    """The user's directory for compiled models: ``$XDG_CACHE_HOME/spanjet`` or ``~/.cache/spanjet``.

    A relative ``XDG_CACHE_HOME`` is ignored, as the XDG Base Directory Specification asks. None where
    the user has no home directory.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():
        try:
            base = Path.home() / ".cache"
        except RuntimeError:
            return None
    return base / "spanjet"


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowConfig:
    """How a context is cut into windows (see `Tokenizer.windows`).

    Attributes:
        max_length: tokens of a window at most, the three special tokens included.
        doc_stride: tokens from one window to the next (``advance``) or shared by both (``overlap``).
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
        _check_integer(self, "max_length", minimum=SPECIAL_TOKENS + 2)
        _check_choice(self, "convention", ("advance", "overlap"))
        _check_integer(self, "doc_stride", minimum=1 if self.convention == "advance" else 0)
        if self.max_question_length is not None:
            _check_integer(self, "max_question_length", minimum=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class DecodeConfig:
    """How logits become answers (see `spanjet.decode`).

    Attributes:
        mode: ``"global"``: one list of candidates over all windows of a question; ``"squad"``: the
            rules of run_squad.py (Devlin et al. 2019), as MLPerf uses them.
        n_best: candidates that share the probability.
        max_answer_length: tokens of an answer at most.
        null_threshold: if given, a question whose null score exceeds its best score by more than
            this is answered with the null answer (SQuAD v2); None: never.

    Raises:
        TypeError: a field of another type.
        ValueError: a field out of range.
    """

    mode: Literal["global", "squad"] = "global"
    n_best: int = 20
    max_answer_length: int = 30
    null_threshold: float | None = None

    def __post_init__(self) -> None:
        _check_choice(self, "mode", ("global", "squad"))
        _check_integer(self, "n_best", minimum=1)
        _check_integer(self, "max_answer_length", minimum=1)
        if self.null_threshold is not None:
            _check_finite(self, "null_threshold")


@dataclass(frozen=True, kw_only=True, slots=True)
class RuntimeConfig:
    """How the model runs on this machine.

    Attributes:
        threads: threads for inference and tokenizing; None: the CPUs that this process may run on.
        streams: batches that run at the same time in bulk work; None: OpenVINO's choice.
        precision: arithmetic of what is not INT8: ``"f32"``, ``"bf16"`` or ``"f16"``; None: OpenVINO's
            choice for this CPU.
        cache_dir: directory that keeps compiled models between runs; None: nothing is kept.
        batch_tokens: tokens of a batch at most, padding included. 1,024 to 2,048 were equally fast.
        length_multiple: a batch's length is rounded up to a multiple of this, which keeps the number
            of shapes small. 16 was faster than 1, 8, 32 and 64.

    Raises:
        TypeError: a field of another type.
        ValueError: a field out of range.
    """

    threads: int | None = None
    streams: int | None = None
    precision: Literal["f32", "bf16", "f16"] | None = None
    cache_dir: str | os.PathLike[str] | None = field(default_factory=default_cache_dir)
    batch_tokens: int = 1536
    length_multiple: int = 16

    def __post_init__(self) -> None:
        for name in ("threads", "streams"):
            if getattr(self, name) is not None:
                _check_integer(self, name, minimum=1)
        if self.precision is not None:
            _check_choice(self, "precision", ("f32", "bf16", "f16"))
        if self.cache_dir is not None and not isinstance(self.cache_dir, str | os.PathLike):
            raise TypeError(_message(self, "cache_dir", "a path or None"))
        _check_integer(self, "batch_tokens", minimum=1)
        _check_integer(self, "length_multiple", minimum=1)


def _message(config: Any, name: str, expected: str) -> str:
    return f"{type(config).__name__}.{name} is {getattr(config, name)!r}; expected {expected}"


def _check_integer(config: Any, name: str, *, minimum: int) -> None:
    value = getattr(config, name)
    expected = f"an integer of at least {minimum}"
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(_message(config, name, expected))
    if value < minimum:
        raise ValueError(_message(config, name, expected))


def _check_finite(config: Any, name: str) -> None:
    value = getattr(config, name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(_message(config, name, "a finite number"))
    if not math.isfinite(value):
        raise ValueError(_message(config, name, "a finite number"))


def _check_choice(config: Any, name: str, choices: tuple[str, ...]) -> None:
    if getattr(config, name) not in choices:
        raise ValueError(_message(config, name, " or ".join(repr(choice) for choice in choices)))
