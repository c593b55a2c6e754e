"""Keep uploaded documents: their texts in a directory that all workers share, their tokens in memory."""

import os
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from spanjet.reader.answer import Document

__all__ = ["DocumentStore", "Kept"]

SUFFIX = ".txt"
_ID = re.compile(r"[A-Za-z0-9_-]{22}")

BYTES_OF_A_TOKEN = 24
"""Memory of a token: its id, and its offsets in characters and bytes."""

MAX_DOCUMENTS = 10_000
"""Maximum number of documents, however short."""


class Kept(NamedTuple):
    """Document that is kept.

    Attributes:
        id: its id, which cannot be guessed.
        document: text and tokens.
        expires_in: seconds until it is removed, unless it is used before.
    """

    id: str
    document: Document
    expires_in: float


class _File(NamedTuple):
    path: Path
    used: float
    size: int


class DocumentStore:
    """Store of documents, bounded in size and time.

    The texts are files that only this user may read. A process that does not have the tokens of a document
    makes them anew from its text. The documents that were used longest ago make room for others. Threads and
    processes may use it at the same time; the processes need not know of each other.

    Args:
        directory: directory of the texts; it is made, for this user alone, if it is missing.
        prepare: tokenizes a text.
        memory: maximum bytes of the texts, and of the tokens that this process keeps.
        seconds: time for which a document is kept after its last use.
        clock: function that returns the time since the epoch in seconds.
    """

    def __init__(
        self,
        directory: Path,
        prepare: Callable[[str], Document],
        *,
        memory: int,
        seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._prepare = prepare
        self._memory = memory
        self._seconds = seconds
        self._clock = clock
        self._prepared: OrderedDict[str, Document] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()

    def add(self, text: str) -> Kept:
        """Keep a text.

        Raises:
            ValueError: the text has a lone surrogate, or alone exceeds the memory.
            OSError: it cannot be written.
        """
        document = self._prepare(text)
        content = text.encode()
        if len(content) > self._memory:
            raise ValueError(f"text has {len(content)} bytes; the documents may have {self._memory} together")
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._make_room(len(content))
            self._write(self._path(name), content)
            self._remember(name, document)
        return Kept(name, document, self._seconds)

    def get(self, name: str) -> Kept | None:
        """Return a document, and keep it for longer; None if there is none with this id."""
        if not _ID.fullmatch(name):
            return None
        path = self._path(name)
        with self._lock:
            try:
                if path.stat().st_mtime + self._seconds <= self._clock():
                    path.unlink(missing_ok=True)
                self._use(path)
                document = self._prepared.get(name) or self._prepare(path.read_bytes().decode())
            except FileNotFoundError:
                self._forget(name)
                return None
            self._remember(name, document)
        return Kept(name, document, self._seconds)

    def remove(self, name: str) -> bool:
        """Remove a document; return False if there is none with this id."""
        with self._lock:
            self._forget(name)
        try:
            self._path(name).unlink()
        except FileNotFoundError:
            return False
        return True

    def sweep(self) -> None:
        """Remove what has expired."""
        with self._lock:
            self._make_room(0)

    def __len__(self) -> int:
        """Return the number of documents, expired ones included."""
        return len(self._files())

    def _path(self, name: str) -> Path:
        return self._directory / f"{name if _ID.fullmatch(name) else 'none'}{SUFFIX}"

    def _write(self, path: Path, content: bytes) -> None:
        """Write a file, which others see as a whole or not at all."""
        stage = path.with_suffix(".new")
        number = os.open(stage, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(content)
            self._use(stage)
            stage.rename(path)
        except BaseException:
            stage.unlink(missing_ok=True)
            raise

    def _use(self, path: Path) -> None:
        now = self._clock()
        os.utime(path, (now, now))

    def _files(self) -> list[_File]:
        """List the texts, those used longest ago first."""
        files = []
        for path in self._directory.glob(f"*{SUFFIX}"):
            with suppress(FileNotFoundError):  # another process removed it
                status = path.stat()
                files.append(_File(path, status.st_mtime, status.st_size))
        return sorted(files, key=lambda file: file.used)

    def _make_room(self, size: int) -> None:
        """Remove what has expired, and as much as a text of this size needs."""
        files = self._files()
        total = sum(file.size for file in files)
        number = len(files)
        for file in files:
            is_expired = file.used + self._seconds <= self._clock()
            if is_expired or total + size > self._memory or (size and number >= MAX_DOCUMENTS):
                file.path.unlink(missing_ok=True)
                self._forget(file.path.stem)
                total -= file.size
                number -= 1

    def _remember(self, name: str, document: Document) -> None:
        self._forget(name)
        self._prepared[name] = document
        self._held += _size(document)
        while self._held > self._memory and len(self._prepared) > 1:
            self._forget(next(iter(self._prepared)))

    def _forget(self, name: str) -> None:
        document = self._prepared.pop(name, None)
        if document is not None:
            self._held -= _size(document)


def _size(document: Document) -> int:
    tokens = len(document) + (0 if document.first is None else len(document.first))
    return len(document.text) + BYTES_OF_A_TOKEN * tokens
