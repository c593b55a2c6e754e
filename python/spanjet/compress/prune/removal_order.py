"""The removal orders of all blocks of a network, and the sizes that a block can have."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.prune.network import Network
from spanjet.compress.prune.optimal_brain_surgeon import DAMPING, Order, damped, head_order, unit_order
from spanjet.compress.prune.second_moments import Grams

__all__ = ["Orders", "find_orders", "head_levels", "unit_levels"]

# Units are computed so many at a time on every CPU with AVX2, AVX-512 or AMX.
_ALIGNMENT = 32
_STEP = 0.9


@dataclass(frozen=True)
class Orders:
    """In which order heads and units are removed.

    Attributes:
        heads: an order for each layer.
        units: an order for each layer.
    """

    heads: tuple[Order, ...]
    units: tuple[Order, ...]

    def layer(self, index: int) -> tuple[Order, Order]:
        """The orders of a layer's heads and units."""
        return self.heads[index], self.units[index]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays by name, as `from_arrays` takes them."""
        return {
            f"{kind}.{index}.{part}": getattr(order, part)
            for kind, orders in (("heads", self.heads), ("units", self.units))
            for index, order in enumerate(orders)
            for part in ("removed", "error")
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Orders":
        """What `arrays` gave."""
        layers = range(len(arrays) // 4)

        def read(kind: str) -> tuple[Order, ...]:
            names = [f"{kind}.{index}" for index in layers]
            return tuple(Order(arrays[f"{name}.removed"], arrays[f"{name}.error"]) for name in names)

        return cls(read("heads"), read("units"))


def find_orders(
    network: Network,
    grams: Grams,
    *,
    damping: float = DAMPING,
    outputs: Mapping[tuple[str, int], NDArray[np.float64]] | None = None,
    on_block: Callable[[int, int], None] = lambda _done, _total: None,
) -> Orders:
    """The orders of all blocks, which must not be cut yet.

    Args:
        network: the network.
        grams: of its activations.
        damping: see `spanjet.compress.prune.optimal_brain_surgeon.damped`.
        outputs: of each kind, ``"attention"`` or ``"ffn"``, and layer: what an error of the block's output
            costs, float64[hidden, hidden]; None: all outputs count alike.
        on_block: called with the numbers of finished and of all blocks.
    """
    heads, units = [], []
    count = len(network.shapes)
    for index, shape in enumerate(network.shapes):
        names = network.layer(index)
        joined, down = (
            _seen(network.tensors[f"{name}.weight"], None if outputs is None else outputs[kind, index])
            for kind, name in (("attention", names.attention_output), ("ffn", names.down))
        )
        heads.append(head_order(joined, damped(grams.attention[index], damping), shape.heads))
        on_block(2 * index + 1, 2 * count)
        units.append(unit_order(down, damped(grams.ffn[index], damping)))
        on_block(2 * index + 2, 2 * count)
    return Orders(tuple(heads), tuple(units))


def _seen(
    weight: NDArray[np.float32], cost: NDArray[np.float64] | None
) -> NDArray[np.float64] | NDArray[np.float32]:
    """A weight whose squared outputs are the costs of the given one's."""
    if cost is None:
        return weight
    values, vectors = np.linalg.eigh(cost)
    seen: NDArray[np.float64] = np.sqrt(np.maximum(values, 0))[:, None] * vectors.T @ weight
    return seen


def head_levels(heads: int) -> list[int]:
    """Numbers of heads that can be left, ascending: all of them."""
    return list(range(heads + 1))


def unit_levels(units: int) -> Sequence[int]:
    """Numbers of units that can be left, ascending: 0, all, and nine tenths again and again.

    Rounded up to 32, so that vectors are full.
    """
    levels, size = {0, units}, float(units)
    while size > 1:
        size *= _STEP
        levels.add(min(units, -(-int(np.ceil(size)) // _ALIGNMENT) * _ALIGNMENT))
    return sorted(levels)
