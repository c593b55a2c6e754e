"""The work directory of an optimisation: results of stages, known by what they were made from."""

import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from errno import EEXIST
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spanjet.runtime.openvino import ov
from spanjet.storage import STAGE_SUFFIX, lock, replace_file

__all__ = ["Stages", "digest"]

Arrays = dict[str, NDArray[Any]]
_MARK = "spanjet-optimize"


def digest(value: Any) -> str:
    """The first 16 digits of the SHA-256 of a value that is ready for JSON."""
    text = json.dumps(value, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Stages:
    """Results in files whose names hold the digest of all that they depend on.

    Results of other settings, data or models lie beside each other, and none is ever taken for another. Each
    file is written whole or not at all, so that a process may end at any time.

    Args:
        path: the directory; made, or continued.

    Raises:
        FileExistsError: there is something else.
        OSError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        mark = path / _MARK
        if not mark.is_file():
            if path.is_symlink() or (path.exists() and (not path.is_dir() or any(path.iterdir()))):
                raise FileExistsError(EEXIST, f"no work directory (it holds no {_MARK}), move it", str(path))
            path.mkdir(exist_ok=True)
            replace_file(mark, b"")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out, and remove what one that was killed has left half written.

        Raises:
            BlockingIOError: another process is at work.
        """
        with lock(self.path / _MARK):
            for path in self.path.iterdir():
                if path.is_dir() and path.name.startswith("."):
                    shutil.rmtree(path)
                elif STAGE_SUFFIX in path.suffixes:
                    path.unlink()
            yield

    def value(self, stage: str, key: Any, make: Callable[[], Any]) -> Any:
        """A result ready for JSON, made and kept if it is not there.

        Args:
            stage: its name.
            key: all that it depends on, ready for JSON.
            make: makes it.

        Raises:
            ValueError: the file is damaged; the message names it.
        """
        file = self.file(stage, key, "json")
        if not file.is_file():
            replace_file(file, json.dumps(make(), allow_nan=False).encode())
        try:
            return json.loads(file.read_bytes())
        except ValueError as error:
            raise _damaged(file, error) from None

    def arrays(self, stage: str, key: Any, make: Callable[[], Mapping[str, NDArray[Any]]]) -> Arrays:
        """Named arrays, made and kept if they are not there; arguments and errors as of `value`."""
        file = self.file(stage, key, "npz")
        if not file.is_file():
            content = io.BytesIO()
            np.savez(content, **make())  # type: ignore[arg-type]
            replace_file(file, content.getvalue())
        try:
            with file.open("rb") as stream:
                return dict(np.load(stream))
        except (ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
            raise _damaged(file, error) from None

    def model(self, stage: str, key: Any, make: Callable[[], ov.Model]) -> Path:
        """The ``.xml`` file of a model, made and kept in full precision if it is not there."""
        graph = self.file(stage, key, "xml")
        if not graph.is_file():
            staged = graph.with_suffix(".new.xml")
            ov.save_model(make(), staged, compress_to_fp16=False)
            staged.with_suffix(".bin").replace(graph.with_suffix(".bin"))
            staged.replace(graph)
        return graph

    def file(self, stage: str, key: Any, suffix: str) -> Path:
        """Where a result lies."""
        return self.path / f"{stage}-{digest(key)}.{suffix}"


def _damaged(file: Path, error: Exception) -> ValueError:
    return ValueError(f"{file}: damaged, remove it: {error}")
