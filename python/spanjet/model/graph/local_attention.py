"""Build attention to the tokens around each token, block by block (Beltagy et al. 2020, arXiv 2004.05150)."""

import numpy as np
from numpy.typing import NDArray

from spanjet.model.graph.blocks import FIXED, MASKED, Biases, Blocks
from spanjet.runtime.openvino import ops, ov

__all__ = ["LocalAttention"]

# OpenVINO's attention takes 16 positions at a time.
_STEP = 16


class LocalAttention:
    """Builder of blocks of local attention for a dynamic sequence length, shared by all layers.

    Queries are cut into blocks of at least as many tokens as each token attends to on one side. A block
    attends to itself and to the blocks before and after it, with a bias that hides what is too far away. So
    time and memory grow with the length, not with its square. Blocks begin at multiples of their size,
    whatever the length of the batch is.

    Args:
        attention_mask: int32[batch, length], 1 for tokens and 0 for padding.
        length: int64[1], sequence length.
        longest: maximum sequence length.
        reach: number of tokens that each token attends to on each side, besides itself.
        heads: number of attention heads.
        head_size: width of one attention head.
    """

    # Rejected: one mask for all pairs of tokens, which takes 0.95 of the time here at 8 x 128, 0.99 at
    # 4 x 384, 1.14 at 1 x 1,024 and 1.34 at 1 x 2,048 (ModernBERT-base's size, float32, one core); keys and
    # values by padding, slices and concatenation, five copies in place of one.
    def __init__(
        self,
        attention_mask: ov.Node,
        length: ov.Node,
        *,
        longest: int,
        reach: int,
        heads: int,
        head_size: int,
    ) -> None:
        self._size = size = max(_STEP, -(-reach // _STEP) * _STEP)
        self._heads, self._head_size, self._length = heads, head_size, length
        rounded = ops.add(length, _numbers(size - 1), name="local_attention.rounded")
        self._count = ops.divide(rounded, _numbers(size), name="local_attention.count")
        last = ops.subtract(length, _numbers(1), name="local_attention.last.long")
        self._last = ops.convert(last, "i32", name="local_attention.last")
        blocks = np.arange(-(-longest // size))[:, None] * size
        self._own = self._places(blocks + np.arange(size), name="local_attention.own")
        around = np.arange(-size, 2 * size)
        self._around = self._places(blocks + around, name="local_attention.around")
        distances = np.abs(np.arange(size)[:, None] - around)
        far = np.where(distances <= reach, np.float32(0), MASKED)[None, None]
        padding = self._padding(attention_mask, blocks + around)
        self._biases: Biases = (padding, ops.constant(far, name=f"local_attention.far{FIXED}"))

    def attend(
        self, query: ov.Node, key: ov.Node, value: ov.Node, *, scale: float, inner: int, name: str
    ) -> ov.Node:
        """Build local attention with concatenated heads, as `Blocks.attend`: -> [batch, length, inner]."""
        blocks = self._gather(query, self._own, self._size, f"{name}.query.blocks")
        keys, values = (
            self._gather(heads, self._around, 3 * self._size, f"{name}.{part}.around")
            for part, heads in (("key", key), ("value", value))
        )
        context = Blocks.context(blocks, keys, values, self._biases, scale=scale, name=name)
        shape = _numbers(0, self._heads, -1, self._head_size)
        whole = ops.reshape(context, shape, True, name=f"{name}.context.whole")
        start, step, axis = (_numbers(value) for value in (0, 1, 2))
        tokens = ops.slice(whole, start, self._length, step, axis, name=f"{name}.context.tokens")
        return Blocks.concatenated(tokens, inner=inner, name=f"{name}.context")

    def _gather(self, heads: ov.Node, places: ov.Node, size: int, name: str) -> ov.Node:
        """Gather tokens of each block: -> [batch, heads * blocks, size, width]."""
        rows = ops.gather(heads, places, np.int64(2), name=f"{name}.rows")
        return ops.reshape(rows, _numbers(0, -1, size, self._head_size), True, name=name)

    def _places(self, places: NDArray[np.int64], *, name: str) -> ov.Node:
        """Build places of tokens for each block; those beyond the ends become the nearest tokens."""
        found = self._of_blocks(np.maximum(places, 0), name=f"{name}.unlimited")
        return ops.minimum(found, self._last, name=name)

    def _of_blocks(self, values: NDArray[np.int64], *, name: str) -> ov.Node:
        """Take as many rows of a table [most blocks, n] as there are blocks: int32[blocks * n]."""
        table = ops.constant(values.astype(np.int32), name=f"{name}.all")
        rows = ops.slice(table, _numbers(0), self._count, _numbers(1), _numbers(0), name=f"{name}.rows")
        return ops.reshape(rows, _numbers(-1), False, name=name)

    def _padding(self, attention_mask: ov.Node, places: NDArray[np.int64]) -> ov.Node:
        """Build the bias of padding and of places beyond the ends, [batch, heads * blocks, 1, 3 * size]."""
        name = "local_attention.padding"
        mask = ops.gather(attention_mask, self._around, np.int64(1), name=f"{name}.mask")
        unlimited = self._of_blocks(
            np.where(places < 0, np.iinfo(np.int32).max, places), name=f"{name}.places"
        )
        limited = ops.less_equal(unlimited, self._last)
        limited.set_friendly_name(f"{name}.limited")  # comparisons drop their name argument
        inside = ops.convert(limited, "i32", name=f"{name}.inside")
        seen = ops.convert(ops.multiply(mask, inside, name=f"{name}.seen"), "f32", name=f"{name}.float")
        hidden = ops.subtract(np.float32(1), seen, name=f"{name}.hidden")
        lowered = ops.multiply(hidden, MASKED, name=f"{name}.lowered")
        shape = _numbers(0, 1, -1, 3 * self._size)
        by_block = ops.reshape(lowered, shape, True, name=f"{name}.by_block")
        tiled = ops.tile(by_block, _numbers(1, self._heads, 1, 1), name=f"{name}.tiled")
        return ops.reshape(tiled, _numbers(0, -1, 1, 3 * self._size), True, name=name)


def _numbers(*values: int) -> NDArray[np.int64]:
    return np.array(values, np.int64)
