"""Prune a network to any shapes in one shot, with independently refitted blocks."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.prune.network import Network
from spanjet.compress.prune.optimal_brain_surgeon import damped
from spanjet.compress.prune.removal_order import Orders
from spanjet.compress.prune.second_moments import SecondMoments
from spanjet.compress.prune.structures import Structure, blocks_of
from spanjet.model.layer_shape import LayerShape

__all__ = ["OneShot"]

# Cached sizes of each block: a search alternates between few of them.
_KEPT = 4


class OneShot:
    """Builder of pruned networks with a cache of recent blocks.

    Args:
        network: the unpruned network.
        moments: second moments of its activations.
        orders: removal orders of its blocks.
    """

    def __init__(self, network: Network, moments: SecondMoments, orders: Orders) -> None:
        self._network, self._moments, self._orders = network, moments, orders
        self._blocks = blocks_of(network)
        self._block = lru_cache(_KEPT * len(self._blocks))(self._fitted)

    def __call__(self, shapes: Sequence[LayerShape]) -> Network:
        """Build the pruned network with the given layer shapes."""
        tensors: dict[str, NDArray[np.float32]] = {}
        for structure, layer in self._blocks:
            size = structure.size(shapes[layer])
            if size < structure.size(self._network.shapes[layer]):
                tensors |= self._block(structure, layer, size)
        return self._network.with_layers(shapes, tensors)

    def _fitted(self, structure: Structure, layer: int, size: int) -> dict[str, NDArray[np.float32]]:
        key = structure.name, layer
        kept, moment = self._orders.blocks[key].kept(size), damped(self._moments.blocks[key])
        return structure.fit(self._network, layer, kept, moment)
