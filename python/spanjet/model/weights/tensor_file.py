"""Map the tensors of a weight file into memory, whatever its format."""

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

__all__ = ["ITEM_BYTES", "Record", "StoredTensor", "TensorFile"]

# BF16 has no NumPy dtype: its bits are the upper half of a float32.
_DTYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}
#: Bytes of a value, by the dtype's name in safetensors.
ITEM_BYTES = {
    **{"F64": 8, "F32": 4, "F16": 2, "BF16": 2},
    **{"I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1},
}
# Maximum ratio of the float32 copies of a file's tensors to the file, which is 2 for FP16.
_MOST_COPIES = 4
# Values that are checked at once: little memory, and in the cache when they are used again.
_BLOCK = 1 << 18


@dataclass(frozen=True, slots=True)
class Record:
    """Bytes of a file that belong together.

    Attributes:
        offset: the first byte.
        size: number of bytes.
        checksum: CRC-32 of them; None: it is not known.
    """

    offset: int
    size: int
    checksum: int | None = None


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """Place and form of a tensor in a file, which lies within it.

    Attributes:
        dtype: name of the dtype, as safetensors has it: "F32".
        shape: the shape.
        offset: byte of the first value.
        strides: distances between neighbours along each axis, in values, 0 or more; None: C-contiguous.
        record: bytes with a checksum that the tensor is part of; None: there is none.
    """

    dtype: str
    shape: tuple[int, ...]
    offset: int
    strides: tuple[int, ...] | None = None
    record: Record | None = None


class TensorFile:
    """Tensors of one file by name.

    C-contiguous float32 tensors are views of the memory-mapped file, whose pages are read on use: nothing is
    copied. The file must not be truncated or modified while they are in use; renaming or deleting it is safe.

    Args:
        path: the file.
        tensors: its tensors by name.
    """

    def __init__(self, path: Path, tensors: dict[str, StoredTensor]) -> None:
        self.path = path
        self._tensors = tensors
        # Private pages: OpenVINO only shares writable memory, but never writes to it.
        self._data = np.memmap(path, dtype=np.uint8, mode="c")
        self._checked: set[Record] = set()
        self._copied: dict[str, int] = {}

    @property
    def names(self) -> list[str]:
        """Names of the tensors."""
        return list(self._tensors)

    def read(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Read one tensor as float32[shape], C-contiguous; it must not be modified.

        Args:
            name: one of `names`.
            shape: required shape.

        Raises:
            ValueError: the tensor has another shape, a dtype other than F32, F16 and BF16, a non-finite
                value, or bytes that do not have their checksum; the message names the file and the tensor.
        """
        tensor = self._tensors[name]
        where = f"{self.path}: tensor {name!r}"
        if tensor.dtype not in _DTYPES:
            raise ValueError(f"{where} has dtype {tensor.dtype}, expected {', '.join(_DTYPES)}")
        if tensor.shape != shape:
            raise ValueError(f"{where} has shape {list(tensor.shape)}, expected {list(shape)}")
        if not self._is_whole(tensor):
            raise ValueError(f"{where} is damaged: its bytes do not have the CRC-32 that the file states")
        self._count_copy(name, tensor)
        values = _as_float32(self._stored_values(tensor), tensor.dtype)
        bad = _count_not_finite(values)
        if bad:
            raise ValueError(f"{where} has {bad} values that are not finite")
        return values.reshape(shape)

    def _count_copy(self, name: str, tensor: StoredTensor) -> None:
        """Check that copies are in proportion to the file, of which tensors may share bytes."""
        if not self._is_mapped(tensor):
            self._copied[name] = 4 * math.prod(tensor.shape)
            if sum(self._copied.values()) > _MOST_COPIES * self._data.size:
                raise ValueError(
                    f"{self.path}: tensor {name!r}, and those read before it, would take more than "
                    f"{_MOST_COPIES} times the bytes of the file, of which they share some"
                )

    def _is_mapped(self, tensor: StoredTensor) -> bool:
        return tensor.strides is None and tensor.dtype == "F32" and tensor.offset % 4 == 0

    def _stored_values(self, tensor: StoredTensor) -> NDArray[np.generic]:
        """Return the values of a tensor in C order, one-dimensional and aligned."""
        dtype, count = np.dtype(_DTYPES[tensor.dtype]), math.prod(tensor.shape)
        if tensor.strides is not None:
            steps = [step * dtype.itemsize for step in tensor.strides]
            last = sum((size - 1) * step for size, step in zip(tensor.shape, tensor.strides, strict=True))
            values = np.frombuffer(self._data, dtype, last + 1, tensor.offset)
            return np.array(as_strided(values, tensor.shape, steps, writeable=False), order="C").reshape(-1)
        if self._is_mapped(tensor):
            return np.frombuffer(self._data, dtype, count, tensor.offset)
        # Tensors that must be converted or aligned are read instead of mapped, to be in memory once.
        with self.path.open("rb") as file:
            file.seek(tensor.offset)
            return np.fromfile(file, dtype, count)

    def _is_whole(self, tensor: StoredTensor) -> bool:
        """Return True if the bytes of a tensor's record have their checksum, which is computed once."""
        record = tensor.record
        if record is None or record.checksum is None or record in self._checked:
            return True
        # Tensors that are not mapped must not be for this: they are in memory once.
        mapped = self._data[record.offset : record.offset + record.size].data
        blocks = [mapped] if self._is_mapped(tensor) else self._blocks(record)
        found = 0
        for block in blocks:
            found = zlib.crc32(block, found)
        if found != record.checksum:
            return False
        self._checked.add(record)
        return True

    def _blocks(self, record: Record) -> Iterator[bytes | memoryview]:
        left = record.size
        with self.path.open("rb") as file:
            file.seek(record.offset)
            while left and (block := file.read(min(left, _BLOCK))):
                yield block
                left -= len(block)


def _as_float32(values: NDArray[np.generic], dtype: str) -> NDArray[np.float32]:
    if dtype != "BF16":
        return values.astype("<f4", copy=False)
    bits = values.astype("<u4")
    bits <<= 16
    return bits.view("<f4")


def _count_not_finite(values: NDArray[np.float32]) -> int:
    blocks = (values[start : start + _BLOCK] for start in range(0, values.size, _BLOCK))
    return sum(block.size - int(np.isfinite(block).sum()) for block in blocks)
