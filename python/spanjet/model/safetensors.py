"""Find safetensors weights, single or sharded with an index, and map them into memory."""

import json
import math
import os
from errno import ENOENT
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from spanjet.model.config_json import read_json
from spanjet.model.content import check_content

__all__ = ["SINGLE", "TensorFile", "find_weights", "has_weights", "open_weights"]

SINGLE = "model.safetensors"
INDEX = f"{SINGLE}.index.json"
# Weight files in pickle formats.
_PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model.pt", "model.pt")
# Weight files with the names of other frameworks.
_FOREIGN = ("tf_model.h5", "flax_model.msgpack", "rust_model.ot")
_SUFFIXES = (".safetensors", ".gguf", ".bin", ".pt", ".pth", ".ckpt", ".h5", ".tflite", ".pb")
_REMEDY = f"save them as {SINGLE}, with save_pretrained of the transformers package"
# BF16 has no NumPy dtype: its bits are the upper half of a float32.
_DTYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}
# Maximum size of a header, about a hundred times that of the largest encoders; a larger one is not read.
_MOST_HEADER = 8 << 20
_GZIP = b"\x1f\x8b"
# Values that are checked at once: little memory, and in the cache when they are used again.
_BLOCK = 1 << 18


class TensorFile:
    """Tensors of one safetensors file by name.

    Float32 tensors are views of the memory-mapped file, whose pages are read on use: nothing is copied. The
    file must not be truncated or modified while they are in use; renaming or deleting it is safe.

    Args:
        path: the file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is empty, truncated or corrupt; the message names it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._entries, self._data_start = _read_header(path)
        # Private pages: OpenVINO only shares writable memory, but never writes to it.
        self._data = np.memmap(path, dtype=np.uint8, mode="c")

    @property
    def names(self) -> list[str]:
        """Names of the tensors."""
        return list(self._entries)

    def read(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Read one tensor as float32[shape], C-contiguous; it must not be modified.

        Args:
            name: one of `names`.
            shape: required shape.

        Raises:
            ValueError: the tensor has another shape, a dtype other than F32, F16 and BF16, or a non-finite
                value; the message names the file and the tensor.
        """
        entry = self._entries[name]
        where, dtype = f"{self.path}: tensor {name!r}", entry["dtype"]
        if dtype not in _DTYPES:
            raise ValueError(f"{where} has dtype {dtype}, expected {', '.join(_DTYPES)}")
        if tuple(entry["shape"]) != shape:
            raise ValueError(f"{where} has shape {entry['shape']}, expected {list(shape)}")
        values = self._values(dtype, math.prod(shape), self._data_start + entry["data_offsets"][0])
        bad = _count_not_finite(values)
        if bad:
            raise ValueError(f"{where} has {bad} values that are not finite")
        return values.reshape(shape)

    def _values(self, dtype: str, count: int, offset: int) -> NDArray[np.float32]:
        if dtype == "F32" and offset % 4 == 0:
            return np.frombuffer(self._data, "<f4", count, offset)
        # Tensors that must be converted or aligned are read instead of mapped, to be in memory once.
        with self.path.open("rb") as file:
            file.seek(offset)
            raw = np.fromfile(file, _DTYPES[dtype], count)
        if dtype != "BF16":
            return raw.astype("<f4", copy=False)
        bits = raw.astype("<u4")
        bits <<= 16
        return bits.view("<f4")


def _count_not_finite(values: NDArray[np.float32]) -> int:
    blocks = (values[start : start + _BLOCK] for start in range(0, values.size, _BLOCK))
    return sum(block.size - int(np.isfinite(block).sum()) for block in blocks)


