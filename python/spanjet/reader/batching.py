"""Group windows of unequal length into batches with little padding."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["PlannedBatch", "padded_lengths", "schedule"]

BATCH_OVERHEAD = 40
"""What a batch costs beside its positions, in positions: measured 0.5 to 1.3 ms, at 0.04 ms a position."""


VECTOR = 16
"""OpenVINO's attention takes so many positions at a time, and those that are left over one by one.

The two ways round differently, and INT8 makes differences of up to 0.4 in the logits out of that. Whatever
else stands in a batch changes no bit: not its number of rows, nor multiples of 16 positions of padding.
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
    lengths: NDArray[np.int64],
    *,
    batch_tokens: int = 1024,
    length_multiple: int = 16,
    length_excess: int = 4,
    max_length: int | None = None,
    streams: int = 0,
) -> list[PlannedBatch]:
    """Group windows of like length, so that a batch is padded to little more than its windows.

    The windows are sorted by length, longest first, and cut into batches that are full (rows times length
    just within the budget), half full, of one window or, where none follow, of what is left, whichever
    way has the fewest positions in all, a batch's overhead included. Where others follow, batches are full
    as long as there are windows for them. Few numbers of rows and few lengths keep the number of shapes
    small: each costs OpenVINO about 7 ms and 1 MB in every stream when it first comes, and 18 ms and 5 MB
    where no other had as many positions (MiniLM-L6; cut to layers that all differ: 10 and 33 ms, 2 and
    12 MB). Equal lengths keep their order: the result depends on the arguments alone.

    A window whose own rounded length is no multiple of `VECTOR` is never in a longer batch: what the model
    makes of it then does not depend on its neighbours.

    Batches of any number of rows had as few positions but three times the shapes. Streamed in parts of 1,024,
    31,000 SQuAD questions make 84 shapes, 83 of them in the first third; without the rule that batches are
    full where others follow it was 117, new ones kept on coming, and the cost was 0.4 % less.

    Args:
        lengths: int64[windows], tokens of each window, at least 1.
        batch_tokens: rows times length of a batch at most; a longer window is a batch of its own.
        length_multiple: a batch is rounded up to a multiple of this (see `padded_lengths`),
        length_excess: or to a multiple and this, if that is less,
        max_length: but not beyond this, the longest that the model takes; None: no limit.
        streams: batches that run at the same time and end with the last of these batches; those at the
            end have half and a quarter of the budget, so that all streams end at nearly the same time
            (guided self-scheduling, Polychronopoulos and Kuck 1987). 0: other batches follow.

    Returns:
        The batches; every window is in exactly one.
    """
    order = np.argsort(-lengths, kind="stable").astype(np.int64, copy=False)
    padded = padded_lengths(
        lengths[order],
        length_multiple=length_multiple,
        length_excess=length_excess,
        max_length=max_length,
    )
    full = _full_rows(padded, batch_tokens, streams)
    batches = []
    for places in _groups(padded):
        first = 0
        mixed = bool(padded[places[0]] % VECTOR == 0)
        for rows in _cut(padded[places].tolist(), full[places].tolist(), mixed=mixed, last=streams > 0):
            batches.append(PlannedBatch(order[places[first : first + rows]], int(padded[places[first]])))
            first += rows
    return sorted(batches, key=lambda batch: -batch.length)


def _groups(padded: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Places of the windows that may share batches: multiples of `VECTOR`, and each other length."""
    own = np.where(padded % VECTOR == 0, 0, padded)
    return [np.flatnonzero(own == length) for length in np.unique(own)]


def padded_lengths(
    lengths: NDArray[np.int64], *, length_multiple: int, length_excess: int, max_length: int | None = None
) -> NDArray[np.int64]:
    """Round lengths up to those that run fast: multiples, or a little more than a multiple.

    OpenVINO's attention takes 16 positions at a time and the rest singly. A window of 132 tokens is
    quicker at 132 than at 144, one of 136 is quicker at 144; an excess of 4 also saves a third of the
    padding of multiples alone.

    Args:
        lengths: int64[n], at least 1.
        length_multiple: lengths are rounded up to a multiple of this,
        length_excess: or to a multiple and this, if that is less,
        max_length: but not beyond this, the longest that the model takes; None: no limit.
    """
    over = lengths % length_multiple
    step = np.where(over <= length_excess, min(length_excess, length_multiple), length_multiple)
    padded = np.where(over == 0, lengths, lengths - over + step)
    if max_length is not None:
        padded = np.maximum(lengths, np.minimum(padded, max_length))
    return padded


def _full_rows(padded: NDArray[np.int64], batch_tokens: int, streams: int) -> NDArray[np.int64]:
    """int64[n]: rows of a batch that begins with each window."""
    budget: int | NDArray[np.int64] = batch_tokens
    if streams > 1:
        remaining = np.cumsum(padded[::-1])[::-1] // (2 * streams)
        budget = np.select(
            [remaining >= batch_tokens // part for part in (1, 2)],
            [batch_tokens, batch_tokens // 2],
            batch_tokens // 4,
        )
    return np.maximum(1, budget // padded)


def _cut(padded: list[int], full: list[int], *, mixed: bool, last: bool) -> list[int]:
    """Rows of each batch, by dynamic programming from the end: the fewest positions, overhead included.

    Args:
        padded: lengths, the longest first.
        full: rows of a full batch that begins with each window.
        mixed: whether the windows are of several lengths.
        last: whether no other batches follow.
    """
    count = len(padded)
    best = [0] * (count + 1)
    chosen = [0] * count
    for first in range(count - 1, -1, -1):
        left = count - first
        options = {rows for rows in (full[first], full[first] // 2, 1) if 0 < rows <= left}
        # A rest of any size, or a change of size at any length, would be another shape each time.
        if mixed and last and left < full[first]:
            options.add(left)
        if mixed and not last and left >= full[first]:
            options = {full[first]}
        cost, smaller = min((rows * padded[first] + best[first + rows], -rows) for rows in options)
        best[first], chosen[first] = cost + BATCH_OVERHEAD, -smaller
    rows = []
    first = 0
    while first < count:
        rows.append(chosen[first])
        first += chosen[first]
    return rows
