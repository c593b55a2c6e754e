"""Build BERT (Devlin et al. 2019, arXiv 1810.04805)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from spanjet.model.config_json import Fields
from spanjet.model.graph.blocks import Biases, Blocks
from spanjet.model.graph.embeddings import add_positions, add_types, look_up_words, normalise
from spanjet.model.graph.encoder import Encoder, encode
from spanjet.model.graph.input_layout import InputLayout
from spanjet.model.graph.qa_model import Inputs, question_answering
from spanjet.model.graph.relative_position import Distances
from spanjet.model.graph.tensors import TensorSource
from spanjet.runtime.openvino import ov

__all__ = ["Bert"]


@dataclass(frozen=True, kw_only=True)
class Bert(Encoder):
    """BERT, and models of the same architecture, such as MiniLM.

    Attributes:
        position_type: ``absolute``: positions have embeddings; ``relative_key``: instead of them, distances
            have vectors that are multiplied with the queries (Shaw et al. 2018, arXiv 1803.02155);
            ``relative_key_query``: with the keys too (Huang et al. 2020, arXiv 2009.13658).
    """

    prefix = "bert."
    position_types: ClassVar[tuple[str, ...]] = ("absolute", "relative_key", "relative_key_query")
    # Heads of other tasks, a buffer that old versions of transformers saved, and the table of positions, also
    # where it is not used.
    ignored = r"pooler\..*|cls\..*|classifier\..*|embeddings\.position_(ids|embeddings\.weight)"

    position_type: str = "absolute"

    @property
    def layout(self) -> InputLayout:
        return InputLayout(token_types=self.type_vocab_size > 1, pad_token_id=self.pad_token_id)

    @property
    def obstacle(self) -> str | None:
        if self.position_type == "absolute":
            return None
        return f'"position_embedding_type" is "{self.position_type}", expected "absolute"'

    @classmethod
    def read(cls, fields: Fields) -> "Bert":
        return cls(**cls._read_bert(fields))

    def build(self, weights: TensorSource) -> ov.Model:
        blocks = Blocks(weights, layer_norm_eps=self.layer_norm_eps)
        inputs, width = Inputs(token_types=self.layout.token_types), self.hidden_size
        vectors = normalise(blocks, self.embed(blocks, inputs, width=width), width=width)
        vectors = encode(blocks, self, inputs, vectors)
        return question_answering(blocks, inputs, vectors, width=width, name=self.name)

    def embed(self, blocks: Blocks, inputs: Inputs, *, width: int) -> ov.Node:
        """Sum the embeddings, without normalisation: [batch, length, width]."""
        vectors = look_up_words(blocks, self, inputs, width=width)
        vectors = add_types(blocks, self, inputs, vectors, width=width)
        if self.position_type == "absolute":
            vectors = add_positions(blocks, self, inputs, vectors, width=width)
        return vectors

    def attention_biases(self, blocks: Blocks, attention_mask: ov.Node) -> list[Biases]:
        found = super().attention_biases(blocks, attention_mask)
        if self.position_type == "absolute":
            return found
        longest = self.max_length
        # Row 0 holds the distance 1 - longest; the two at the ends, of no pair of tokens, are never read.
        rows = np.clip(np.arange(2 * longest + 1) - 1, 0, 2 * longest - 2)
        distances = Distances(attention_mask, longest=longest, rows=rows)
        limited = distances.limited(found[0][0], name="attention_bias.limited")
        parts = ("query",) if self.position_type == "relative_key" else ("query", "key")
        biases: list[Biases] = []
        for layer in range(self.num_hidden_layers):
            tensor = f"{self.layers}.{layer}.attention.self.distance_embedding.weight"
            table = blocks.weights.take(tensor, (2 * longest - 1, self.head_size))[None]
            scaled = table * np.float32(self.head_size**-0.5)
            biases.append((limited, *(distances.bias(scaled, part=part) for part in parts)))
        return biases

    @classmethod
    def _read_bert(cls, fields: Fields) -> dict[str, Any]:
        """Read the values of `Bert`, whose tables of token types may have a single row."""
        values = cls._read_common(fields, types=1)
        return {**values, "position_type": fields.get("position_embedding_type", "absolute")}
