"""Run a reader's model on the shapes that batches have, before the first question comes."""

import asyncio
import time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spanjet.reader.batching import VECTOR
from spanjet.reader.dynamic_batching.batcher import BATCH_TOKENS
from spanjet.reader.reader import Reader
from spanjet.runtime.engine import Hint, Runtime

__all__ = ["warm_up"]

SECONDS = 10.0
"""Time after which the rarer shapes are left to the questions that have them."""

QUESTION = "Who built the bridge over the river?"
TEXT = "The bridge over the river was built by the engineer in that year. "


class _Inputs(NamedTuple):
    input_ids: NDArray[np.int32]
    attention_mask: NDArray[np.int32]
    token_type_ids: NDArray[np.int32]


def warm_up(reader: Reader, seconds: float = SECONDS) -> float:
    """Compile the model, let each stream learn the shapes of batches, and measure its speed.

    Args:
        reader: reader to warm up.
        seconds: time after which no further shape is learnt.

    Returns:
        The seconds that it took.
    """
    begun = time.monotonic()
    token = reader.tokenizer.cls_token_id
    for rows, length in _shapes(reader):
        if time.monotonic() - begun > seconds:
            break
        if rows == 1:
            _run(reader.engine, [_inputs(token, rows, length)], "LATENCY")
        _run(
            reader.engine, [_inputs(token, rows, length) for _ in range(reader.engine.streams)], "THROUGHPUT"
        )
    # Of several calls at once, so that the queue knows the speed of a stream.
    texts = [TEXT * count for count in (1, 3, 6, 9) for _ in range(4)]
    asyncio.run(reader.ask_many_async([QUESTION] * len(texts), texts, threshold=None))
    return time.monotonic() - begun


def _shapes(reader: Reader) -> list[tuple[int, int]]:
    """List the rows and lengths that `FairQueue` makes batches of, those of single questions first."""
    batch_tokens = min(BATCH_TOKENS, reader.runtime_config.batch_tokens or BATCH_TOKENS)
    shapes = []
    for length in range(VECTOR, reader.window_config.max_length + 1, VECTOR):
        rows = max(1, batch_tokens // length)
        while rows:
            shapes.append((rows, length))
            rows //= 2
    return sorted(shapes)


def _inputs(token: int, rows: int, length: int) -> _Inputs:
    ids = np.full((rows, length), token, np.int32)
    return _Inputs(ids, np.ones_like(ids), np.zeros_like(ids))


def _run(engine: Runtime, batches: list[_Inputs], hint: Hint) -> None:
    for _ in engine.run(batches, hint=hint):
        pass
