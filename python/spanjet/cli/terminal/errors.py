"""Print warnings and errors, each as one line on standard error."""

from typing import Any

import typer

__all__ = ["SOME_REJECTED", "show_error", "show_warning"]

SOME_REJECTED = 3
"""Exit code of a command that is complete, but for rows or questions that could not be asked."""


def show_warning(message: Warning | str, *_: Any) -> None:
    """Print a warning as one line, without the source location that Python adds."""
    typer.secho(f"spanjet: {' '.join(str(message).split())}", fg=typer.colors.YELLOW, err=True)


def show_error(error: Exception) -> None:
    """Print an error as one line on standard error."""
    text = str(error)
    if isinstance(error, OSError) and error.filename is not None and error.strerror is not None:
        text = f"{error.filename}: {error.strerror}"
    message = " ".join(text.split()) or type(error).__name__
    typer.secho(f"spanjet: {message}", fg=typer.colors.RED, err=True)
