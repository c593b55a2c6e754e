"""Architectures and networks as they would be without a part of the optimiser."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from spanjet.compress.optimize.run import OptimizationRun
from spanjet.compress.prune.layerwise_fit import refit
from spanjet.compress.prune.network import Network
from spanjet.compress.prune.one_shot import OneShot
from spanjet.compress.prune.optimal_brain_surgeon import Order
from spanjet.compress.prune.removal_order import Orders, find_orders
from spanjet.compress.prune.structures import blocks_of
from spanjet.compress.search.knapsack import Knapsack, Options
from spanjet.model.layer_shape import LayerShape

__all__ = ["Variant", "variants"]

Shapes = tuple[LayerShape, ...]


@dataclass(frozen=True)
class Variant:
    """A network of the wanted time, and how it came about."""

    name: str
    shapes: Shapes
    network: Network


def variants(
    run: OptimizationRun, budget: float, on_made: Callable[[], None] = lambda: None
) -> list[Variant]:
    """All variants at one share of the whole model's time, by the latency table.

    The first is all that there is, the second is not trained; the others are what the second is without
    some part, or with another in its place.

    Args:
        run: whose stages are taken.
        budget: the share.
        on_made: called after each.
    """
    found = run.shapes(budget)
    architectures = {"no local search": _knapsack(run, budget), "uniform widths": _uniform(run, budget)}
    made = []

    def add(name: str, shapes: Shapes, network: Network) -> None:
        made.append(Variant(name, shapes, network))
        on_made()

    one_shot = OneShot(run.network, run.moments, run.orders)
    add("all parts", found, Network.load(run.builder.checkpoint(found)))
    add("no training", found, one_shot(found))
    add("reconstruction in its place", found, _refitted(run, one_shot(found)))
    for name, shapes in architectures.items():
        add(name, shapes, one_shot(shapes))
    for name, orders in (
        ("errors of all outputs alike", find_orders(run.network, run.moments)),
        ("score by magnitude", _by_magnitude(run.network)),
    ):
        add(name, found, OneShot(run.network, run.moments, orders)(found))
    add("no weight update", found, _sliced(run, found))
    return made


def _refitted(run: OptimizationRun, start: Network) -> Network:
    return refit(run.network, start, run.builder.inputs, run.builder.validation)


def _allowed(run: OptimizationRun, budget: float) -> float:
    return budget * run.table.total(run.network.shapes)


def _knapsack(run: OptimizationRun, budget: float) -> Shapes:
    """Choose by what the costs of single blocks say alone."""
    blocks = [Options(*each) for each in zip(run.space.seconds(run.table), run.costs, strict=True)]
    left = _allowed(run, budget) - run.table.rest
    return run.space.chosen(Knapsack(blocks, left).solve(left))


def _uniform(run: OptimizationRun, budget: float) -> Shapes:
    """All layers alike: of the pairs of heads and units that take the time, the one of least divergence."""
    layers = len(run.network.shapes)
    heads, units = (block.levels.tolist() for block in run.space.blocks[:2])
    candidates = []
    for left in heads:
        fitting = [
            shapes
            for shapes in ((LayerShape(left, count),) * layers for count in units)
            if run.table.total(shapes) <= _allowed(run, budget)
        ]
        candidates += fitting[-1:]
    return min(candidates, key=run.evaluate)


def _by_magnitude(network: Network) -> Orders:
    """Orders by the norms of weights, the smallest first (Han et al. 2015, arXiv 1506.02626)."""
    orders = {}
    for structure, layer in blocks_of(network):
        output, reader = (
            np.square(network.tensors[f"{name}.weight"]).sum(axis=axis)
            for name, axis in (
                (structure.output_name(network, layer), 0),
                (str(getattr(network.layer(layer), structure.readers[-1])), 1),
            )
        )
        score = (output * reader).reshape(structure.size(network.shapes[layer]), -1).sum(axis=1)
        orders[structure.name, layer] = _ascending(score)
    return Orders(orders)


def _ascending(scores: NDArray[np.float32]) -> Order:
    return Order(np.argsort(scores, kind="stable"), np.linspace(0, 1, len(scores) + 1))


def _sliced(run: OptimizationRun, shapes: Shapes) -> Network:
    """What is left keeps its weights."""
    tensors: dict[str, NDArray[np.float32]] = {}
    for structure, layer in blocks_of(run.network):
        kept = run.orders.blocks[structure.name, layer].kept(structure.size(shapes[layer]))
        tensors |= structure.slice(run.network, layer, kept)
    return run.network.with_layers(shapes, tensors)
