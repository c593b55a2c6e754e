"""Build attention scores of relative positions, as Shaw et al. (2018) and DeBERTa have them.

Shaw et al.: arXiv 1803.02155; DeBERTa: He et al. 2021, arXiv 2006.03654 and 2111.09543.
"""

import numpy as np
from numpy.typing import NDArray

from spanjet.model.graph.blocks import ScoreBias
from spanjet.runtime.openvino import ops, ov

__all__ = ["Distances", "bucketed"]


def bucketed(distances: NDArray[np.int64], *, buckets: int, most: int) -> NDArray[np.int64]:
    """Map distances to buckets: unchanged up to half the number of buckets, logarithmic beyond.

    Computed in float32, as in training, because distances are rounded up to buckets.

    Args:
        distances: int64, any sign.
        buckets: number of buckets, at least 2.
        most: first distance beyond the last bucket; at least ``buckets`` / 2 + 2.

    Returns:
        Buckets, int64 of the same shape and signs.
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
    """Mapping from relative distances to table rows for a dynamic sequence length, shared by all layers.

    Scores are computed for each pair of a token and a distance, [batch, heads, length, 2 length], and then
    shifted to pairs of tokens, [batch, heads, length, length]: reshaping to rows that are one element shorter
    shifts each row by one to the left (Dai et al. 2019, arXiv 1901.02860, appendix B).

    Args:
        ids: int32[batch, length], an input of the graph, which has the sequence length.
        longest: maximum sequence length.
        rows: int64[2 longest + 1], table row of each distance from -longest to longest.
    """

    def __init__(self, ids: ov.Node, *, longest: int, rows: NDArray[np.int64]) -> None:
        shape = ops.shape_of(ids, name="distances.sequence")
        length = ops.gather(shape, np.array([1], np.int64), np.int64(0), name="distances.length")
        one = np.array([1], np.int64)
        first = ops.subtract(np.array([longest], np.int64), length, name="distances.first")
        last = ops.add(length, np.array([longest], np.int64), name="distances.last")
        # A distance is the query's position minus the key's: it decreases along the row of a query, and
        # increases along that of a key.
        self._rows = {}
        for part, values in (("query", rows[::-1]), ("key", rows)):
            table = ops.constant(values[1:].astype(np.int32), name=f"distances.{part}.all")
            zero = np.array([0], np.int64)
            self._rows[part] = ops.slice(table, first, last, one, zero, name=f"distances.{part}")
        self._length = length
        self._longest = longest
        self._skip = ops.subtract(length, one, name="distances.skip")
        sizes = [np.array([0, 0], np.int64), length, np.array([-1], np.int64)]
        self._shape = ops.concat(sizes, 0, name="distances.shape")

    def limited(self, bias: ov.Node, *, name: str) -> ov.Node:
        """Return the attention bias unchanged, [..., length], but fail inference on longer sequences.

        The slice of zeros is then too short to add. Without this, scores would be silently wrong.
        """
        start, step, axis = (np.array([value], np.int64) for value in (0, 1, 0))
        none = ops.constant(np.zeros(self._longest, np.float32), name=f"{name}.zeros")
        zeros = ops.slice(none, start, self._length, step, axis, name=f"{name}.slice")
        return ops.add(bias, zeros, name=name)

    def bias(self, table: NDArray[np.float32], *, part: str) -> ScoreBias:
        """Make a bias of `scores` for the attention layer that has these queries and keys."""

        def build(query: ov.Node, key: ov.Node, name: str) -> ov.Node:
            heads = query if part == "query" else key
            return self.scores(heads, table, part=part, name=f"{name}.{part}")

        return build

    def scores(self, heads: ov.Node, table: NDArray[np.float32], *, part: str, name: str) -> ov.Node:
        """Compute the scores of tokens and distances, aligned to pairs of tokens.

        Args:
            heads: queries or keys, [batch, heads, length, head_size].
            table: projected relative positions, float32[heads, rows, head_size]; 1 for ``heads``: all have
                the same.
            part: kind of ``heads``: ``query`` or ``key``.
            name: name of the last node.

        Returns:
            Scores, [batch, heads, length, length], by query and key.
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
        end_name = name if part == "query" else f"{name}.by_key"
        scores = ops.slice(square, zero, self._length, one, np.array([3], np.int64), name=end_name)
        return (
            scores if part == "query" else ops.transpose(scores, np.array([0, 1, 3, 2], np.int64), name=name)
        )
