"""Make the standard streams of a command take every text, and say which of them fails."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EBADF
from typing import Any

__all__ = ["flushed_output", "open_streams"]


def open_streams() -> None:
    """Open the standard streams anew: none is missing, and what an encoding lacks is printed as an escape."""
    # What is closed is opened the wrong way round, so that no other file takes its number and using it fails.
    sys.stdin = _stream(sys.stdin, "standard input", "r", os.O_WRONLY)
    sys.stdout = _stream(sys.stdout, "standard output", "w", os.O_RDONLY)
    sys.stderr = _stream(sys.stderr, "standard error", "w", os.O_WRONLY)


def _stream(stream: Any, title: str, mode: str, flags: int) -> io.TextIOWrapper:
    if stream is None:
        stream = os.fdopen(os.open(os.devnull, flags), mode, closefd=False)
    if mode == "w":
        stream.reconfigure(errors="backslashreplace")
    buffer = getattr(stream, "buffer", None)
    if not isinstance(getattr(buffer, "raw", buffer), io.FileIO):
        return stream  # type: ignore[no-any-return]  # a buffer in memory, or Windows's console
    raw = _Titled(stream.fileno(), mode, title)
    stream.flush()
    buffer = io.BufferedReader(raw) if mode == "r" else io.BufferedWriter(raw)
    return io.TextIOWrapper(
        buffer,
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


class _Titled(io.FileIO):
    """A standard stream whose errors name it."""

    def __init__(self, number: int, mode: str, title: str) -> None:
        super().__init__(number, mode, closefd=False)
        self._title = title

    def write(self, data: Any) -> int:
        with self._named():
            return super().write(data)

    def readinto(self, buffer: Any) -> int:
        with self._named():
            return super().readinto(buffer)

    def readall(self) -> bytes:
        with self._named():
            return super().readall()

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = "is closed" if error.errno == EBADF else error.strerror
            raise OSError(error.errno, reason, self._title) from None


@contextmanager
def flushed_output() -> Iterator[None]:
    """Flush standard output at the end of the block, however that ends.

    Raises:
        OSError: it cannot be written.
    """
    try:
        yield
    finally:
        try:
            sys.stdout.flush()
        except OSError:
            # Or the interpreter would try again, and print a second error.
            sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123  (open until the end)
            raise
