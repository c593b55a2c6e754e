"""Time models relative to the unpruned INT8 model."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.latency.typical_batches import typical_batches
from spanjet.config import RuntimeConfig
from spanjet.measure.progress import OnStep, ignore_step
from spanjet.measure.rounds import relative_times
from spanjet.measure.workload import run_batches
from spanjet.model import Model
from spanjet.runtime.engine import Runtime
from spanjet.runtime.openvino import ov

__all__ = ["RelativeTimer"]

# Batches of each stream in a run.
_BATCHES = 4


class RelativeTimer:
    """Time models in alternation with the unpruned one, on batches of the data's lengths.

    Args:
        plain: the unpruned INT8 model.
        lengths: int64[windows], lengths in tokens of the data's windows.
        rounds: runs of each model.

    Attributes:
        batches: the batches of a run.
    """

    def __init__(self, plain: Model, lengths: NDArray[np.int64], *, rounds: int) -> None:
        self._runtime = RuntimeConfig(cache_dir=None)
        self._rounds = rounds
        plain_runtime = Runtime(plain.model, self._runtime)
        self.batches = typical_batches(
            lengths,
            count=_BATCHES * plain_runtime.streams,
            vocabulary=plain.vocab_size,
            max_length=plain.max_length,
            config=self._runtime,
        )
        self._plain = partial(run_batches, plain_runtime, self.batches)

    def share(self, model: ov.Model, on_step: OnStep = ignore_step) -> float:
        """Measure the ratio of a model's time to that of the unpruned one, the median of the rounds."""
        side = partial(run_batches, Runtime(model, self._runtime), self.batches)
        ratios, _ = relative_times({"model": side}, self._plain, rounds=self._rounds, on_step=on_step)
        return ratios["model"]
