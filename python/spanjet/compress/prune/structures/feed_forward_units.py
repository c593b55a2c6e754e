"""Prune feed-forward units: rows of the first linear layer, and the corresponding columns of the second."""

import math

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.prune.optimal_brain_surgeon import Order, order_columns
from spanjet.compress.prune.structures.structure import Structure
from spanjet.model.graph.blocks import Biases, Blocks
from spanjet.model.graph.encoder import Encoder, feed_forward
from spanjet.runtime.openvino import ov

__all__ = ["FeedForwardUnits"]

# Every CPU with AVX2, AVX-512 or AMX computes units in multiples of this number.
_ALIGNMENT = 32
_STEP = 0.9


class FeedForwardUnits(Structure):
    """Units between the two linear layers; without any, the sublayer adds the bias of the second."""

    name = "units"
    readers = ("up",)
    output = "down"
    norm = "ffn_norm"
    inner = "ffn.activation"

    def levels(self, config: Encoder) -> list[int]:
        """List 0 and a geometric series of ratio 0.9 down from all units, rounded up to multiples of 32."""
        units = config.intermediate_size
        levels, size = {0, units}, float(units)
        while size > 1:
            size *= _STEP
            levels.add(min(units, math.ceil(size / _ALIGNMENT) * _ALIGNMENT))
        return sorted(levels)

    def width(self, _config: Encoder, /) -> int:
        """Return 1: each unit is one input of the output layer."""
        return 1

    def order(self, weight: NDArray[np.floating], moment: NDArray[np.float64], _parts: int, /) -> Order:
        """Rank units for removal with `order_columns`."""
        return order_columns(weight, moment)

    def build(
        self, blocks: Blocks, config: Encoder, layer: int, vectors: ov.Node, _biases: Biases, /
    ) -> ov.Node:
        """Build the feed-forward sublayer."""
        return feed_forward(
            blocks,
            config,
            vectors,
            units=config.layer_shapes[layer].units,
            name=f"encoder.layer.{layer}",
            tensors=config.tensors,
            layer=f"{config.layers}.{layer}",
        )
