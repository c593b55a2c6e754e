"""Warn at the user's own line, not at one of this package's."""

import inspect
import os
import warnings
from pathlib import Path

__all__ = ["warn_caller"]

PACKAGE = f"{Path(__file__).parents[1]}{os.sep}"


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn at the line that called this package, however many of its own calls lie between."""
    frame, depth = inspect.currentframe(), 1
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame, depth = frame.f_back, depth + 1
    warnings.warn(message, category, stacklevel=depth)
