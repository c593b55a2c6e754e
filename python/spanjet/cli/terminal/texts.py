"""Read the texts that commands are given."""

import sys
from pathlib import Path

__all__ = ["read_text"]


def read_text(file: Path | None) -> str:
    """Read the text of a UTF-8 file; None: of standard input."""
    data = sys.stdin.buffer.read() if file is None else file.read_bytes()
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        name = "standard input" if file is None else file
        raise ValueError(f"{name}: not UTF-8: {error.reason} at byte {error.start}") from None
