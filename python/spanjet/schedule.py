"""Windows of unequal length to batches that waste little on padding."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["PlannedBatch", "schedule"]


class PlannedBatch(NamedTuple):
    """A batch to be made.

    Attributes:
        rows: int64[rows], indices of its windows.
        length: its columns, at least the tokens of its longest window.
    """

    rows: NDArray[np.int64]
    length: int


def schedule(
    lengths: NDArray[np.int64],
    *,
    batch_tokens: int = 1536,
    length_multiple: int = 16,
    max_length: int | None = None,
) -> list[PlannedBatch]:
    """Group windows of like length, so that a batch is padded to little more than its windows.

    The windows are sorted by length, longest first, and cut so that rows times length stays within the
    budget. Longest first, because the short batches at the end then leave all streams busy until nearly
    the same moment. Equal lengths keep their order: the result depends on the arguments alone.

    Args:
        lengths: int64[windows], tokens of each window, at least 1.
        batch_tokens: rows times length of a batch at most; a longer window is a batch of its own.
        length_multiple: a batch's length is rounded up to a multiple of this,
        max_length: but not beyond this, the longest that the model takes; None: no limit.

    Returns:
        The batches; every window is in exactly one.
    """
    order = np.argsort(-lengths, kind="stable").astype(np.int64, copy=False)
    batches = []
    first = 0
    while first < len(order):
        longest = int(lengths[order[first]])
        length = -(-longest // length_multiple) * length_multiple
        if max_length is not None:
            length = max(longest, min(length, max_length))
        rows = order[first : first + max(1, batch_tokens // length)]
        batches.append(PlannedBatch(rows, length))
        first += len(rows)
    return batches
