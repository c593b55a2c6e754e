"""Estimate the speed of a system, which LoadGen needs in advance."""

import numpy as np
from numpy.typing import NDArray

from spanjet.bench.mlperf.loadgen.samples import Samples
from spanjet.bench.mlperf.loadgen.system import System
from spanjet.bench.mlperf.rules import STREAM_SAMPLES
from spanjet.measure.rounds import timed

__all__ = ["estimate_query_milliseconds", "estimate_samples_per_second"]

SECONDS = 3.0
"""Approximate duration of a measurement after a warm-up run, in seconds."""

LEAST = 32


def estimate_samples_per_second(system: System, samples: Samples) -> float:
    """Estimate the bulk throughput in samples per second; compiles the model."""
    order = _shuffled(samples)
    count = min(LEAST, len(order))
    rate = 0.0
    for _ in range(2):  # the first run also compiles the model and its shapes
        rate = count / _seconds(system, np.resize(order, count))
        count = max(LEAST, round(SECONDS * rate))
    return rate


def estimate_query_milliseconds(system: System, samples: Samples, *, together: bool = False) -> float:
    """Estimate the median latency of a query in milliseconds.

    Args:
        system: the system under test.
        samples: samples to query.
        together: use several samples per query, as in the MultiStream scenario.
    """
    size, order = STREAM_SAMPLES if together else 1, _shuffled(samples)
    _seconds(system, np.resize(order, size))
    seconds: list[float] = []
    while len(seconds) < LEAST and sum(seconds) < SECONDS:
        first = len(seconds) * size
        seconds.append(_seconds(system, np.take(order, range(first, first + size), mode="wrap")))
    return 1000 * float(np.median(seconds))


def _shuffled(samples: Samples) -> NDArray[np.int64]:
    return np.random.default_rng(0).permutation(len(samples)).astype(np.int64)


def _seconds(system: System, indices: NDArray[np.int64]) -> float:
    return timed(lambda: system.run(indices), collect=False).wall
