"""Read the input texts of commands."""

import os
import sys
from pathlib import Path

from spanjet.files.encoding import decode_text

__all__ = ["argument_text", "read_text"]


def read_text(file: Path | None) -> str:
    """Read the text of a file, without its byte order mark; None: of standard input."""
    data = sys.stdin.buffer.read() if file is None else file.read_bytes()
    try:
        return decode_text(data)
    except ValueError as error:
        name = "standard input" if file is None else file
        raise ValueError(f"{name}: {error}") from None


def argument_text(name: str, text: str) -> str:
    """Read a text of the command line as UTF-8, whatever the locale says.

    Raises:
        ValueError: it is in another encoding.
    """
    if text.isascii():
        return text
    try:
        return os.fsencode(text).decode()
    except UnicodeError:
        raise ValueError(f"{name} is not UTF-8") from None
