"""Build attention biases by relative distance, as T5 has them (Raffel et al. 2020, arXiv 1910.10683)."""

import math

import numpy as np
from numpy.typing import NDArray

from spanjet.runtime.openvino import ops, ov

__all__ = ["RelativeBiases", "distance_buckets"]


def distance_buckets(distances: NDArray[np.int64], *, buckets: int, farthest: int) -> NDArray[np.int64]:
    """Map distances to buckets: one half for keys before the query, the other for keys behind it.

    In each half, the first buckets hold one distance each, and the others ever more of them, logarithmically.
    Computed in float32, as in training, because distances are rounded down to buckets.

    Args:
        distances: int64, the key's position minus the query's.
        buckets: number of buckets, a multiple of 4.
        farthest: distance from which on there is only the last bucket of each half.

    Returns:
        Buckets from 0 to ``buckets`` - 1, int64 of the same shape.
    """
    half, single = buckets // 2, buckets // 4
    away = np.abs(distances)
    ratio = np.log(np.maximum(away, 1).astype(np.float32) / np.float32(single))
    steps = ratio / np.float32(math.log(farthest / single)) * np.float32(half - single)
    # Truncation, not floor: below ``single``, where steps are negative, the result is not used.
    far = np.minimum(single + steps.astype(np.int64), half - 1)
    return np.where(distances > 0, half, 0) + np.where(away < single, away, far)


class RelativeBiases:
    """Builder of biases for a dynamic sequence length; equal tables share one bias.

    Every row of a bias is the same sequence of values by distance, shifted by one. The rows are therefore
    copies of one slice, written behind each other and read as rows that are one element shorter (Dai et al.
    2019, arXiv 1901.02860, appendix B).

    Args:
        attention_mask: int32[batch, length], which has the sequence length.
        longest: maximum sequence length.
        rows: int64[2 longest], table row of each distance from 1 - longest to longest.
    """

    def __init__(self, attention_mask: ov.Node, *, longest: int, rows: NDArray[np.int64]) -> None:
        self._rows = rows
        self._biases: dict[tuple[tuple[int, ...], bytes], ov.Node] = {}
        one, two, most = (np.array([value], np.int64) for value in (1, 2, longest))
        shape = ops.shape_of(attention_mask, name="distances.sequence")
        self._length = ops.gather(shape, one, np.int64(0), name="distances.length")
        self._first = ops.subtract(most, self._length, name="distances.first")
        self._last = ops.add(most, self._length, name="distances.last")
        self._skip = ops.subtract(self._length, one, name="distances.skip")
        width = ops.multiply(self._length, two, name="distances.width")
        shorter = ops.subtract(width, one, name="distances.shorter")
        self._used = ops.multiply(self._length, shorter, name="distances.used")
        keep = np.array([0], np.int64)
        self._copies = ops.concat([one, self._length, one], 0, name="distances.copies")
        self._lines = ops.concat([keep, self._length, shorter], 0, name="distances.lines")

    def build(self, table: NDArray[np.float32], *, name: str) -> ov.Node:
        """Build the bias of a table, or return that of an equal one.

        Args:
            table: float32[buckets, heads].
            name: name of the bias.

        Returns:
            Bias, [1, heads, length, length], by query and key.
        """
        key = table.shape, table.tobytes()
        if key not in self._biases:
            self._biases[key] = self._build(table, name)
        return self._biases[key]

    def _build(self, table: NDArray[np.float32], name: str) -> ov.Node:
        zero, one, end = (np.array([value], np.int64) for value in (0, 1, np.iinfo(np.int64).max))
        values = ops.constant(np.ascontiguousarray(table[self._rows].T), name=f"{name}.weight")
        line = ops.slice(values, self._first, self._last, one, one, name=f"{name}.line")
        single = ops.unsqueeze(line, one)
        single.set_friendly_name(f"{name}.single")
        copies = ops.tile(single, self._copies, name=f"{name}.copies")
        flat = ops.reshape(copies, np.array([0, -1], np.int64), True, name=f"{name}.flat")
        used = ops.slice(flat, zero, self._used, one, one, name=f"{name}.used")
        lines = ops.reshape(used, self._lines, True, name=f"{name}.lines")
        square = ops.slice(lines, self._skip, end, one, np.array([2], np.int64), name=f"{name}.square")
        bias = ops.unsqueeze(square, zero)
        bias.set_friendly_name(name)  # unsqueeze drops its own name argument
        return bias
