"""Cache the intermediate results of a long run on disk, so that it can be resumed."""

import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from errno import EEXIST
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from spanjet.runtime.openvino import ov, shared_core
from spanjet.runtime.warnings import warn_caller
from spanjet.storage import STAGE_SUFFIX, lock, replace_file

__all__ = ["ArtifactStore", "digest"]

_T = TypeVar("_T")
_MARK, _LOCK = "spanjet-artifacts", "lock"
# What reading a truncated or foreign file raises; the last is OpenVINO's.
_DAMAGED = (ValueError, KeyError, EOFError, zipfile.BadZipFile, RuntimeError)


def digest(value: Any) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of a JSON-serialisable value."""
    text = json.dumps(value, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class ArtifactStore:
    """Content-addressed cache of intermediate results: file names contain a digest of all inputs.

    Results for different settings, data or models coexist and are never confused. Each file is written
    atomically, so the process may be killed at any time. A damaged file is computed again, with a
    RuntimeWarning that names it.

    The methods that compute results take the name of the stage; the key, a JSON-serialisable value of
    everything that the result depends on; and a function that computes the result if it is not cached.

    Args:
        path: directory of the cache; created if it does not exist.

    Raises:
        FileExistsError: the path exists and is not such a directory.
        OSError: the directory cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._measured: dict[Path, dict[str, float]] = {}
        mark = path / _MARK
        if not mark.is_file():
            if path.is_symlink() or (path.exists() and (not path.is_dir() or any(path.iterdir()))):
                reason = f"not a work directory (it holds no {_MARK}), move it"
                raise FileExistsError(EEXIST, reason, str(path))
            path.mkdir(parents=True, exist_ok=True)
            replace_file(mark, b"")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the directory against other processes, and remove partial files of a killed one.

        Raises:
            BlockingIOError: another process holds the lock.
        """
        with lock(self.path / _LOCK):
            for path in self.path.iterdir():
                if path.is_dir() and path.name.startswith("."):
                    shutil.rmtree(path)
                elif STAGE_SUFFIX in path.suffixes:
                    path.unlink()
            yield

    def file(self, stage: str, key: Any, suffix: str = "") -> Path:
        """Return the path of a result, which need not exist."""
        return self.path / f"{stage}-{digest(key)}{suffix}"

    def value(self, stage: str, key: Any, make: Callable[[], Any]) -> Any:
        """Return a JSON-serialisable value, from the cache or computed."""

        def write(file: Path) -> None:
            replace_file(file, json.dumps(make(), allow_nan=False).encode())

        return self._kept(self.file(stage, key, ".json"), write, lambda file: json.loads(file.read_bytes()))

    def arrays(
        self, stage: str, key: Any, make: Callable[[], Mapping[str, NDArray[Any]]]
    ) -> dict[str, NDArray[Any]]:
        """Return arrays by name, from the cache or computed."""

        def write(file: Path) -> None:
            content = io.BytesIO()
            np.savez(content, **make())  # type: ignore[arg-type]  # named "file" none of them is
            replace_file(file, content.getvalue())

        def read(file: Path) -> dict[str, NDArray[Any]]:
            with file.open("rb") as stream:
                return dict(np.load(stream))

        return self._kept(self.file(stage, key, ".npz"), write, read)

    def model(self, stage: str, key: Any, make: Callable[[], ov.Model]) -> ov.Model:
        """Return a model, stored in full precision and read from disk in each call."""

        def write(file: Path) -> None:
            staged = file.with_suffix(f"{STAGE_SUFFIX}.xml")
            ov.save_model(make(), staged, compress_to_fp16=False)
            staged.with_suffix(".bin").replace(file.with_suffix(".bin"))
            staged.replace(file)

        return self._kept(self.file(stage, key, ".xml"), write, shared_core().read_model)

    def measurement(self, stage: str, key: Any, name: str, measure: Callable[[], float]) -> float:
        """Return one named number of a stage; append it to the stage's file if it is new."""
        known = self._load_measurements(stage, key)
        if name not in known:
            known[name] = float(measure())
            with self.file(stage, key, ".jsonl").open("ab") as stream:
                stream.write(_line(name, known[name]))
                stream.flush()
                os.fsync(stream.fileno())
        return known[name]

    def measurements(self, stage: str, key: Any) -> Mapping[str, float]:
        """Return all cached numbers of a stage, by name."""
        return self._load_measurements(stage, key)

    def remove(self) -> None:
        """Delete the directory and all results in it."""
        shutil.rmtree(self.path)

    def _load_measurements(self, stage: str, key: Any) -> dict[str, float]:
        file = self.file(stage, key, ".jsonl")
        if file not in self._measured:
            self._measured[file] = _read_lines(file) if file.is_file() else {}
        return self._measured[file]

    @staticmethod
    def _kept(file: Path, write: Callable[[Path], None], read: Callable[[Path], _T]) -> _T:
        if file.is_file():
            try:
                return read(file)
            except _DAMAGED as error:
                _warn(file, error)
        write(file)
        return read(file)


def _line(name: str, value: float) -> bytes:
    return json.dumps([name, value], allow_nan=False).encode() + b"\n"


def _parsed(line: bytes) -> tuple[str, float] | None:
    """Parse a name and a number from a line; None if the line is damaged or incomplete."""
    if not line.endswith(b"\n"):
        return None
    try:
        name, value = json.loads(line)
        return str(name), float(value)
    except (ValueError, TypeError):
        return None


def _read_lines(file: Path) -> dict[str, float]:
    """Read the numbers of a stage, and delete damaged lines from its file."""
    lines = [_parsed(line) for line in file.read_bytes().splitlines(keepends=True)]
    known = dict(line for line in lines if line is not None)
    if None in lines:
        _warn(file, f"{lines.count(None)} of {len(lines)} lines")
        replace_file(file, b"".join(_line(name, value) for name, value in known.items()))
    return known


def _warn(file: Path, damage: object) -> None:
    warn_caller(f"{file}: damaged; what was lost is computed again: {damage}", RuntimeWarning)
