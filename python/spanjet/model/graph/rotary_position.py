"""Build rotary position embeddings (Su et al. 2021, arXiv 2104.09864)."""

import numpy as np
from numpy.typing import NDArray

from spanjet.model.graph.blocks import FIXED
from spanjet.runtime.openvino import ops, ov

__all__ = ["RotaryPositions"]

_END = np.iinfo(np.int64).max


class RotaryPositions:
    """Builder of rotations by position for a dynamic sequence length, shared by layers of one base.

    Component i of the first half of a head's vector and component i of its second half are one pair, which is
    rotated by the angle position / base^(2i / head_size).

    Args:
        length: int64[1], sequence length.
        longest: maximum sequence length; inference fails on a longer one.
        head_size: width of one attention head, an even number.
        base: base of the wave lengths, "theta" in configurations.
        name: name of the tables' nodes.
    """

    def __init__(self, length: ov.Node, *, longest: int, head_size: int, base: float, name: str) -> None:
        self._half = head_size // 2
        # float32 as in training, apart from the angles' cosines and sines themselves.
        exponents = np.arange(0, head_size, 2, dtype=np.float32) / np.float32(head_size)
        frequencies = np.float32(1) / np.float32(base) ** exponents
        angles = np.arange(longest, dtype=np.float32)[:, None] * frequencies
        angles = np.concatenate([angles, angles], axis=1)[None, None]
        self._cosines, self._sines = (
            self._rows(values.astype(np.float32), length, name=f"{name}.{function}")
            for function, values in (("cosines", np.cos(angles)), ("sines", np.sin(angles)))
        )

    @staticmethod
    def _rows(table: NDArray[np.float32], length: ov.Node, *, name: str) -> ov.Node:
        start, step, axis = (np.array([value], np.int64) for value in (0, 1, 2))
        # A slice, not a gather: beyond the table's end it is too short, and inference fails.
        values = ops.constant(table, name=f"{name}{FIXED}")
        return ops.slice(values, start, length, step, axis, name=name)

    def rotate(self, heads: ov.Node, *, name: str) -> ov.Node:
        """Rotate the vectors of all heads by their positions: [batch, heads, length, head_size]."""
        # OpenVINO's own operation takes the place of these nodes. It does not recognise them if a split into
        # halves takes the place of the slices, or 3 that of the axis -1.
        first, second = (
            ops.slice(heads, *(np.array([place], np.int64) for place in places), name=f"{name}.{half}")
            for half, *places in (("first", 0, self._half, 1, -1), ("second", self._half, _END, 1, -1))
        )
        turned = ops.multiply(second, np.float32(-1), name=f"{name}.turned")
        swapped = ops.concat([turned, first], -1, name=f"{name}.swapped")
        across = ops.multiply(swapped, self._sines, name=f"{name}.across")
        along = ops.multiply(heads, self._cosines, name=f"{name}.along")
        return ops.add(along, across, name=name)
