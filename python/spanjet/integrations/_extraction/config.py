"""Define the settings of an extractive reader of documents, named as Haystack names them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from numbers import Real
from typing import TypedDict

from spanjet.config import MOST_SPECIAL_TOKENS, DecodeConfig, WindowConfig
from spanjet.reader.errors import reworded
from spanjet.runtime.warnings import warn_caller
from spanjet.validation import SettingError, check_count, check_threshold, check_type

__all__ = ["ExtractionConfig", "own_names", "warn_ignored"]

ANY_OVERLAP = 0.01
"""Threshold, Haystack's default, up to which any overlap removes the worse span.

Spans that overlap by a smaller share have more than a hundred characters each.
"""

IGNORED = {
    "device": "the model runs on the CPU",
    "token": "the hub's client reads HF_TOKEN",
    "max_batch_size": "batches are planned by tokens, see runtime_config",
    "calibration_factor": "the model has a calibration of its own",
    "model_kwargs": "they are for torch",
}
"""Parameters of Haystack's readers that have no meaning here, and why."""


class ReaderSettings(TypedDict):
    """Settings for `Reader`."""

    window_config: WindowConfig
    decode_config: DecodeConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtractionConfig:
    """Settings for finding answers in documents.

    Attributes:
        top_k: maximum number of answers to a query, not counting the one that there is none.
        score_threshold: minimum score of an answer, 0 to 1; None: no minimum.
        max_seq_length: maximum number of tokens of a window, question and special tokens included.
        stride: number of tokens that neighbouring windows of a document share.
        answers_per_seq: maximum number of candidates in a document.
        no_answer: add the answer that there is none, whose score is the probability that no document answers
            the query.
        overlap_threshold: share of the shorter of two spans of a document, 0 to 1, above which their overlap
            removes the worse one. Up to 0.01, any overlap does, and candidates never overlap; otherwise spans
            are removed from among the candidates. None: none is.
        max_answer_length: maximum number of tokens of an answer.

    Raises:
        TypeError: a field has the wrong type.
        ValueError: a field is out of range.
    """

    top_k: int = 20
    score_threshold: float | None = None
    max_seq_length: int = 384
    stride: int = 128
    answers_per_seq: int = 20
    no_answer: bool = True
    overlap_threshold: float | None = 0.01
    max_answer_length: int = 30

    def __post_init__(self) -> None:
        check_count("top_k", self.top_k)
        check_threshold("score_threshold", self.score_threshold)
        check_count("answers_per_seq", self.answers_per_seq)
        check_type("no_answer", self.no_answer, bool)
        _check_share("overlap_threshold", self.overlap_threshold)
        check_count("max_answer_length", self.max_answer_length)
        self.reader_settings()

    def reader_settings(self) -> ReaderSettings:
        """Return the settings for `Reader`."""
        decoding = DecodeConfig(overlap=self._may_overlap, max_answer_length=self.max_answer_length)
        return {"window_config": self._windows(), "decode_config": decoding}

    @property
    def candidates(self) -> int:
        """Number of answers to ask for in each document."""
        return self.answers_per_seq if self._may_overlap else min(self.answers_per_seq, self.top_k)

    @property
    def _may_overlap(self) -> bool:
        return self.overlap_threshold is None or self.overlap_threshold > ANY_OVERLAP

    def _windows(self) -> WindowConfig:
        """Return the settings of the windows.

        A question is cut to half of a window, which is what Hugging Face's tokenizers leave of one beside a
        long text, or to what leaves room for more than the stride.
        """
        with own_names():
            config = WindowConfig(
                max_length=self.max_seq_length,
                doc_stride=self.stride,
                convention="overlap",
                max_question_length=None,
            )
        room = self.max_seq_length - MOST_SPECIAL_TOKENS
        return replace(config, max_question_length=max(1, min(room // 2, room - self.stride - 1)))


@contextmanager
def own_names() -> Iterator[None]:
    """Call the settings of windows in errors as `ExtractionConfig` does."""
    try:
        yield
    except (SettingError, TypeError) as error:
        message = str(error).replace("WindowConfig.max_length", "max_seq_length")
        raise reworded(error, message.replace("WindowConfig.doc_stride", "stride")) from None


def _check_share(name: str, value: object) -> None:
    error = SettingError(name, value, "a share of a span, 0 to 1, or None")
    if value is None:
        return
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(str(error))
    if not 0 <= float(value) <= 1:
        raise error


def warn_ignored(owner: str, **given: object) -> None:
    """Issue one warning for all given parameters in `IGNORED` that are set, neither None nor empty."""
    names = [name for name, value in given.items() if value is not None and value != {}]
    if names:
        reasons = "; ".join(f"{name} ({IGNORED[name]})" for name in names)
        warn_caller(f"{owner} ignores {reasons}", UserWarning)
