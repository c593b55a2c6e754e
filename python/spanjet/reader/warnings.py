"""Define warnings about the reliability of answers and scores."""

import inspect
import warnings
from pathlib import Path

__all__ = ["QuestionCut", "Uncalibrated", "warn_caller"]

PACKAGE = str(Path(__file__).parents[1])


class Uncalibrated(UserWarning):
    """Warning that scores of an uncalibrated model are used as probabilities."""


class QuestionCut(UserWarning):
    """Warning that a question exceeds ``max_question_length`` and is truncated."""


def warn_caller(message: str, category: type[Warning]) -> None:
    """Issue a warning at the line of user code that called this package."""
    frame, depth = inspect.currentframe(), 1
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame, depth = frame.f_back, depth + 1
    warnings.warn(message, category, stacklevel=depth)
