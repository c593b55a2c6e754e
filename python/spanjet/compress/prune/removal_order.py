"""Find the removal orders of the heads and units of all blocks."""

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
    """Removal order of each block."""

    blocks: Mapping[BlockKey, Order]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all arrays by name, for `from_arrays`."""
        return {
            f"{name}.{layer}.{part}": getattr(order, part)
            for (name, layer), order in self.blocks.items()
            for part in ("removed", "error")
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Orders":
        """Restore removal orders from the output of `arrays`."""
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
    """Rank the heads and units of all blocks of an unpruned network for removal.

    Args:
        network: the unpruned network.
        moments: second moments of its activations.
        damping: see `spanjet.compress.prune.optimal_brain_surgeon.damped`.
        outputs: curvature at each block's output, float64[hidden, hidden]; None: all outputs have equal
            weight.
        on_step: called after each block with the number of finished and of all blocks.
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
    """Transform a weight so that its squared outputs are the costs of the original outputs."""
    values, vectors = np.linalg.eigh(cost)
    weighted: NDArray[np.float64] = np.sqrt(np.maximum(values, 0))[:, None] * vectors.T @ weight
    return weighted
