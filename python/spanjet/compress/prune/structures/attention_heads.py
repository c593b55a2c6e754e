"""Prune attention heads: rows of query, key and value, and the corresponding output columns."""

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.prune.network import Network
from spanjet.compress.prune.optimal_brain_surgeon import Order, order_groups
from spanjet.compress.prune.structures.structure import Structure, Tensors
from spanjet.model.graph.blocks import Biases, Blocks
from spanjet.model.graph.encoder import Encoder, attend
from spanjet.runtime.openvino import ov

__all__ = ["AttentionHeads"]


class AttentionHeads(Structure):
    """Heads of self-attention; without any, the sublayer adds the bias of its output layer."""

    name = "heads"
    readers = ("query", "key", "value")
    output = "attention_output"
    norm = "attention_norm"
    inner = "attention.context"

    def levels(self, config: Encoder) -> list[int]:
        """List all numbers of heads, from 0 to all."""
        return list(range(config.num_attention_heads + 1))

    def width(self, config: Encoder, /) -> int:
        """Return the width of a head."""
        return config.head_size

    def order(self, weight: NDArray[np.floating], moment: NDArray[np.float64], parts: int, /) -> Order:
        """Rank heads for removal with `order_groups`."""
        return order_groups(weight, moment, parts)

    def slice(self, network: Network, layer: int, kept: NDArray[np.int64]) -> Tensors:
        """Slice a block's tensors to the kept heads, those of `Encoder.head_tensors` included."""
        others = network.architecture.head_tensors(network.tensors, layer, kept)
        return {**super().slice(network, layer, kept), **others}

    def build(
        self, blocks: Blocks, config: Encoder, layer: int, vectors: ov.Node, biases: Biases, /
    ) -> ov.Node:
        """Build the attention sublayer."""
        return attend(blocks, config, layer, vectors, biases)
