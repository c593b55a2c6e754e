"""Group windows of unequal length into batches with little padding."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["VECTOR", "PlannedBatch", "padded_lengths", "schedule"]

BATCH_OVERHEAD = 40
"""What a batch costs beside its positions, in positions: measured 0.5 to 1.3 ms, at 0.04 ms a position."""

VECTOR = 16
"""Lengths of batches are multiples of this: then neither padding nor neighbours change a bit of a window.

OpenVINO's attention takes 16 positions at a time and the rest in another way, which rounds differently.
Float32 logits then differ by 1e-5, INT8 ones by up to 0.35 (docs/performance.md). Lengths 4 above a multiple
had 1.8 % fewer positions but no less CPU time, twice the shapes, and other bits with ``static_lengths``.
"""


class PlannedBatch(NamedTuple):
    """A batch to be made.

    Attributes:
        rows: int64[rows], indices of its windows.
        length: its columns, at least the tokens of its longest window.
    """

    rows: NDArray[np.int64]
    length: int


def schedule(
    lengths: NDArray[np.int64], *, batch_tokens: int = 1024, max_length: int | None = None, streams: int = 0
) -> list[PlannedBatch]:
    """Group windows of like length, so that a batch is padded to little more than its windows.

    The windows are sorted by length, longest first, and cut into batches that are full (rows times length
    just within the budget), half full, of one window or, where none follow, of what is left, whichever
    way has the fewest positions in all, a batch's overhead included. Where others follow, batches are full
    as long as there are windows for them. Few numbers of rows and few lengths keep the number of shapes
    small: each costs OpenVINO about 7 ms and 1 MB in every stream when it first comes, and 18 ms and 5 MB
    where no other had as many positions (MiniLM-L6; cut to layers that all differ: 10 and 33 ms, 2 and
    12 MB). Equal lengths keep their order: the result depends on the arguments alone.

    Streamed in parts of 1,024, 11,793 SQuAD questions make 29 shapes, 27 of them in the first third. Without
    the rule that batches are full where others follow it was 51, and with batches of any number of rows 73,
    for 0.1 and 0.2 % fewer positions.

    Args:
        lengths: int64[windows], tokens of each window, at least 1.
        batch_tokens: rows times length of a batch at most; a longer window is a batch of its own.
        max_length: the longest that the model takes (see `padded_lengths`).
        streams: batches that run at the same time and end with the last of these batches; those at the
            end have half and a quarter of the budget, so that all streams end at nearly the same time
            (guided self-scheduling, Polychronopoulos and Kuck 1987). 0: other batches follow.

    Returns:
        The batches; every window is in exactly one.
    """
    order = np.argsort(-lengths, kind="stable").astype(np.int64, copy=False)
    padded = padded_lengths(lengths[order], max_length=max_length)
    full = _full_rows(padded, batch_tokens, streams)
    # Windows of the model's very last positions, where these are no multiple, share no batch with others.
    odd = int(np.count_nonzero(padded % VECTOR))
    batches = []
    for start, end in ((0, odd), (odd, len(order))):
        first = start
        for rows in _cut(padded[start:end].tolist(), full[start:end].tolist(), last=streams > 0):
            batches.append(PlannedBatch(order[first : first + rows], int(padded[first])))
            first += rows
    return batches


def padded_lengths(lengths: NDArray[np.int64], *, max_length: int | None = None) -> NDArray[np.int64]:
    """Round lengths up to multiples of `VECTOR`, but not beyond what the model takes.

    Args:
        lengths: int64[n], at least 1.
        max_length: the longest that the model takes; None: no limit.
    """
    padded = -(-lengths // VECTOR) * VECTOR
    return padded if max_length is None else np.minimum(padded, max_length)


def _full_rows(padded: NDArray[np.int64], batch_tokens: int, streams: int) -> NDArray[np.int64]:
    """Count the rows of a full batch that begins with each window, int64[n]."""
    budget: int | NDArray[np.int64] = batch_tokens
    if streams > 1:
        remaining = np.cumsum(padded[::-1])[::-1] // (2 * streams)
        budget = np.select(
            [remaining >= batch_tokens // part for part in (1, 2)],
            [batch_tokens, batch_tokens // 2],
            batch_tokens // 4,
        )
    return np.maximum(1, budget // padded)


def _cut(padded: list[int], full: list[int], *, last: bool) -> list[int]:
    """Count the rows of each batch, by dynamic programming: the fewest positions, overhead included.

    Args:
        padded: lengths, the longest first.
        full: rows of a full batch that begins with each window.
        last: whether no other batches follow.
    """
    count = len(padded)
    best = [0] * (count + 1)
    chosen = [0] * count
    for first in range(count - 1, -1, -1):
        left = count - first
        options = {rows for rows in (full[first], full[first] // 2, 1) if 0 < rows <= left}
        # A rest of any size, or a change of size at any length, would be another shape each time.
        if last and left < full[first]:
            options.add(left)
        if not last and left >= full[first]:
            options = {full[first]}
        cost, smaller = min((rows * padded[first] + best[first + rows], -rows) for rows in options)
        best[first], chosen[first] = cost + BATCH_OVERHEAD, -smaller
    rows = []
    first = 0
    while first < count:
        rows.append(chosen[first])
        first += chosen[first]
    return rows
