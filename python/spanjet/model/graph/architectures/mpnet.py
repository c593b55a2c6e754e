"""Build MPNet (Song et al. 2020, arXiv 2004.09297)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spanjet.model.config_json import Fields
from spanjet.model.graph.architectures.bert import Bert
from spanjet.model.graph.blocks import Biases, Blocks, LayerTensors
from spanjet.model.graph.input_layout import InputLayout
from spanjet.model.graph.relative_bias import RelativeBiases, distance_buckets
from spanjet.runtime.openvino import ov

__all__ = ["MpNet"]

# What the checkpoints were trained with, and no key of ``config.json`` changes: the first position is behind
# the padding id 1, whatever ``pad_token_id`` is, and so are the buckets of distances.
_FIRST_POSITION = 2
_BUCKETS, _FARTHEST = 32, 128
_SHARED = "encoder.relative_attention_bias.weight"
_OWN = "attention.relative_attention_bias.weight"


@dataclass(frozen=True, kw_only=True)
class MpNet(Bert):
    """BERT without token types, whose attention scores have a bias by relative distance.

    All layers share one table of biases, with a column for each head. A layer with fewer heads has a table of
    its own with their columns, ``encoder.layer.INDEX.attention.relative_attention_bias.weight``.

    Attributes:
        buckets: number of rows of the tables, of which the first 32 are used.
    """

    tensors = LayerTensors(
        query="attention.attn.q",
        key="attention.attn.k",
        value="attention.attn.v",
        attention_output="attention.attn.o",
        attention_norm="attention.LayerNorm",
        up="intermediate.dense",
        down="output.dense",
        ffn_norm="output.LayerNorm",
    )
    prefix = "mpnet."
    position_types = ("absolute",)
    ignored = r"pooler\..*|lm_head\..*|classifier\..*|embeddings\.position_ids"

    buckets: int

    @property
    def layout(self) -> InputLayout:
        return InputLayout(token_types=False, pad_token_id=self.pad_token_id, first_position=_FIRST_POSITION)

    @classmethod
    def read(cls, fields: Fields) -> "MpNet":
        values = cls._read_common(fields, types=0, types_default=0, padding=1)
        fields.count("max_position_embeddings", least=_FIRST_POSITION + 1)
        buckets = fields.count("relative_attention_num_buckets", default=_BUCKETS, least=_BUCKETS)
        return cls(**{**values, "type_vocab_size": 0}, buckets=buckets)

    def attention_biases(self, blocks: Blocks, attention_mask: ov.Node) -> list[Biases]:
        found = super().attention_biases(blocks, attention_mask)
        shared = blocks.weights.take(_SHARED, (self.buckets, self.num_attention_heads))
        longest = self.max_length
        distances = np.arange(1 - longest, longest)
        rows = distance_buckets(distances, buckets=_BUCKETS, farthest=_FARTHEST)
        relative = RelativeBiases(attention_mask, longest=longest, rows=rows)
        for layer, (shape, padding) in enumerate(zip(self.layer_shapes, found, strict=True)):
            if shape.heads == self.num_attention_heads:
                bias = relative.build(shared, name="relative_bias")
            elif shape.heads:
                table = blocks.weights.take(self._table(layer), (self.buckets, shape.heads))
                bias = relative.build(table, name=f"encoder.layer.{layer}.attention.relative_bias")
            else:
                continue
            # Padding's comes first, for it is never a constant. With a fixed length the other one is, and
            # OpenVINO would fuse it with the scaling before it: logits of INT8 MPNet-base then differed by up
            # to 0.15 from those with a free length, in this order by nothing.
            found[layer] = *padding, bias
        return found

    def head_tensors(
        self, tensors: Mapping[str, NDArray[np.float32]], layer: int, kept: NDArray[np.int64], /
    ) -> dict[str, NDArray[np.float32]]:
        if len(kept) == self.num_attention_heads:
            return {}
        table = tensors[self._table(layer)]
        return {self._own(layer): np.ascontiguousarray(table[:, kept])}

    def _table(self, layer: int) -> str:
        """Name the table of a layer: the shared one, or its own if it has fewer heads."""
        return _SHARED if self.layer_shapes[layer].heads == self.num_attention_heads else self._own(layer)

    def _own(self, layer: int) -> str:
        return f"{self.layers}.{layer}.{_OWN}"
