"""Choose an option of each block with the least total cost within a time budget, by dynamic programming."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["BUCKETS", "Knapsack", "Options"]

#: Steps that a time is cut into.
BUCKETS = 10_000


@dataclass(frozen=True)
class Options:
    """Time and cost of each option of a block, float64[options] each.

    Options may have time 0.
    """

    seconds: NDArray[np.float64]
    cost: NDArray[np.float64]


class Knapsack:
    """Multiple-choice knapsack, solved at once for every budget up to a maximum.

    The algorithm is that of SPDY (Frantar and Alistarh 2022, arXiv 2201.13096). Times are rounded up to
    buckets, so that a choice never exceeds its budget; it may miss one that fits by less than one bucket per
    block.

    Args:
        blocks: blocks, of each of which one option is chosen.
        most: maximum budget in seconds, above 0.
        buckets: number of time buckets up to ``most``.

    Raises:
        ValueError: a block has no option, a time or cost is not finite or negative, or ``most`` is not above
            0.
    """

    def __init__(self, blocks: Sequence[Options], most: float, *, buckets: int = BUCKETS) -> None:
        if not most > 0:
            raise ValueError(f"the maximum budget is {most} s; expected more than 0 s")
        for index, block in enumerate(blocks):
            _check(index, block)
        self._blocks = blocks
        self._step = most / buckets
        # A time that is a whole number of buckets keeps that number, whatever the division rounds to.
        self._times = [np.ceil(each.seconds / self._step - 1e-9).astype(np.int64) for each in blocks]
        self._least = float(sum(each.seconds.min() for each in blocks))
        best = np.zeros(buckets + 1)
        self._chosen: list[NDArray[np.int16]] = []
        for block, times in zip(blocks, self._times, strict=True):
            best, chosen = _extend(best, block.cost, times)
            self._chosen.append(chosen)
        self._best = best

    def solve(self, budget: float) -> list[int]:
        """Return the index of the chosen option of each block.

        Args:
            budget: budget in seconds, not above the maximum.

        Raises:
            ValueError: the budget exceeds the maximum, or no choice fits; the message then states the least
                feasible budget.
        """
        left = int(budget / self._step + 1e-9)
        if left >= len(self._best):
            raise ValueError(f"a budget of {budget:.3g} s exceeds the maximum")
        if left < 0 or not np.isfinite(self._best[left]):
            raise ValueError(
                f"no choice fits into {budget:.3g} s; the smallest feasible budget is {self._least:.3g} s"
            )
        choice = []
        for chosen, times in zip(reversed(self._chosen), reversed(self._times), strict=True):
            option = int(chosen[left])
            choice.append(option)
            left -= int(times[option])
        return choice[::-1]


def _extend(
    best: NDArray[np.float64], cost: NDArray[np.float64], times: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int16]]:
    """Add a block: return the least cost within each number of buckets, and the block's option there."""
    least = np.full(len(best), np.inf)
    chosen = np.full(len(best), -1, np.int16)
    for option in np.lexsort((np.arange(len(cost)), times)):
        time = int(times[option])
        if time >= len(best):
            continue
        reached = best[: len(best) - time] + cost[option]
        better = reached < least[time:]
        least[time:][better] = reached[better]
        chosen[time:][better] = option
    return least, chosen


def _check(index: int, block: Options) -> None:
    if len(block.seconds) == 0 or block.seconds.shape != block.cost.shape:
        raise ValueError(f"block {index} has {len(block.seconds)} times and {len(block.cost)} costs")
    for name, values in (("time", block.seconds), ("cost", block.cost)):
        if not (np.isfinite(values).all() and (values >= 0).all()):
            raise ValueError(f"block {index} has a {name} that is not finite and at least 0")
