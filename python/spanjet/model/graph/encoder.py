"""Build BERT's post-norm encoder layers: attention and feed-forward sublayers with residuals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spanjet.model.config_json import Fields
from spanjet.model.graph.architecture import Architecture
from spanjet.model.graph.blocks import Biases, Blocks, LayerTensors
from spanjet.model.graph.qa_model import Inputs
from spanjet.model.layer_shape import LayerShape, read_shapes
from spanjet.runtime.openvino import ops, ov

__all__ = ["BERT_LAYER", "NODES", "Encoder", "add_and_normalise", "attend", "encode", "feed_forward"]

#: The tensors of a layer as BERT's checkpoints call them.
BERT_LAYER = LayerTensors(
    query="attention.self.query",
    key="attention.self.key",
    value="attention.self.value",
    attention_output="attention.output.dense",
    attention_norm="attention.output.LayerNorm",
    up="intermediate.dense",
    down="output.dense",
    ffn_norm="output.LayerNorm",
)
#: The nodes of a layer, below ``encoder.layer.INDEX``; those of weights end in ``.weight`` and ``.bias``.
NODES = LayerTensors(
    query="attention.query",
    key="attention.key",
    value="attention.value",
    attention_output="attention.output",
    attention_norm="attention.norm",
    up="ffn.up",
    down="ffn.down",
    ffn_norm="ffn.norm",
)


@dataclass(frozen=True, kw_only=True)
class Encoder(Architecture):
    """Architecture with the layers of `encode`, which may differ in shape.

    Attributes:
        layer_shapes: heads and feed-forward units of each layer; unpruned, ``num_attention_heads`` and
            ``intermediate_size``.
    """

    #: The tensors of a layer.
    tensors: ClassVar[LayerTensors] = BERT_LAYER
    #: What the checkpoint calls the list of layers.
    layers: ClassVar[str] = "encoder.layer"

    layer_shapes: tuple[LayerShape, ...]

    @property
    def obstacle(self) -> str | None:
        """Reason why the layers cannot be cut, as found and expected in the configuration; None: they can."""
        return None

    def attention_biases(self, blocks: Blocks, attention_mask: ov.Node) -> list[Biases]:
        """Build the biases of the attention scores for each layer; layers share nodes where they are equal.

        Args:
            blocks: builder of blocks.
            attention_mask: int32[batch, length], 1 for tokens and 0 for padding.
        """
        padding = blocks.attention_bias(attention_mask, name="attention_bias")
        return [(padding,)] * self.num_hidden_layers

    def head_tensors(
        self, _tensors: Mapping[str, NDArray[np.float32]], _layer: int, _kept: NDArray[np.int64], /
    ) -> dict[str, NDArray[np.float32]]:
        """Cut what a layer has for single heads besides its linear layers, such as biases by distance.

        The arguments are all tensors of the network, the index of the layer, and the indices of the kept
        heads, int64[n], ascending. Returned are the layer's own tensors for the kept heads by name; none
        here.
        """
        return {}

    @classmethod
    def _shapes(cls, fields: Fields, values: dict[str, Any]) -> dict[str, Any]:
        full = LayerShape(values["num_attention_heads"], values["intermediate_size"])
        return {"layer_shapes": read_shapes(fields, layers=values["num_hidden_layers"], full=full)}


def encode(blocks: Blocks, config: Encoder, inputs: Inputs, vectors: ov.Node) -> ov.Node:
    """Build all layers, with normalisation after each residual sum (Vaswani et al. 2017, arXiv 1706.03762).

    A layer without heads or units only adds the bias of that block's output layer.

    Args:
        blocks: builder of blocks.
        config: layer shapes, widths, activation and tensor names.
        inputs: input nodes of the graph.
        vectors: embeddings, [batch, length, hidden].
    """
    all_biases = config.attention_biases(blocks, inputs.attention_mask)
    for index, (shape, biases) in enumerate(zip(config.layer_shapes, all_biases, strict=True)):
        name, layer = f"encoder.layer.{index}", f"{config.layers}.{index}"
        attended = attend(blocks, config, index, vectors, biases)
        vectors = feed_forward(
            blocks, config, attended, units=shape.units, name=name, tensors=config.tensors, layer=layer
        )
    return vectors


def attend(blocks: Blocks, config: Encoder, index: int, vectors: ov.Node, biases: Biases) -> ov.Node:
    """Build the attention sublayer of a layer; ``biases`` are the layer's of `Encoder.attention_biases`."""
    name, layer = f"encoder.layer.{index}.attention", f"{config.layers}.{index}"
    tensors, heads = config.tensors, config.layer_shapes[index].heads
    if heads:
        attended = blocks.attention(
            vectors,
            biases,
            width=config.hidden_size,
            heads=heads,
            head_size=config.head_size,
            name=name,
            tensors=tensors,
            layer=layer,
        )
    else:
        output = f"{layer}.{tensors.attention_output}"
        attended = blocks.bias(width=config.hidden_size, name=f"{name}.output", tensor=output)
    norm = f"{layer}.{tensors.attention_norm}"
    return add_and_normalise(blocks, config, attended, vectors, name=name, tensor=norm)


def feed_forward(
    blocks: Blocks,
    config: Architecture,
    vectors: ov.Node,
    *,
    units: int,
    name: str,
    tensors: LayerTensors,
    layer: str,
) -> ov.Node:
    """Build the feed-forward sublayer of a layer."""
    node, width = f"{name}.ffn", config.hidden_size
    if units:
        changed = blocks.feed_forward(
            vectors,
            width=width,
            units=units,
            activation=config.hidden_act,
            name=node,
            tensors=tensors,
            layer=layer,
        )
    else:
        changed = blocks.bias(width=width, name=f"{node}.down", tensor=f"{layer}.{tensors.down}")
    norm = f"{layer}.{tensors.ffn_norm}"
    return add_and_normalise(blocks, config, changed, vectors, name=node, tensor=norm)


def add_and_normalise(
    blocks: Blocks, config: Architecture, changed: ov.Node, vectors: ov.Node, *, name: str, tensor: str
) -> ov.Node:
    """Add a block's output to its input (residual), and normalise."""
    total = ops.add(changed, vectors, name=f"{name}.residual")
    return blocks.layer_norm(total, width=config.hidden_size, name=f"{name}.norm", tensor=tensor)
