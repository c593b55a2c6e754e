"""Windows's rule about files, on every system: what is open or mapped is neither moved nor removed."""

import os
from collections.abc import Callable
from errno import EACCES
from pathlib import Path
from typing import Any

import psutil
import pytest


def in_use() -> set[Path]:
    """The files that this process has open or mapped."""
    process = psutil.Process()
    maps = [each.path for each in process.memory_maps()] if hasattr(process, "memory_maps") else []
    return {Path(name) for name in (*maps, *(each.path for each in process.open_files()))}


def keep_files_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse to move or remove a file, or move a directory with a file, that is in use."""

    def check(path: str | os.PathLike[str]) -> None:
        absolute = Path(path).absolute()
        whole = absolute.parent.resolve() / absolute.name
        if any(whole == used or whole in used.parents for used in in_use()):
            raise PermissionError(EACCES, "is in use by a process", os.fspath(path))

    def checked(function: Callable[..., Any], number: int) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            for path in arguments[:number]:
                check(path)
            return function(*arguments, **options)

        return call

    for name, number in (("unlink", 1), ("remove", 1), ("rename", 2), ("replace", 2)):
        monkeypatch.setattr(os, name, checked(getattr(os, name), number))
