"""Read the texts that commands are given."""

import os
import sys
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path

__all__ = ["argument_text", "read_text"]


def read_text(file: Path | None) -> str:
    """Read the text of a UTF-8 file, or a UTF-16 file that says so; None: of standard input.

    Raises:
        OSError: it cannot be read.
        ValueError: it is in another encoding.
    """
    data = sys.stdin.buffer.read() if file is None else file.read_bytes()
    is_utf16 = data.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if is_utf16 else "utf-8")
    except UnicodeDecodeError as error:
        name = "standard input" if file is None else file
        encoding = "UTF-16" if is_utf16 else "UTF-8"
        raise ValueError(
            f"{name}: not {encoding} at byte {error.start}; convert it: iconv -f ENCODING -t UTF-8"
        ) from None


def argument_text(name: str, text: str) -> str:
    """Read a text of the command line as UTF-8, whatever the locale says.

    Raises:
        ValueError: it is in another encoding.
    """
    if text.isprintable():
        return text
    try:
        return os.fsencode(text).decode()
    except UnicodeError:
        raise ValueError(f"{name} is not UTF-8") from None
