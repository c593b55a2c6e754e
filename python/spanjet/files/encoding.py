"""Decode text files: UTF-8, and UTF-16 or UTF-32 where a byte order mark or zero bytes show it."""

import io
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

__all__ = ["decode_text", "describe_undecodable", "open_text", "undecodable_bytes"]

_SIGNATURES = {
    b"\x1f\x8b": "gzip data",
    b"PK\x03\x04": "a zip archive, such as .docx or .xlsx",
    b"%PDF-": "a PDF",
    b"PAR1": "Parquet",
    b"BZh": "bzip2 data",
    b"\xfd7zXZ": "xz data",
    b"(\xb5/\xfd": "Zstandard data",
}
"""First bytes of files that are taken for text."""


def decode_text(data: bytes) -> str:
    """Decode the bytes of a text file, without its byte order mark.

    Raises:
        ValueError: they are not of the encoding that they seem to have; the message names a likely one.
    """
    encoding = json.detect_encoding(data)  # by the byte order mark, or by zeros among the first four bytes
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise ValueError(describe_undecodable(data, encoding)) from None


def describe_undecodable(data: bytes, encoding: str = "utf-8") -> str:
    """Say where bytes are not of an encoding, which one they may have, and how to convert them."""
    for signature, kind in _SIGNATURES.items():
        if data.startswith(signature):
            return f"not text but {kind}"
    if b"\0" in data and encoding not in ("utf-16", "utf-32"):  # which a byte order mark tells
        return "not text: it holds zero bytes"
    name, place = encoding.removesuffix("-sig").upper(), _first_wrong(data, encoding)
    return f"not {name}: 0x{data[place]:02X} at byte {place}; {_advice(data)}"


def _first_wrong(data: bytes, encoding: str) -> int:
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        return error.start
    return 0


def _advice(data: bytes) -> str:
    """Name Windows-1252 where it is likely; encodings of other scripts have runs of bytes above 0x7F."""
    try:
        western = not re.search(rb"[\x80-\xff]{3}", data) and bool(data.decode("cp1252"))
    except UnicodeDecodeError:
        western = False
    if western:
        return "if it is Windows-1252, convert it: iconv -f WINDOWS-1252 -t UTF-8"
    return "convert it: iconv -f ENCODING -t UTF-8"


@contextmanager
def open_text(path: Path | None, *, newline: str | None = "") -> Iterator[TextIO]:
    """Open a text file, or standard input, which stays open.

    A byte that is not UTF-8 becomes a lone surrogate, from which `undecodable_bytes` gets it back.

    Args:
        path: the file; None: standard input.
        newline: as of `open`; "": lines end with LF, CR LF or CR, which stay as they are.

    Raises:
        OSError: the file cannot be read.
        ValueError: while it is read: the UTF-16 or UTF-32 of the file is damaged.
    """
    binary: Any = sys.stdin.buffer if path is None else path.open("rb")
    encoding = json.detect_encoding(_head(binary))
    encoding = "utf-8-sig" if encoding == "utf-8" else encoding
    errors = "surrogateescape" if encoding == "utf-8-sig" else "surrogatepass"
    file = io.TextIOWrapper(binary, encoding=encoding, errors=errors, newline=newline)
    try:
        yield file
    except UnicodeDecodeError as error:
        raise ValueError(f"{path or 'standard input'}: not {encoding.upper()}: {error.reason}") from None
    finally:
        if path is None:
            file.detach()
        else:
            file.close()


def undecodable_bytes(text: str) -> bytes | None:
    """Return the bytes of a text of `open_text` that are not UTF-8; None where they are."""
    try:
        text.encode()
    except UnicodeEncodeError:
        pass
    else:
        return None
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # lone surrogates of UTF-16
        return None


def _head(file: Any) -> bytes:
    """Read the first four bytes and put them back."""
    if not file.seekable():  # a pipe
        return bytes(file.peek(4)[:4])
    start = file.tell()
    head: bytes = file.read(4)
    file.seek(start)
    return head
