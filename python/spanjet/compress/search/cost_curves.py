"""Measure the cost of pruning each block at some sizes, and interpolate by its output error."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.search.search_space import Block, SearchSpace
from spanjet.measure.progress import OnStep, ignore_step
from spanjet.model.layer_shape import LayerShape

__all__ = ["SHARES", "cost_curve", "measure_costs"]

#: Shares of a block that are left where its cost is measured, besides nothing.
SHARES = (0.75, 0.5, 0.25)

_LEAST = 1e-12


def measure_costs(
    space: SearchSpace,
    divergence: Callable[[tuple[LayerShape, ...]], float],
    *,
    on_step: OnStep = ignore_step,
) -> list[NDArray[np.float64]]:
    """Measure the cost of each option of each block: the divergence when only this block is pruned.

    Args:
        space: the search space.
        divergence: divergence of the candidate with the given layer shapes.
        on_step: called after each measurement.
    """
    costs, shares = [], (*SHARES, 0.0)
    for index, block in enumerate(space.blocks):
        measured = {}
        for done, share in enumerate(shares, 1 + index * len(shares)):
            option = int(np.abs(block.levels - share * block.levels[-1]).argmin())
            choice = space.full
            choice[index] = option
            if option != block.full:
                measured[option] = divergence(space.chosen(choice))
            on_step(done, len(space.blocks) * len(shares))
        costs.append(cost_curve(block, measured))
    return costs


def cost_curve(block: Block, measured: dict[int, float]) -> NDArray[np.float64]:
    """Interpolate the costs of all options linearly in the logarithms of error and divergence.

    Beyond the measured options the nearest line is extrapolated. Costs never increase with the size.

    Args:
        block: the block.
        measured: divergences by option, at least one; without the option that removes nothing.
    """
    options = sorted(measured, key=lambda option: (float(block.error[option]), option))
    errors = np.log(np.maximum(block.error[options], _LEAST))
    values = np.log(np.maximum([measured[option] for option in options], _LEAST))
    values = np.maximum.accumulate(values)
    wanted = np.log(np.maximum(block.error, _LEAST))
    costs = np.exp(_line(wanted, errors, values))
    costs[block.full] = 0.0
    decreasing: NDArray[np.float64] = np.maximum.accumulate(costs[::-1])[::-1]
    return decreasing


def _line(
    wanted: NDArray[np.float64], places: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Interpolate linearly; extrapolate below with the first slope, or with 1 if that is 0."""
    inside = np.interp(wanted, places, values)
    slope = 1.0
    if len(places) > 1 and places[1] > places[0] and values[1] > values[0]:
        slope = float((values[1] - values[0]) / (places[1] - places[0]))
    below: NDArray[np.float64] = np.where(
        wanted < places[0], values[0] + slope * (wanted - places[0]), inside
    )
    return below
