"""Read the input texts of commands."""

import sys
from pathlib import Path

from spanjet.files.encoding import decode_text

__all__ = ["read_text"]


def read_text(file: Path | None) -> str:
    """Read the text of a file, without its byte order mark; None: of standard input."""
    data = sys.stdin.buffer.read() if file is None else file.read_bytes()
    try:
        return decode_text(data)
    except ValueError as error:
        name = "standard input" if file is None else file
        raise ValueError(f"{name}: {error}") from None
