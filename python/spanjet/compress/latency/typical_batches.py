"""Make batches with the shapes of production batches and random tokens."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spanjet.config import RuntimeConfig
from spanjet.reader.batching import schedule

__all__ = ["RandomBatch", "typical_batches"]


@dataclass(frozen=True)
class RandomBatch:
    """Random model inputs, int32[rows, length] each, padded on the right."""

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
    """Make evenly spread batches of windows of the given lengths, from the longest to the shortest.

    Args:
        lengths: int64[windows], length in tokens of each window.
        count: maximum number of batches; None: all.
        vocabulary: size of the vocabulary; token ids are below it.
        max_length: maximum sequence length of the model, in tokens.
        config: runtime settings; only ``batch_tokens`` is used.
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
