"""Measure the Kullback-Leibler divergence of a candidate's answers from the original model's."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from spanjet.config import RuntimeConfig
from spanjet.evaluate import Question
from spanjet.reader.reader import Reader
from spanjet.runtime.engine import Logits, Runtime
from spanjet.runtime.openvino import ov

__all__ = ["Divergence", "log_softmax"]


# Floor of log probabilities: otherwise tokens that no model takes for the answer would dominate.
_LEAST = -10.0


class Divergence:
    """Kullback-Leibler divergence of start and end probabilities on some windows, in float32.

    Probabilities are clipped to at least e^-10.

    Args:
        reader: reader of the original model; makes the windows.
        questions: questions to make windows of.

    Attributes:
        windows: number of windows.
        tokens: lengths of all windows in tokens, int64[windows].
    """

    def __init__(self, reader: Reader, questions: Sequence[Question]) -> None:
        windows = reader.windows([each.question for each in questions], [each.context for each in questions])
        self.windows, self.tokens = len(windows), np.diff(windows.indptr)
        self._batches = [windows.batch(rows, length=length) for rows, length in reader.batches(windows)]
        self._start = list(self._log_probabilities(reader.model.model))

    def __call__(self, model: ov.Model) -> float:
        """Compute the mean divergence of start and end over the windows, in nats."""
        total = 0.0
        for expected, found in zip(self._start, self._log_probabilities(model), strict=True):
            seen = np.isfinite(expected)
            likely, least = np.exp(expected), np.maximum(found, _LEAST)
            difference = np.subtract(
                np.maximum(expected, _LEAST), least, where=seen, out=np.zeros_like(expected)
            )
            total += float((likely * difference).sum())
        return total / self.windows

    def _log_probabilities(self, model: ov.Model) -> Iterator[NDArray[np.float64]]:
        """Yield log probabilities of start and end, float64[2, rows, length] per batch; -inf for padding."""
        runtime = Runtime(model, RuntimeConfig(precision="f32", cache_dir=None))
        for batch, logits in zip(self._batches, runtime.run(self._batches), strict=True):
            yield _masked(logits, batch.attention_mask)


def _masked(logits: Logits, mask: NDArray[np.int32]) -> NDArray[np.float64]:
    both = np.stack(logits).astype(np.float64)
    both[:, mask == 0] = -np.inf
    return log_softmax(both)


def log_softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the log-softmax along the last axis, whose maximum must be finite."""
    shifted = values - values.max(axis=-1, keepdims=True)
    normal: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return normal
