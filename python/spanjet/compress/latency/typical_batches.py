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
    lengths: NDArray[np.int64], *, count: int, vocabulary: int, max_length: int, config: RuntimeConfig
) -> list[RandomBatch]:
    """Some of the batches that windows make, at equal distances from the longest to the shortest.

    Args:
        lengths: int64[windows], tokens of each window.
        count: batches at most.
        vocabulary: ids are below this.
        max_length: the longest sequence that the model takes.
        config: how windows become batches.
    """
    settings = config.completed()
    plan = schedule(
        lengths,
        batch_tokens=settings.batch_tokens or 1,
        length_multiple=settings.length_multiple or 1,
        length_excess=settings.length_excess or 0,
        max_length=max_length,
    )
    generator = np.random.default_rng(0)
    batches = []
    for place in np.unique(((np.arange(count) + 0.5) * len(plan) / count).astype(np.int64)).tolist():
        rows, length = plan[place]
        filled = np.arange(length)[None, :] < lengths[rows][:, None]
        mask = filled.astype(np.int32)
        ids = generator.integers(vocabulary // 2, vocabulary, mask.shape, np.int32) * mask
        batches.append(RandomBatch(ids, mask, np.zeros_like(mask)))
    return batches
