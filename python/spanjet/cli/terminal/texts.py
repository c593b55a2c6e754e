"""Read the input texts of commands."""

import sys
from pathlib import Path

__all__ = ["read_text"]


def read_text(file: Path | None) -> str:
    """Read a UTF-8 text from a file, or from standard input if None."""
    data = sys.stdin.buffer.read() if file is None else file.read_bytes()
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        name = "standard input" if file is None else file
        raise ValueError(f"{name}: not UTF-8: {error.reason} at byte {error.start}") from None
