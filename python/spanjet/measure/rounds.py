"""Time alternatives in interleaved rounds, so that other load affects all of them equally."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spanjet.measure.progress import OnStep, ignore_step

__all__ = ["WARM_UPS", "Spread", "Turn", "alternate", "ratios", "relative_times", "timed"]

#: Runs that do not count where all shapes should be known: each stream has to learn them.
WARM_UPS = 2

UNSTEADY = 0.1
"""Where the quartiles are further apart, as a share of the median, the rounds disagree."""

# Number of sides between two runs of the anchor.
_BETWEEN = 4


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and quartiles of several measurements."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Summarise at least one value; quartiles are interpolated as by NumPy."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)

    @property
    def is_steady(self) -> bool:
        """Tell whether the quartiles are so near to each other that the median says something."""
        return self.high - self.low <= UNSTEADY * abs(self.median)


@dataclass(frozen=True, slots=True)
class Turn:
    """Time of one run.

    Attributes:
        wall: wall time in seconds.
        cpu: CPU time of all threads of the process in seconds.
    """

    wall: float
    cpu: float


def timed(run: Callable[[], Any], *, collect: bool = True) -> Turn:
    """Time one run; its result is freed after the clock has stopped.

    Args:
        run: function to time.
        collect: collect garbage before the run.
    """
    if collect:
        gc.collect()
    used, began = time.process_time(), time.perf_counter()
    result = run()
    turn = Turn(time.perf_counter() - began, time.process_time() - used)
    del result
    return turn


def alternate(
    sides: Mapping[str, Callable[[], Any]],
    rounds: int,
    on_step: OnStep = ignore_step,
    *,
    warm_ups: int = 1,
) -> dict[str, list[Turn]]:
    """Time each side once per round, in alternating order.

    Args:
        sides: functions to compare, by name.
        rounds: number of rounds, at least 1.
        on_step: called after each run.
        warm_ups: number of warm-up rounds.

    Returns:
        Times of each side, in the order of the rounds.
    """
    turns: dict[str, list[Turn]] = {name: [] for name in sides}
    done, total = 0, len(sides) * (warm_ups + rounds)
    for number in range(warm_ups + rounds):
        for name in sides if number % 2 else reversed(list(sides)):
            turn = timed(sides[name])
            if number >= warm_ups:
                turns[name].append(turn)
            done += 1
            on_step(done, total)
    return turns


def ratios(one: Sequence[Turn], two: Sequence[Turn]) -> list[float]:
    """Compute the ratio of two sides' wall times in each round."""
    return [first.wall / second.wall for first, second in zip(one, two, strict=True)]


def relative_times(
    sides: Mapping[str, Callable[[], Any]],
    anchor: Callable[[], Any],
    *,
    rounds: int,
    on_step: OnStep = ignore_step,
) -> tuple[dict[str, float], float]:
    """Time many sides relative to one anchor, which runs repeatedly between them.

    Each side runs close in time to the anchor's run that it is divided by, where in `alternate` a whole round
    of all sides could lie between. Sides run in random order.

    Args:
        sides: functions to time, by name; each has `WARM_UPS` warm-up runs.
        anchor: reference function, run before and after every few sides.
        rounds: number of rounds, at least 1.
        on_step: called after each run of a side.

    Returns:
        The median ratio of each side, and the anchor's median time in seconds.
    """
    done, total = 0, len(sides) * (WARM_UPS + rounds)
    for side in (anchor, *sides.values()):
        for _ in range(WARM_UPS):
            side()
            if side is not anchor:
                done += 1
                on_step(done, total)
    generator = np.random.default_rng(0)
    found: dict[str, list[float]] = {name: [] for name in sides}
    anchors = [timed(anchor).wall]
    for _ in range(rounds):
        names = [list(sides)[place] for place in generator.permutation(len(sides)).tolist()]
        for first in range(0, len(names), _BETWEEN):
            walls = {}
            for name in names[first : first + _BETWEEN]:
                walls[name] = timed(sides[name]).wall
                done += 1
                on_step(done, total)
            anchors.append(timed(anchor).wall)
            beside = (anchors[-1] + anchors[-2]) / 2
            for name, wall in walls.items():
                found[name].append(wall / beside)
    return {name: float(np.median(each)) for name, each in found.items()}, float(np.median(anchors))
