"""Attention scores by distance, as DeBERTa adds them (He et al. 2021, arXiv 2006.03654 and 2111.09543)."""

import numpy as np
from numpy.typing import NDArray

from spanjet.runtime.openvino import ops, ov

__all__ = ["Distances", "bucketed"]


def bucketed(distances: NDArray[np.int64], *, buckets: int, most: int) -> NDArray[np.int64]:
    """Distances as they are up to half the number of buckets, and logarithmic ones beyond.

    In float32 arithmetic, as the models were trained, for a distance is rounded up to its bucket.

    Args:
        distances: int64, any sign.
        buckets: at least 2.
        most: the first distance beyond the last bucket; at least half of ``buckets`` plus 2.

    Returns:
        int64 of the same shape and signs.
    """
    middle = buckets // 2
    result: NDArray[np.int64] = distances.copy()
    far = np.abs(distances) > middle
    ratio = np.log(np.abs(distances[far]).astype(np.float32) / np.float32(middle))
    whole = np.log(np.float32((most - 1) / middle))
    steps = np.ceil(ratio / whole * np.float32(middle - 1)).astype(np.int64)
    result[far] = (steps + middle) * np.sign(distances[far])
    return result


class Distances:
    """The part that all layers share: for a sequence's length, which row of a table each distance reads.

    Scores are made for each pair of a token and a distance, [batch, heads, length, 2 length], and then
    shifted to pairs of tokens, [batch, heads, length, length]: flattened, a row that is one element
    shorter moves each line by one to the left (Dai et al. 2019, arXiv 1901.02860, appendix B).

    Args:
        length: int64[1], the sequences' length.
        longest: the greatest length.
        rows: int64[2 longest + 1], the rows that the distances -longest, …, longest read.
    """

    def __init__(self, length: ov.Node, *, longest: int, rows: NDArray[np.int64]) -> None:
        one = np.array([1], np.int64)
        first = ops.subtract(np.array([longest], np.int64), length, name="distances.first")
        last = ops.add(length, np.array([longest], np.int64), name="distances.last")
        # A distance is the query's place less the key's: it falls along the line of a query, and grows
        # along that of a key.
        self._rows = {}
        for part, values in (("query", rows[::-1]), ("key", rows)):
            table = ops.constant(values[1:].astype(np.int32), name=f"distances.{part}.all")
            zero = np.array([0], np.int64)
            self._rows[part] = ops.slice(table, first, last, one, zero, name=f"distances.{part}")
        self._length = length
        self._longest = longest
        self._skip = ops.subtract(length, one, name="distances.skip")
        shape = [np.array([0, 0], np.int64), length, np.array([-1], np.int64)]
        self._shape = ops.concat(shape, 0, name="distances.shape")

    def limited(self, bias: ov.Node, *, name: str) -> ov.Node:
        """The same bias, [..., length]; inference fails where the length is greater than the longest.

        The slice of zeros then comes out short. Without this, scores would be silently wrong.
        """
        start, step, axis = (np.array([value], np.int64) for value in (0, 1, 0))
        none = ops.constant(np.zeros(self._longest, np.float32), name=f"{name}.zeros")
        zeros = ops.slice(none, start, self._length, step, axis, name=f"{name}.slice")
        return ops.add(bias, zeros, name=name)

    def scores(self, heads: ov.Node, table: NDArray[np.float32], *, part: str, name: str) -> ov.Node:
        """Products of tokens and distances, in the place of the tokens they are between.

        Args:
            heads: [batch, heads, length, head_size], of queries or keys.
            table: float32[heads, rows, head_size].
            part: which they are of, ``query`` or ``key``.
            name: of the last node.

        Returns:
            [batch, heads, length, length]: for query and key, or for key and query.
        """
        # Rejected: an index for every score (GatherElements), 1.2 to 2.3 times slower at 12 heads, 96 to
        # 384 tokens, in float32 and in bfloat16.
        weight = ops.constant(table, name=f"{name}.weight", shared_memory=True)
        rows = ops.gather(weight, self._rows[part], np.int64(1), name=f"{name}.rows")
        product = ops.matmul(heads, rows, False, True, name=f"{name}.product")
        line = ops.reshape(product, np.array([0, 0, -1], np.int64), True, name=f"{name}.line")
        one, zero, end = (np.array([value], np.int64) for value in (1, 0, -1))
        shifted = ops.slice(line, self._skip, end, one, np.array([2], np.int64), name=f"{name}.shifted")
        square = ops.reshape(shifted, self._shape, True, name=f"{name}.rows.shifted")
        return ops.slice(square, zero, self._length, one, np.array([3], np.int64), name=name)
