"""Build the embeddings of tokens: the sum of word, type and position rows."""

from typing import TypedDict

import numpy as np

from spanjet.model.graph.architecture import Architecture
from spanjet.model.graph.blocks import Blocks
from spanjet.model.graph.qa_model import Inputs
from spanjet.runtime.openvino import ops, ov

__all__ = ["add_positions", "add_types", "embed", "look_up_words", "normalise"]


class _Names(TypedDict):
    name: str
    tensor: str


def _table(part: str) -> _Names:
    return {"name": f"embeddings.{part}", "tensor": f"embeddings.{part}_embeddings"}


def embed(blocks: Blocks, config: Architecture, inputs: Inputs, *, width: int) -> ov.Node:
    """Build the normalised sum of word, type and position embeddings: [batch, length, width]."""
    vectors = look_up_words(blocks, config, inputs, width=width)
    vectors = add_types(blocks, config, inputs, vectors, width=width)
    vectors = add_positions(blocks, config, inputs, vectors, width=width)
    return normalise(blocks, vectors, width=width)


def look_up_words(blocks: Blocks, config: Architecture, inputs: Inputs, *, width: int) -> ov.Node:
    """Look up word embeddings: [batch, length, width]."""
    return blocks.lookup(inputs.input_ids, rows=config.vocab_size, width=width, **_table("word"))


def add_types(
    blocks: Blocks, config: Architecture, inputs: Inputs, vectors: ov.Node, *, width: int
) -> ov.Node:
    """Add token type embeddings: row 0 for all tokens without that input, none without a table."""
    rows = config.type_vocab_size
    if rows == 0:
        return vectors
    if inputs.token_type_ids is None:
        types = blocks.row(0, rows=rows, width=width, **_table("token_type"))
    else:
        types = blocks.lookup(inputs.token_type_ids, rows=rows, width=width, **_table("token_type"))
    return ops.add(vectors, types, name="embeddings.typed")


def add_positions(
    blocks: Blocks, config: Architecture, inputs: Inputs, vectors: ov.Node, *, width: int
) -> ov.Node:
    """Add position embeddings, starting at the layout's first position."""
    shape = ops.shape_of(inputs.input_ids, name="embeddings.shape")
    length = ops.gather(shape, np.array([1], np.int64), np.int64(0), name="embeddings.length")
    positions = blocks.positions(
        length,
        rows=config.max_position_embeddings,
        width=width,
        first=config.layout.first_position,
        **_table("position"),
    )
    return ops.add(vectors, positions, name="embeddings.sum")


def normalise(blocks: Blocks, vectors: ov.Node, *, width: int) -> ov.Node:
    """Apply the layer normalisation of the embeddings."""
    return blocks.layer_norm(vectors, width=width, name="embeddings.norm", tensor="embeddings.LayerNorm")
