"""Batches like those of the production path, without texts: their shapes are real, their tokens are not."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spanjet.config import RuntimeConfig
from spanjet.reader.batching import schedule

__all__ = ["RandomBatch", "typical_batches"]


@dataclass(frozen=True)
class RandomBatch:
    """Model inputs, int32[rows, length] each; padding is on the right."""

    input_ids: NDArray[np.int32]
    attention_mask: NDArray[np.int32]
    token_type_ids: NDArray[np.int32]


def typical_batches(
    lengths: NDArray[np.int64],
    *,
    count: int | None = None,
    vocabulary: int,
    max_length: int,
    config: RuntimeConfig,
    streams: int = 0,
) -> list[RandomBatch]:
    """Make some of the batches of windows, at equal distances from the longest to the shortest.

    Args:
        lengths: int64[windows], tokens of each window.
        count: batches at most; None: all of them.
        vocabulary: ids are below this.
        max_length: the longest sequence that the model takes.
        config: its ``batch_tokens`` are used.
        streams: see `schedule`.
    """
    budget = config.completed().batch_tokens or 1
    plan = schedule(lengths, batch_tokens=budget, max_length=max_length, streams=streams)
    count = count or len(plan)
    generator = np.random.default_rng(0)
    batches = []
    for place in np.unique(((np.arange(count) + 0.5) * len(plan) / count).astype(np.int64)).tolist():
        rows, length = plan[place]
        filled = np.arange(length)[None, :] < lengths[rows][:, None]
        mask = filled.astype(np.int32)
        ids = generator.integers(vocabulary // 2, vocabulary, mask.shape, np.int32) * mask
        batches.append(RandomBatch(ids, mask, np.zeros_like(mask)))
    return batches
