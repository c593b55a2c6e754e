"""Read the lines of a file as bytes, with bounded length."""

from typing import BinaryIO

__all__ = ["BYTE_ORDER_MARK", "MAX_LINE_BYTES", "LineTooLongError", "Lines"]

MAX_LINE_BYTES = 1 << 26
"""Maximum length of a line in bytes; a longer one is an error, so that memory is bounded."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class LineTooLongError(ValueError):
    """Line longer than `MAX_LINE_BYTES`; iteration continues after it."""


class Lines:
    """Iterator over the lines of a binary file, without a leading byte order mark.

    Attributes:
        number: number of the last line, from 1.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.number = 0

    def __iter__(self) -> "Lines":
        return self

    def __next__(self) -> bytes:
        line = self._file.readline(MAX_LINE_BYTES + 1)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) > MAX_LINE_BYTES:
            while line and not line.endswith(b"\n"):
                line = self._file.readline(MAX_LINE_BYTES)
            raise LineTooLongError(f"line longer than {MAX_LINE_BYTES:,} bytes")
        return line.removeprefix(BYTE_ORDER_MARK) if self.number == 1 else line
