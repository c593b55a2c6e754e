"""Spend the hours of a run on the architectures that may hold the floor when they are trained longer."""

import time
from collections.abc import Callable, Sequence
from itertools import islice

from spanjet.compress.distill.training import Training, distil
from spanjet.compress.prune.network import Network
from spanjet.compress.prune.packing import Inputs
from spanjet.compress.search.pareto import ParetoFront, ParetoPoint

__all__ = ["TRIES", "measure_training", "train_longer"]

TRIES = 3
"""Architectures that are trained longer, one after the other; one if the run has a budget."""

# Share of the budget that is tried below the smallest that held.
_FURTHER = 0.85
# Windows on which the speed of training is measured, after as many others.
_TIMED = 64


def measure_training(network: Network, inputs: Sequence[Inputs]) -> float:
    """Train the unpruned network on some windows, and return the windows per second."""
    moments = [(time.monotonic(), 0)]
    distil(
        network,
        network,
        list(islice(inputs, 2 * _TIMED)),
        training=Training(rate=0.0),
        on_step=lambda seen, _: moments.append((time.monotonic(), seen)),
    )
    (begun, first), (ended, last) = moments[(len(moments) - 1) // 2], moments[-1]
    return (last - first) / (ended - begun)


def train_longer(
    front: ParetoFront,
    measure: Callable[[float, int], ParetoPoint],
    windows: int,
    *,
    budget: float | None,
    fits: Callable[[float], bool],
) -> ParetoFront:
    """Add points that were trained longer, for the fastest that holds the floor.

    First the largest budget that does not hold it is tried, then smaller ones as long as they hold it, and
    what lies between the last two otherwise.

    Args:
        front: points of short trainings.
        measure: builds and measures the point of a budget after a training on so many windows.
        windows: number of windows of one of the trainings.
        budget: try this budget alone; None: see above.
        fits: returns True if an architecture may fit into a budget.
    """
    if budget is not None:
        return front.with_point(measure(budget, windows))
    for _ in range(TRIES):
        found = next_budget(front)
        if not fits(found):
            break
        front = front.with_point(measure(found, windows))
    return front


def next_budget(front: ParetoFront) -> float:
    """Choose the budget to train longer at."""
    fastest = front.fastest
    held = 1.0 if fastest is None else fastest.budget
    lower = [point for point in front.points if point.budget < held]
    tried = [point.budget for point in lower if point.windows is not None]
    if tried:  # it did not hold
        return (held + max(tried)) / 2
    return max((point.budget for point in lower), default=held * _FURTHER)
