"""Whether an unfinished run is the one to go on with: what it was begun with, and what differs."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ["differences", "directory_digest", "file_digest"]

BLOCK = 1 << 20


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(BLOCK), b""):
            digest.update(block)
    return digest.hexdigest()


def directory_digest(path: Path) -> str:
    """SHA-256 of the names and contents of a directory's files, hexadecimal; hidden ones do not count."""
    digest = hashlib.sha256()
    for file in sorted(path.iterdir()):
        if file.is_file() and not file.name.startswith("."):
            digest.update(f"{file.name}\0{file_digest(file)}\n".encode())
    return digest.hexdigest()


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What changed between two nested mappings, one text for each value: ``"top_k was 1, is 3"``."""
    old, new = dict(_leaves(before)), dict(_leaves(now))
    return [
        f"{name} was {old.get(name)!r:.16}, is {new.get(name)!r:.16}"
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    ]


def _leaves(values: Mapping[str, Any], outer: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{outer}{name}.")
        else:
            yield f"{outer}{name}", value
