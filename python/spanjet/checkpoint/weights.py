"""The tensors of a checkpoint, read from ``model.safetensors`` with NumPy alone."""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Weights"]

# BF16 has no NumPy dtype: its bits are the upper half of a float32.
_DTYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}


class Weights:
    """The named tensors of one safetensors file, mapped into memory and converted when taken.

    Args:
        path: the ``model.safetensors`` file.
        prefix: what task models put before the encoder's names (``"bert."``); names are looked up
            without it, so that a file with and one without it read alike.
        ignored: a regular expression of the names that are not needed, without the prefix.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is empty, truncated or corrupt, or a name occurs twice; the message
            names the file.
    """

    def __init__(self, path: Path, *, prefix: str, ignored: str) -> None:
        self.path = path
        header, self._data_start = _read_header(path)
        self._data = np.memmap(path, dtype=np.uint8, mode="r")
        self._entries: dict[str, tuple[str, dict[str, Any]]] = {}
        for full_name, entry in header.items():
            name = full_name.removeprefix(prefix)
            if re.fullmatch(ignored, name):
                continue
            if name in self._entries:
                raise ValueError(
                    f"{path}: tensor {name!r} occurs both with and without the prefix {prefix!r}"
                )
            self._entries[name] = (full_name, entry)
        self._left = set(self._entries)

    def take(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """One tensor as float32[shape], C-contiguous and possibly read-only.

        Args:
            name: the tensor's name without the prefix.
            shape: the shape that it must have.

        Raises:
            ValueError: the tensor is missing, has another shape, a dtype other than F32, F16 and
                BF16, or a value that is not finite; the message names the file and the tensor.
        """
        if name not in self._entries:
            raise ValueError(f"{self.path}: tensor {name!r} is missing, expected with shape {list(shape)}")
        full_name, entry = self._entries[name]
        where = f"{self.path}: tensor {full_name!r}"
        if entry["dtype"] not in _DTYPES:
            raise ValueError(f"{where} has dtype {entry['dtype']}, expected {', '.join(_DTYPES)}")
        if tuple(entry["shape"]) != shape:
            raise ValueError(f"{where} has shape {entry['shape']}, expected {list(shape)}")
        raw = np.frombuffer(
            self._data,
            dtype=_DTYPES[entry["dtype"]],
            count=math.prod(shape),
            offset=self._data_start + entry["data_offsets"][0],
        ).reshape(shape)
        values = (
            (raw.astype("<u4") << 16).view("<f4")
            if entry["dtype"] == "BF16"
            else raw.astype(np.float32, copy=False)
        )
        bad = values.size - int(np.isfinite(values).sum())
        if bad:
            raise ValueError(f"{where} has {bad} values that are not finite")
        self._left.discard(name)
        return values

    def finish(self) -> None:
        """Check that every tensor of the file was taken or ignored.

        Raises:
            ValueError: some were not, so the graph is not the one the file was saved from.
        """
        if self._left:
            names = ", ".join(repr(self._entries[name][0]) for name in sorted(self._left)[:3])
            raise ValueError(f"{self.path}: {len(self._left)} tensors were not expected: {names}")


def _read_header(path: Path) -> tuple[dict[str, dict[str, Any]], int]:
    """The entries of a safetensors file, and the offset of its first data byte."""
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415

    if path.stat().st_size == 0:
        raise ValueError(f"{path}: the file is empty, expected a safetensors file")
    try:
        # The package checks the header, the offsets and the file's size; it cannot hand out BF16.
        with safe_open(path, framework="np"):
            pass
    except SafetensorError as error:
        raise ValueError(f"{path}: truncated or not a safetensors file: {error}") from error
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    header.pop("__metadata__", None)
    return header, 8 + size
