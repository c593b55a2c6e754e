"""Print warnings and errors, each as one line on standard error."""

import os
import re
import sys
from typing import Any

import typer

from spanjet.cli.terminal.printable import one_line
from spanjet.validation import SettingError

__all__ = ["SOME_REJECTED", "show_error", "show_warning"]

SOME_REJECTED = 3
"""Exit code of a command that is complete, but for rows or questions that could not be asked."""


def show_warning(message: Warning | str, *_: Any) -> None:
    """Print a warning on a line of its own, without the place in the source that Python adds."""
    _show(str(message), typer.colors.YELLOW)


def show_error(error: Exception) -> None:
    """Print an error as one line on standard error, in the words of the command line.

    No arguments at all are no error to explain: the help follows.
    """
    if isinstance(error, typer.TyperException) and error.format_message().startswith("Usage: "):
        print(error.format_message(), file=sys.stderr)
        return
    _show(_words(error) or type(error).__name__, typer.colors.RED)


def _words(error: Exception) -> str:
    """Describe an error by options and files; Python's classes and error numbers say nothing to users."""
    if isinstance(error, SettingError):
        return f"--{error.name.replace('_', '-')} is {error.value!r}; expected {error.expected}"
    if isinstance(error, OSError) and error.strerror is not None:
        name = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        return f"{name}{error.strerror}"
    if isinstance(error, typer.TyperException):
        return _usage(error)
    return str(error)


def _usage(error: typer.TyperException) -> str:
    """Describe wrong options and arguments, and name the help."""
    text = error.format_message().strip().rstrip(".")
    text = re.sub(r"Input should be (?=greater|less)", "expected a number ", text)
    text = text.replace("Input should be ", "expected ").partition(", unable to parse")[0]
    context = getattr(error, "ctx", None)
    hint = "" if context is None else f"; see {context.command_path} --help"
    return f"{text[:1].lower()}{text[1:]}{hint}"


def _show(text: str, color: str) -> None:
    line = f"spanjet: {one_line(text)}"
    colorful = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    print(typer.style(line, fg=color) if colorful else line, file=sys.stderr)
