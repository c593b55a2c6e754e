"""Networks of other shapes: blocks fitted each by itself, quickly, or one after another."""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.prune.layerwise_fit import refit
from spanjet.compress.prune.network import Network
from spanjet.compress.prune.optimal_brain_surgeon import DAMPING, damped, reduced
from spanjet.compress.prune.packing import Inputs
from spanjet.compress.prune.removal_order import Orders
from spanjet.compress.prune.second_moments import Grams
from spanjet.compress.prune.slicing import cut_heads, cut_units
from spanjet.model.layer_shape import LayerShape

__all__ = ["OneShot", "one_shot", "reconstruct"]

# Sizes of each block that are kept: a search goes to and fro between few.
_KEPT = 4


class OneShot:
    """Makes networks of any shapes; the last blocks are kept, so that networks like the last are quick.

    Args:
        network: the start, nothing of which is cut.
        grams: of its activations.
        orders: what is removed first.
        damping: see `spanjet.compress.prune.optimal_brain_surgeon.damped`.
    """

    def __init__(
        self,
        network: Network,
        grams: Grams,
        orders: Orders,
        *,
        damping: float = DAMPING,
    ) -> None:
        self._network, self._orders = network, orders
        self._grams = grams
        self._damping = damping
        self._block = lru_cache(_KEPT * 2 * len(network.shapes))(self._fitted)

    def __call__(self, shapes: Sequence[LayerShape]) -> Network:
        """The network with these shapes."""
        tensors: dict[str, NDArray[np.float32]] = {}
        for index, (shape, full) in enumerate(zip(shapes, self._network.shapes, strict=True)):
            for kind, left, whole in (
                ("attention", shape.heads, full.heads),
                ("ffn", shape.units, full.units),
            ):
                if left < whole:
                    tensors |= self._block(kind, index, left)
        return self._network.with_layers(shapes, tensors)

    def _fitted(self, kind: str, index: int, left: int) -> dict[str, NDArray[np.float32]]:
        names, heads = self._network.layer(index), kind == "attention"
        order = self._orders.layer(index)[0 if heads else 1]
        cut = (cut_heads if heads else cut_units)(self._network, index, order.kept(left))
        gram = (self._grams.attention if heads else self._grams.ffn)[index]
        output = names.attention_output if heads else names.down
        weight, bias = (self._network.tensors[f"{output}.{part}"] for part in ("weight", "bias"))
        fitted, shift = reduced(weight, bias, damped(gram, self._damping), cut.inputs)
        return {**cut.tensors, f"{output}.weight": fitted, f"{output}.bias": shift}


def one_shot(network: Network, grams: Grams, orders: Orders, shapes: Sequence[LayerShape]) -> Network:
    """One network of these shapes, see `OneShot`."""
    return OneShot(network, grams, orders)(shapes)


def reconstruct(
    network: Network,
    grams: Grams,
    orders: Orders,
    shapes: Sequence[LayerShape],
    inputs: Sequence[Inputs],
    held_out: Sequence[Inputs],
    *,
    on_half: Callable[[int, int], None] = lambda _done, _total: None,
) -> Network:
    """Fit one network of these shapes layer by layer, see `layerwise_fit.refit`."""
    start = one_shot(network, grams, orders, shapes)
    return refit(network, start, inputs, held_out, on_half=on_half)
