"""Group windows of unequal length into batches with little padding."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["VECTOR", "PlannedBatch", "padded_lengths", "schedule"]

BATCH_OVERHEAD = 40
"""Overhead of a batch in equivalent positions: measured 0.5 to 1.3 ms, at 0.04 ms per position."""

VECTOR = 16
"""Batch lengths are multiples of this, so that neither padding nor other windows change a bit of the logits.

OpenVINO's attention processes 16 positions at a time and the remainder in another kernel, which rounds
differently. Float32 logits then differ by 1e-5, INT8 ones by up to 0.35 (docs/performance.md). Lengths 4
above a multiple had 1.8 % fewer positions, but the same CPU time, twice as many shapes, and different bits
with ``static_lengths``.
"""


class PlannedBatch(NamedTuple):
    """Batch to make.

    Attributes:
        rows: int64[rows], indices of its windows.
        length: padded length, at least that of the longest window.
    """

    rows: NDArray[np.int64]
    length: int


def schedule(
    lengths: NDArray[np.int64], *, batch_tokens: int = 1024, max_length: int | None = None, streams: int = 0
) -> list[PlannedBatch]:
    """Group windows of similar length into batches with little padding.

    The windows are sorted by length, longest first, and split into batches that are full (rows times length
    just within the budget), half full, of one window or, if no others follow, of the remainder, in the way
    that minimises the total number of positions, including the batches' overhead. If others follow, batches
    are full as long as there are enough windows. Few distinct row counts and lengths keep the number of
    shapes small: each new shape costs OpenVINO about 7 ms and 1 MB in every stream, or 18 ms and 5 MB if it
    is the first with that many positions (MiniLM-L6; pruned to layers that all differ: 10 and 33 ms, 2 and 12
    MB). Equal lengths keep their order: the result is deterministic.

    Streamed in parts of 1,024, 11,793 SQuAD questions make 29 shapes, 27 of them in the first third. Without
    the rule that batches are full if others follow there were 51, and with any number of rows 73, for 0.1 and
    0.2 % fewer positions.

    Args:
        lengths: int64[windows], length of each window in tokens, at least 1.
        batch_tokens: maximum of rows times length of a batch; a longer window is a batch of its own.
        max_length: maximum length of the model in tokens (see `padded_lengths`).
        streams: number of parallel streams that finish with these batches; the last batches have half and a
            quarter of the budget, so that all streams finish at nearly the same time (guided self-scheduling,
            Polychronopoulos and Kuck 1987). 0: other batches follow.

    Returns:
        The batches; every window is in exactly one.
    """
    order = np.argsort(-lengths, kind="stable").astype(np.int64, copy=False)
    padded = padded_lengths(lengths[order], max_length=max_length)
    full = _full_rows(padded, batch_tokens, streams)
    # Windows that reach the model's maximum length, if it is not a multiple, share no batch with others.
    odd = int(np.count_nonzero(padded % VECTOR))
    batches = []
    for start, end in ((0, odd), (odd, len(order))):
        first = start
        for rows in _cut(padded[start:end].tolist(), full[start:end].tolist(), last=streams > 0):
            batches.append(PlannedBatch(order[first : first + rows], int(padded[first])))
            first += rows
    return batches


def padded_lengths(lengths: NDArray[np.int64], *, max_length: int | None = None) -> NDArray[np.int64]:
    """Round lengths up to multiples of `VECTOR`, but not beyond the model's maximum.

    Args:
        lengths: int64[n], at least 1.
        max_length: maximum length of the model in tokens; None: no limit.
    """
    padded = -(-lengths // VECTOR) * VECTOR
    return padded if max_length is None else np.minimum(padded, max_length)


def _full_rows(padded: NDArray[np.int64], batch_tokens: int, streams: int) -> NDArray[np.int64]:
    """Compute the rows of a full batch that begins with each window, int64[n]."""
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
    """Split windows into batches by dynamic programming with the fewest positions; return their rows.

    Args:
        padded: padded lengths, the longest first.
        full: number of rows of a full batch that begins with each window.
        last: True if no other batches follow.
    """
    count = len(padded)
    best = [0] * (count + 1)
    chosen = [0] * count
    for first in range(count - 1, -1, -1):
        left = count - first
        options = {rows for rows in (full[first], full[first] // 2, 1) if 0 < rows <= left}
        # A remainder of any size, or a change of size at any length, would be a new shape each time.
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
