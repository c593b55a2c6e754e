"""Architectures and networks as they would be without a part of the optimiser."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from spanjet.compress.latency.table import LatencyTable, macs_table
from spanjet.compress.optimize.run import Run
from spanjet.compress.prune.layerwise_fit import refit
from spanjet.compress.prune.network import Network
from spanjet.compress.prune.one_shot import OneShot
from spanjet.compress.prune.optimal_brain_surgeon import Order
from spanjet.compress.prune.removal_order import Orders, find_orders
from spanjet.compress.prune.slicing import cut_heads, cut_units
from spanjet.compress.search.cost_curves import scaled_costs
from spanjet.compress.search.knapsack import Options, Programme
from spanjet.model.layer_shape import LayerShape

__all__ = ["Variant", "variants"]

Shapes = tuple[LayerShape, ...]
# The share of a block that is left where the literature's weights are measured.
_MIDDLE = 0.5
_BISECTIONS = 20


@dataclass(frozen=True)
class Variant:
    """A network of the wanted time, and how it came about."""

    name: str
    shapes: Shapes
    network: Network


def variants(run: Run, budget: float, on_made: Callable[[], None] = lambda: None) -> list[Variant]:
    """All variants at one share of the whole model's time, by the latency table.

    The first is all that there is, the second is not trained; the others are what the second is without
    some part, or with another in its place.

    Args:
        run: whose stages are taken.
        budget: the share.
        on_made: called after each.
    """
    costs, table = run.costs, run.table
    weights = [_middle(cost, module.levels) for cost, module in zip(costs, run.space.modules, strict=True)]
    found = run.shapes(budget)
    architectures = {
        "no local search": _programme(run, costs, table, budget),
        "costs from one weight": _programme(run, scaled_costs(run.space, weights), table, budget),
        "multiplications for time": _by_macs(run, costs, budget),
        "uniform widths": _uniform(run, budget),
    }
    made = []

    def add(name: str, shapes: Shapes, network: Network) -> None:
        made.append(Variant(name, shapes, network))
        on_made()

    one_shot = OneShot(run.network, run.grams, run.orders)
    add("all parts", found, Network.load(run.builder.checkpoint(found)))
    add("no training", found, one_shot(found))
    add("reconstruction in its place", found, _refitted(run, one_shot(found)))
    for name, shapes in architectures.items():
        add(name, shapes, one_shot(shapes))
    for name, orders in (
        ("errors of all outputs alike", find_orders(run.network, run.grams)),
        ("score by magnitude", _by_magnitude(run.network)),
    ):
        add(name, found, OneShot(run.network, run.grams, orders)(found))
    add("no weight update", found, _sliced(run, found))
    return made


def _refitted(run: Run, start: Network) -> Network:
    return refit(run.network, start, run.builder.inputs, run.builder.validation)


def _allowed(run: Run, budget: float) -> float:
    return budget * run.table.total(run.network.shapes)


def _programme(run: Run, costs: Sequence[NDArray[np.float64]], table: LatencyTable, budget: float) -> Shapes:
    modules = [Options(*each) for each in zip(run.space.seconds(table), costs, strict=True)]
    left = budget * table.total(run.network.shapes) - table.rest
    return run.space.shapes(Programme(modules, left).solve(left))


def _by_macs(run: Run, costs: Sequence[NDArray[np.float64]], budget: float) -> Shapes:
    """The programme on multiplications, with as many of them as take the same time."""
    sizes = run.network.architecture
    table = macs_table(
        heads=sizes.num_attention_heads,
        units=sizes.intermediate_size,
        width=sizes.hidden_size,
        length=float(run.lengths.mean()),
    )
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        fits = run.table.total(_programme(run, costs, table, middle)) <= _allowed(run, budget)
        low, high = (middle, high) if fits else (low, middle)
    return _programme(run, costs, table, low)


def _uniform(run: Run, budget: float) -> Shapes:
    """All layers alike: of the pairs of heads and units that take the time, the one of least divergence."""
    layers = len(run.network.shapes)
    heads, units = (run.space.modules[index].levels.tolist() for index in (0, 1))
    candidates = []
    for left in heads:
        fitting = [
            shapes
            for shapes in ((LayerShape(left, count),) * layers for count in units)
            if run.table.total(shapes) <= _allowed(run, budget)
        ]
        candidates += fitting[-1:]
    return min(candidates, key=run.ledger)


def _middle(cost: NDArray[np.float64], levels: NDArray[np.int64]) -> float:
    return float(cost[np.abs(levels - _MIDDLE * levels[-1]).argmin()])


def _by_magnitude(network: Network) -> Orders:
    """Orders by the norms of weights, the smallest first (Han et al. 2015, arXiv 1506.02626)."""
    heads, units = [], []
    for index, shape in enumerate(network.shapes):
        names = network.layer(index)
        output, down, up = (
            np.square(network.tensors[f"{name}.weight"]).sum(axis=axis)
            for name, axis in ((names.attention_output, 0), (names.down, 0), (names.up, 1))
        )
        heads.append(_ascending(output.reshape(shape.heads, -1).sum(axis=1)))
        units.append(_ascending(down * up))
    return Orders(tuple(heads), tuple(units))


def _ascending(scores: NDArray[np.float32]) -> Order:
    return Order(np.argsort(scores, kind="stable"), np.linspace(0, 1, len(scores) + 1))


def _sliced(run: Run, shapes: Shapes) -> Network:
    """What is left keeps its weights."""
    tensors: dict[str, NDArray[np.float32]] = {}
    for index, shape in enumerate(shapes):
        heads, units = run.orders.layer(index)
        for cut, kept in ((cut_heads, heads.kept(shape.heads)), (cut_units, units.kept(shape.units))):
            tensors |= cut(run.network, index, kept).tensors
    return run.network.with_layers(shapes, tensors)
