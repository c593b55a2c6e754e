"""Provide a graph's tensors by name."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["FusedTensors", "Recorder", "TensorSource", "Tensors"]


class TensorSource(Protocol):
    """Source of tensors by an architecture's names, without a task model's prefix."""

    def take(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Take one tensor as float32[shape], C-contiguous; it must not be modified.

        Raises:
            ValueError: the tensor is missing or of another shape.
        """

    def finish(self) -> None:
        """Check that every tensor was taken.

        Raises:
            ValueError: some tensors were not taken.
        """


class Tensors:
    """Source of tensors in memory, which graphs share.

    Args:
        values: float32 arrays by name, which must not be modified while a graph uses them.
    """

    def __init__(self, values: Mapping[str, NDArray[np.float32]]) -> None:
        self._values = values
        self._left = set(values)

    def take(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Take one tensor, see `TensorSource.take`."""
        if name not in self._values:
            raise ValueError(f"tensor {name!r} is missing, expected with shape {list(shape)}")
        value = self._values[name]
        if value.shape != shape or value.dtype != np.float32:
            raise ValueError(
                f"tensor {name!r} is {value.dtype}{list(value.shape)}, expected float32{list(shape)}"
            )
        self._left.discard(name)
        return np.ascontiguousarray(value)

    def finish(self) -> None:
        """Check that every tensor was taken, see `TensorSource.finish`."""
        if self._left:
            raise ValueError(f"{len(self._left)} tensors were not expected: {sorted(self._left)[:3]}")


class Recorder:
    """Source that records the tensors taken from another source.

    Args:
        source: source of the tensors.

    Attributes:
        taken: taken tensors by name.
    """

    def __init__(self, source: TensorSource) -> None:
        self._source = source
        self.taken: dict[str, NDArray[np.float32]] = {}

    def take(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Take one tensor, see `TensorSource.take`."""
        self.taken[name] = self._source.take(name, shape)
        return self.taken[name]

    def finish(self) -> None:
        """Check that every tensor was taken, see `TensorSource.finish`."""
        self._source.finish()


class FusedTensors:
    """Source of tensors that takes parts of equal size from fused tensors, split along their first axis.

    The parts share the memory of the fused tensor.

    Args:
        source: source of the tensors.
        parts: names of the parts in their order, by the name of the fused layer; each name is the last one
            before ``.weight`` or ``.bias``, as in ``layers.0.attn.Wqkv.weight``.
    """

    def __init__(self, source: TensorSource, parts: Mapping[str, Sequence[str]]) -> None:
        self._source = source
        self._places = {
            part: (fused, index, len(names))
            for fused, names in parts.items()
            for index, part in enumerate(names)
        }
        self._fused: dict[str, NDArray[np.float32]] = {}

    def take(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Take one tensor, or a part of a fused one; see `TensorSource.take`."""
        layer, _, kind = name.rpartition(".")
        parent, _, part = layer.rpartition(".")
        if part not in self._places:
            return self._source.take(name, shape)
        fused, index, count = self._places[part]
        whole, rows = f"{parent}.{fused}.{kind}", shape[0]
        if whole not in self._fused:  # a checkpoint in half precision is converted when a tensor is taken
            self._fused[whole] = self._source.take(whole, (count * rows, *shape[1:]))
        return self._fused[whole][index * rows : (index + 1) * rows]

    def finish(self) -> None:
        """Check that every tensor was taken, see `TensorSource.finish`."""
        self._source.finish()
