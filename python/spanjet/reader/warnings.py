"""Warn users of what makes answers or scores worth less than they seem."""

import inspect
import warnings
from pathlib import Path

__all__ = ["QuestionCut", "Uncalibrated", "warn_caller"]

PACKAGE = str(Path(__file__).parents[1])


class Uncalibrated(UserWarning):
    """A model without a calibration is used as if its scores were probabilities."""


class QuestionCut(UserWarning):
    """A question is longer than ``max_question_length`` and loses its end."""


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn at the line that called this package, however many of its own calls lie between."""
    frame, depth = inspect.currentframe(), 1
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame, depth = frame.f_back, depth + 1
    warnings.warn(message, category, stacklevel=depth)
