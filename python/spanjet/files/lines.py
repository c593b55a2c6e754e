"""Read the lines of a text of bounded length."""

from typing import TextIO

__all__ = ["MAX_LINE_CHARACTERS", "LineTooLongError", "Lines"]

MAX_LINE_CHARACTERS = 1 << 26
"""A longer line is an error of its own instead of filling the memory."""

LINE_ENDS = ("\n", "\r")


class LineTooLongError(ValueError):
    """A line of more than `MAX_LINE_CHARACTERS`; the iteration goes on after it."""


class Lines:
    """Iterates over the lines of a text, with their ends.

    Attributes:
        number: number of the last line, from 1.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.number = 0

    def __iter__(self) -> "Lines":
        return self

    def __next__(self) -> str:
        line = self._file.readline(MAX_LINE_CHARACTERS + 1)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) > MAX_LINE_CHARACTERS:
            while line and not line.endswith(LINE_ENDS):
                line = self._file.readline(MAX_LINE_CHARACTERS)
            raise LineTooLongError(f"line longer than {MAX_LINE_CHARACTERS:,} characters")
        return line
