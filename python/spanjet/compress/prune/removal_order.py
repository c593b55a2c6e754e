"""The removal orders of all blocks of a network."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.prune.network import Network
from spanjet.compress.prune.optimal_brain_surgeon import DAMPING, Order, damped
from spanjet.compress.prune.second_moments import SecondMoments
from spanjet.compress.prune.structures import BlockKey, blocks_of
from spanjet.measure.progress import OnStep, ignore_step

__all__ = ["Orders", "find_orders"]


@dataclass(frozen=True)
class Orders:
    """The removal order of each block."""

    blocks: Mapping[BlockKey, Order]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays by name, as `from_arrays` takes them."""
        return {
            f"{name}.{layer}.{part}": getattr(order, part)
            for (name, layer), order in self.blocks.items()
            for part in ("removed", "error")
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Orders":
        """Restore what `arrays` gave."""
        blocks = {}
        for key in arrays:
            name, layer, _ = key.split(".")
            parts = (arrays[f"{name}.{layer}.{part}"] for part in ("removed", "error"))
            blocks[name, int(layer)] = Order(*parts)
        return cls(blocks)


def find_orders(
    network: Network,
    moments: SecondMoments,
    *,
    damping: float = DAMPING,
    outputs: Mapping[BlockKey, NDArray[np.float64]] | None = None,
    on_step: OnStep = ignore_step,
) -> Orders:
    """Rank the parts of all blocks, which must not be cut yet.

    Args:
        network: the network.
        moments: of its activations.
        damping: see `spanjet.compress.prune.optimal_brain_surgeon.damped`.
        outputs: of each block: what an error of its output costs, float64[hidden, hidden]; None: all outputs
            count alike.
        on_step: called with the numbers of finished and of all blocks.
    """
    orders: dict[BlockKey, Order] = {}
    blocks = blocks_of(network)
    for done, (structure, layer) in enumerate(blocks, 1):
        key = structure.name, layer
        weight: NDArray[np.floating] = network.tensors[f"{structure.output_name(network, layer)}.weight"]
        if outputs is not None:
            weight = _weighted(weight, outputs[key])
        moment = damped(moments.blocks[key], damping)
        orders[key] = structure.order(weight, moment, structure.size(network.shapes[layer]))
        on_step(done, len(blocks))
    return Orders(orders)


def _weighted(weight: NDArray[np.floating], cost: NDArray[np.float64]) -> NDArray[np.float64]:
    """A weight whose squared outputs are the costs of the given one's."""
    values, vectors = np.linalg.eigh(cost)
    weighted: NDArray[np.float64] = np.sqrt(np.maximum(values, 0))[:, None] * vectors.T @ weight
    return weighted
