"""Make batches of samples: the reader's own, and those of baselines."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from spanjet.reader.batching import PlannedBatch, padded_lengths
from spanjet.reader.reader import Reader

__all__ = ["Batching", "in_order", "padded", "scheduled"]

Batching = Callable[[NDArray[np.int64], int], list[PlannedBatch]]
"""Function from sample lengths in tokens, int64[n], and the number of parallel batches to batches."""


def scheduled(reader: Reader) -> Batching:
    """Batch samples as the reader does."""
    return lambda lengths, streams: reader.batches(lengths, streams=streams)


def padded(rows: int, length: int) -> Batching:
    """Batch samples in their given order, all padded to one length."""

    def batches(lengths: NDArray[np.int64], _streams: int) -> list[PlannedBatch]:
        return [PlannedBatch(places, length) for places in _parts(len(lengths), rows)]

    return batches


def in_order(rows: int) -> Batching:
    """Batch samples in their given order, padded to the longest of each batch.

    Lengths are rounded up to fast multiples (see `spanjet.reader.batching`).
    """

    def batches(lengths: NDArray[np.int64], _streams: int) -> list[PlannedBatch]:
        fast = padded_lengths(lengths)
        return [PlannedBatch(places, int(fast[places].max())) for places in _parts(len(lengths), rows)]

    return batches


def _parts(count: int, rows: int) -> list[NDArray[np.int64]]:
    """Divide indices into consecutive parts of equal size."""
    return [np.arange(first, min(first + rows, count), dtype=np.int64) for first in range(0, count, rows)]
