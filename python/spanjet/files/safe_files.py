"""Files that are on the disk when a call returns, and that one process has for itself."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EAGAIN
from pathlib import Path

__all__ = ["lock", "replace_file", "sync_directory"]


def sync_directory(path: Path) -> None:
    """Bring a directory's names to the disk."""
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    new = path.with_name(f"{path.name}.new")
    with new.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    sync_directory(path.parent)


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold the lock that a file stands for; it ends with the process, however that ends.

    Raises:
        BlockingIOError: another process holds it.
    """
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(EAGAIN, "another process is at this run", str(path.parent)) from None
        yield
