"""Build ALBERT (Lan et al. 2020, arXiv 1909.11942)."""

from collections.abc import Iterator
from dataclasses import dataclass

from spanjet.model.config_json import Fields
from spanjet.model.graph.architecture import MOST_LAYERS, Architecture
from spanjet.model.graph.blocks import Blocks, LayerTensors
from spanjet.model.graph.embeddings import embed
from spanjet.model.graph.encoder import add_and_normalise, feed_forward
from spanjet.model.graph.input_layout import InputLayout
from spanjet.model.graph.qa_model import Inputs, question_answering
from spanjet.model.graph.tensors import TensorSource
from spanjet.runtime.openvino import ov

__all__ = ["Albert"]

_LAYER = LayerTensors(
    query="attention.query",
    key="attention.key",
    value="attention.value",
    attention_output="attention.dense",
    attention_norm="attention.LayerNorm",
    up="ffn",
    down="ffn_output",
    ffn_norm="full_layer_layer_norm",
)


@dataclass(frozen=True, kw_only=True)
class Albert(Architecture):
    """BERT's encoder with narrow embeddings and weights that layers share.

    Attributes:
        embedding_size: width of the embeddings, which a linear layer always follows.
        groups: number of different groups of layers; consecutive layers are of one group.
        group_layers: number of layers of a group, all of which are run where one layer is counted.
    """

    prefix = "albert."
    ignored = r"pooler\..*|predictions\..*|sop_classifier\..*|classifier\..*|embeddings\.position_ids"

    embedding_size: int
    groups: int
    group_layers: int

    @property
    def layout(self) -> InputLayout:
        return InputLayout(token_types=self.type_vocab_size > 1, pad_token_id=self.pad_token_id)

    @classmethod
    def read(cls, fields: Fields) -> "Albert":
        values = cls._read_common(fields, types=1, activation="gelu_new")
        layers = values["num_hidden_layers"]
        return cls(
            **values,
            embedding_size=fields.count("embedding_size", default=128),
            groups=fields.count("num_hidden_groups", default=1, most=layers),
            group_layers=fields.count("inner_group_num", default=1, most=MOST_LAYERS // layers),
        )

    def build(self, weights: TensorSource) -> ov.Model:
        blocks, width = Blocks(weights, layer_norm_eps=self.layer_norm_eps), self.hidden_size
        inputs = Inputs(token_types=self.layout.token_types)
        vectors = blocks.linear(
            embed(blocks, self, inputs, width=self.embedding_size),
            inputs=self.embedding_size,
            outputs=width,
            name="embeddings.projection",
            tensor="encoder.embedding_hidden_mapping_in",
        )
        bias = blocks.attention_bias(inputs.attention_mask, name="attention_bias")
        for index, layer in enumerate(self._layers()):
            vectors = self._layer(blocks, vectors, bias, name=f"encoder.layer.{index}", layer=layer)
        return question_answering(blocks, inputs, vectors, width=width, name=self.name)

    def _layers(self) -> Iterator[str]:
        """Yield the checkpoint's names of the layers in the order in which they run."""
        for index in range(self.num_hidden_layers):
            group = int(index / (self.num_hidden_layers / self.groups))
            for inner in range(self.group_layers):
                yield f"encoder.albert_layer_groups.{group}.albert_layers.{inner}"

    def _layer(self, blocks: Blocks, vectors: ov.Node, bias: ov.Node, *, name: str, layer: str) -> ov.Node:
        node = f"{name}.attention"
        changed = blocks.attention(
            vectors,
            (bias,),
            width=self.hidden_size,
            heads=self.num_attention_heads,
            head_size=self.head_size,
            name=node,
            tensors=_LAYER,
            layer=layer,
        )
        norm = f"{layer}.{_LAYER.attention_norm}"
        attended = add_and_normalise(blocks, self, changed, vectors, name=node, tensor=norm)
        units = self.intermediate_size
        return feed_forward(blocks, self, attended, units=units, name=name, tensors=_LAYER, layer=layer)
