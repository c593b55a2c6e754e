"""Networks of other shapes, whose blocks are fitted each by itself."""

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

# Sizes of each block that are kept: a search goes to and fro between few.
_KEPT = 4


class OneShot:
    """Makes networks of any shapes; the last blocks are kept, so that networks like the last are quick.

    Args:
        network: the start, nothing of which is cut.
        moments: of its activations.
        orders: what is removed first.
    """

    def __init__(self, network: Network, moments: SecondMoments, orders: Orders) -> None:
        self._network, self._moments, self._orders = network, moments, orders
        self._blocks = blocks_of(network)
        self._block = lru_cache(_KEPT * len(self._blocks))(self._fitted)

    def __call__(self, shapes: Sequence[LayerShape]) -> Network:
        """Make the network with these shapes."""
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
