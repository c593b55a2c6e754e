"""Alternating rounds: things that are compared run in turn, so that a busy machine slows all of them."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["WARM_UPS", "Spread", "Turn", "alternate", "ratios", "timed"]

#: Runs that do not count where all shapes should be known: each stream has to learn them.
WARM_UPS = 2


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and quartiles of several measurements."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The spread of at least one value; quartiles as NumPy interpolates them."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)


@dataclass(frozen=True, slots=True)
class Turn:
    """How long one run took.

    Attributes:
        wall: seconds.
        cpu: seconds of all threads of this process.
    """

    wall: float
    cpu: float


def timed(run: Callable[[], Any]) -> Turn:
    """Run once; garbage is collected before, and the result is freed after the clock has stopped."""
    gc.collect()
    used, began = time.process_time(), time.perf_counter()
    result = run()
    turn = Turn(time.perf_counter() - began, time.process_time() - used)
    del result
    return turn


def alternate(
    sides: Mapping[str, Callable[[], Any]],
    rounds: int,
    on_turn: Callable[[], None] = lambda: None,
    *,
    warm_ups: int = 1,
) -> dict[str, list[Turn]]:
    """Run each side to warm up and then once in every round, in the opposite order every other round.

    Args:
        sides: what is compared, by name.
        rounds: at least 1.
        on_turn: called after each run, ``len(sides) * (rounds + warm_ups)`` times.
        warm_ups: runs of each side that do not count.

    Returns:
        The turns of each side, in the order of the rounds.
    """
    turns: dict[str, list[Turn]] = {name: [] for name in sides}
    for number in range(warm_ups + rounds):
        for name in sides if number % 2 else reversed(list(sides)):
            turn = timed(sides[name])
            if number >= warm_ups:
                turns[name].append(turn)
            on_turn()
    return turns


def ratios(one: Sequence[Turn], two: Sequence[Turn]) -> list[float]:
    """Wall time of the one over that of the other, round by round."""
    return [first.wall / second.wall for first, second in zip(one, two, strict=True)]
