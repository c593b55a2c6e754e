"""The encoder of BERT and of what descends from it: attention and feed-forward, each added and normalised."""

import openvino as ov
import openvino.opset13 as ops

from spanjet.checkpoint.architecture import Architecture
from spanjet.checkpoint.blocks import Blocks, LayerTensors
from spanjet.checkpoint.graph import Inputs

__all__ = ["BERT_LAYER", "add_and_normalise", "encode", "feed_forward"]

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


def encode(
    blocks: Blocks,
    sizes: Architecture,
    inputs: Inputs,
    vectors: ov.Node,
    *,
    tensors: LayerTensors = BERT_LAYER,
    layers: str = "encoder.layer",
) -> ov.Node:
    """All layers of the encoder, normalised after each addition (Vaswani et al. 2017, arXiv 1706.03762).

    Args:
        blocks: builds the blocks.
        sizes: layers, heads, widths and activation.
        inputs: the graph's inputs.
        vectors: [batch, length, hidden].
        tensors: what the checkpoint calls a layer's tensors.
        layers: what it calls the list of layers.
    """
    bias = blocks.attention_bias(inputs.attention_mask, name="attention_bias")
    for index in range(sizes.num_hidden_layers):
        name, layer = f"encoder.layer.{index}", f"{layers}.{index}"
        attended = blocks.attention(
            vectors,
            bias,
            width=sizes.hidden_size,
            heads=sizes.num_attention_heads,
            head_size=sizes.head_size,
            name=f"{name}.attention",
            tensors=tensors,
            layer=layer,
        )
        norm = f"{layer}.{tensors.attention_norm}"
        vectors = add_and_normalise(blocks, sizes, attended, vectors, name=f"{name}.attention", tensor=norm)
        vectors = feed_forward(blocks, sizes, vectors, name=name, tensors=tensors, layer=layer)
    return vectors


def feed_forward(
    blocks: Blocks, sizes: Architecture, vectors: ov.Node, *, name: str, tensors: LayerTensors, layer: str
) -> ov.Node:
    """The second half of a layer."""
    changed = blocks.feed_forward(
        vectors,
        width=sizes.hidden_size,
        units=sizes.intermediate_size,
        activation=sizes.hidden_act,
        name=f"{name}.ffn",
        tensors=tensors,
        layer=layer,
    )
    norm = f"{layer}.{tensors.ffn_norm}"
    return add_and_normalise(blocks, sizes, changed, vectors, name=f"{name}.ffn", tensor=norm)


def add_and_normalise(
    blocks: Blocks, sizes: Architecture, changed: ov.Node, vectors: ov.Node, *, name: str, tensor: str
) -> ov.Node:
    """What a block changed, added to what it was given, normalised."""
    total = ops.add(changed, vectors, name=f"{name}.residual")
    return blocks.layer_norm(total, width=sizes.hidden_size, name=f"{name}.norm", tensor=tensor)
