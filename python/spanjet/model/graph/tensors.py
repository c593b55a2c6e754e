"""Sources of a graph's tensors, which are asked for by name."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Recorder", "TensorSource", "Tensors"]


class TensorSource(Protocol):
    """Tensors by the names that an architecture gives them, without a task model's prefix."""

    def take(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """One tensor as float32[shape], C-contiguous; not to be written to.

        Raises:
            ValueError: it is missing or not of that shape.
        """

    def finish(self) -> None:
        """Check that every tensor was taken.

        Raises:
            ValueError: some were not.
        """


class Tensors:
    """Tensors in memory; the graphs made of them share that memory.

    Args:
        values: float32 arrays by name, which must not be written to as long as a graph lives.
    """

    def __init__(self, values: Mapping[str, NDArray[np.float32]]) -> None:
        self._values = values
        self._left = set(values)

    def take(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """See `TensorSource`."""
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
        """See `TensorSource`."""
        if self._left:
            raise ValueError(f"{len(self._left)} tensors were not expected: {sorted(self._left)[:3]}")


class Recorder:
    """Another source's tensors, which are kept as they are taken.

    Args:
        source: where the tensors come from.

    Attributes:
        taken: what was taken, by name.
    """

    def __init__(self, source: TensorSource) -> None:
        self._source = source
        self.taken: dict[str, NDArray[np.float32]] = {}

    def take(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """See `TensorSource`."""
        self.taken[name] = self._source.take(name, shape)
        return self.taken[name]

    def finish(self) -> None:
        """See `TensorSource`."""
        self._source.finish()
