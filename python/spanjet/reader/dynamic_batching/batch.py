"""Make one batch of the windows of several calls, and distribute its logits."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spanjet.reader.dynamic_batching.call import Call
from spanjet.reader.dynamic_batching.fair_queue import Taken
from spanjet.runtime.engine import Logits, ModelInputs

__all__ = ["distribute", "model_inputs", "real_tokens"]


class _Inputs(NamedTuple):
    """Model inputs of the windows of several calls, int32[rows, length]."""

    input_ids: NDArray[np.int32]
    attention_mask: NDArray[np.int32]
    token_type_ids: NDArray[np.int32]


def model_inputs(taken: Taken) -> ModelInputs:
    """Pad the windows of a batch."""
    batches = [
        call.chunk.windows.batch(np.array(rows, np.int64), length=taken.length) for call, rows in taken.parts
    ]
    if len(batches) == 1:
        return batches[0]
    return _Inputs(*(np.concatenate([getattr(batch, name) for batch in batches]) for name in _Inputs._fields))


def distribute(taken: Taken, logits: Logits) -> None:
    """Store the logits of a batch where its calls have theirs."""
    for call, rows, place in _placed(taken):
        call.chunk.put(np.array(rows, np.int64), Logits(logits.start[place], logits.end[place]))


def real_tokens(taken: Taken) -> int:
    """Count the tokens of a batch without padding."""
    lengths = (np.diff(call.chunk.windows.indptr)[rows].sum() for call, rows in taken.parts)
    return int(sum(lengths))


def _placed(taken: Taken) -> Iterator[tuple[Call, list[int], slice]]:
    first = 0
    for call, rows in taken.parts:
        yield call, rows, slice(first, first + len(rows))
        first += len(rows)