def _read_header(path: Path) -> tuple[dict[str, dict[str, Any]], int]:
    """Read the entries of a safetensors file and the offset of its first data byte."""
    check_content(path)
    if path.stat().st_size == 0:
        raise ValueError(f"{path}: the file is empty, expected a safetensors file")
    with path.open("rb") as file:
        head = file.read(8)
        size = int.from_bytes(head, "little")
        if size > _MOST_HEADER:
            found = f"a header of {size} bytes, expected at most {_MOST_HEADER}"
            if head.isascii():
                found = f"it begins with {head.decode()!r}"
            elif head.startswith(_GZIP):
                found = "it is compressed with gzip"
            raise ValueError(f"{path}: not a safetensors file: {found}")
        content = file.read(size)
    try:
        # The package validates the header, the offsets and the file's size, but cannot return BF16 tensors.
        with safe_open(path, framework="np"):
            pass
        header = json.loads(content)
    except (SafetensorError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: truncated or not a safetensors file: {error}") from error
    header.pop("__metadata__", None)
    return header, 8 + size


def has_weights(directory: Path) -> bool:
    """Tell whether a directory holds weights in a supported form."""
    return any(os.path.lexists(directory / name) for name in (SINGLE, INDEX))


def find_weights(directory: Path) -> Path:
    """Find the weights of a checkpoint: ``model.safetensors``, or else its index.

    Raises:
        FileNotFoundError: there are no weights.
        ValueError: the weights are in an unsupported format; the message says why and what to do.
    """
    for name in (SINGLE, INDEX):
        if os.path.lexists(directory / name):
            check_content(directory / name)
            return directory / name
    for name in _PICKLES:
        if (directory / name).is_file():
            path = directory / name
            raise ValueError(f"{path}: a pickle can run code when it is read, so it is not; {_REMEDY}")
    for name in _FOREIGN:
        if (directory / name).is_file():
            raise ValueError(f"{directory / name}: weights of another framework are not read; {_REMEDY}")
    others = sorted(file.name for file in directory.iterdir() if file.suffix in _SUFFIXES)
    found = f", but {', '.join(others[:3])}" if others else ""
    reason = f"missing; the directory holds no checkpoint{found}"
    raise FileNotFoundError(ENOENT, reason, str(directory / SINGLE))


def open_weights(path: Path) -> list[TensorFile]:
    """Open the file or the shards that `find_weights` returned.

    Raises:
        FileNotFoundError: a file that the index names is missing.
        ValueError: a file is damaged, or the index is malformed, names a file outside of its directory, or
            names a tensor that is not where it says; the message names the file and the tensor.
    """
    if path.name != INDEX:
        return [TensorFile(path)]
    places = _read_index(path)
    files = {name: TensorFile(_shard(path, name)) for name in sorted(set(places.values()))}
    held = {name: set(file.names) for name, file in files.items()}
    for tensor, name in places.items():
        if tensor not in held[name]:
            raise ValueError(f"{files[name].path}: tensor {tensor!r} is missing, which {INDEX} says is here")
    return list(files.values())


def _read_index(path: Path) -> dict[str, str]:
    """Read the mapping from tensor names to file names."""
    places = read_json(path).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise ValueError(f'{path}: "weight_map" is missing or empty, expected file names by tensor names')
    for tensor, name in places.items():
        # The index is untrusted data: it must not select other files of this machine.
        if not isinstance(name, str) or name in ("", ".", "..") or set(name) & set("/\\\0"):
            raise ValueError(
                f"{path}: tensor {tensor!r} is said to be in {name!r:.80}, expected the name of a file in "
                "the same directory"
            )
    return places


def _shard(index: Path, name: str) -> Path:
    """Find a shard by its name; symbolic links may only lead into the hub client's cache."""
    path = index.parent / name
    if not os.path.lexists(path):
        raise FileNotFoundError(ENOENT, f"missing, though {INDEX} names it", str(path))
    check_content(path)
    directory, target = index.parent.resolve(), path.resolve()
    # A snapshot in that cache is a directory of links: snapshots/REVISION/FILE -> blobs/HASH.
    homes = {
        directory,
        directory.parent.parent / "blobs" if directory.parent.name == "snapshots" else directory,
    }
    if path.is_symlink() and target.parent not in homes:
        raise ValueError(f"{path}: a link that leads out of the checkpoint, to {target}; copy the file")
    return path
