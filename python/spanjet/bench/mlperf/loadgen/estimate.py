"""How fast a system is, roughly: what LoadGen wants to know before it asks."""

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from spanjet.bench.mlperf.loadgen.samples import Samples
from spanjet.bench.mlperf.loadgen.system import System
from spanjet.bench.mlperf.rules import STREAM_SAMPLES

__all__ = ["measure_latency", "measure_throughput"]

SECONDS = 3.0
"""Measured for about so long, after a first turn."""

LEAST = 32


def measure_throughput(system: System, samples: Samples) -> float:
    """Samples a second, in bulk; compiles the model."""
    order = np.random.default_rng(0).permutation(len(samples)).astype(np.int64)
    count = min(LEAST, len(order))
    rate = 0.0
    for _ in range(2):  # the first turn also compiles, and learns the shapes
        began = time.perf_counter()
        _run(system, np.resize(order, count))
        rate = count / (time.perf_counter() - began)
        count = max(LEAST, round(SECONDS * rate))
    return rate


def measure_latency(system: System, samples: Samples, *, together: bool = False) -> float:
    """Milliseconds of a query, the median.

    Args:
        system: what answers.
        samples: what can be asked.
        together: whether a query has several samples, as in the MultiStream scenario.
    """
    size = STREAM_SAMPLES if together else 1
    order = np.random.default_rng(0).permutation(len(samples)).astype(np.int64)
    ask: Callable[[int], NDArray[np.int64]] = lambda turn: np.take(  # noqa: E731
        order, range(turn * size, (turn + 1) * size), mode="wrap"
    )
    _run(system, ask(0))
    seconds: list[float] = []
    while len(seconds) < LEAST and sum(seconds) < SECONDS:
        began = time.perf_counter()
        _run(system, ask(len(seconds)))
        seconds.append(time.perf_counter() - began)
    return 1000 * float(np.median(seconds))


def _run(system: System, indices: NDArray[np.int64]) -> None:
    for _ in system.infer(indices):
        pass
