"""Build MobileBERT (Sun et al. 2020, arXiv 2004.02984)."""

from dataclasses import dataclass

from spanjet.model.config_json import Fields
from spanjet.model.graph.architecture import Architecture
from spanjet.model.graph.blocks import Blocks
from spanjet.model.graph.embeddings import add_positions, add_types, look_up_words
from spanjet.model.graph.encoder import BERT_LAYER
from spanjet.model.graph.input_layout import InputLayout
from spanjet.model.graph.qa_model import Inputs, question_answering
from spanjet.model.graph.tensors import TensorSource
from spanjet.runtime.openvino import ops, ov

__all__ = ["MobileBert"]

# Epsilon of the layer normalisations that ignore the configuration's.
_FIXED_EPS = 1e-5


@dataclass(frozen=True, kw_only=True)
class MobileBert(Architecture):
    """Deep and narrow encoder with bottlenecks: layers are narrower inside than the hidden states.

    Attributes:
        embedding_size: width of the word embeddings.
        inner_size: width within a layer; ``hidden_size`` without bottlenecks.
        trigram_input: concatenate the embeddings of both neighbours before the first linear layer.
        bottlenecks: layers narrow their input and widen their output.
        narrow_value: compute attention values from the narrowed hidden states, like queries.
        feed_forwards: number of feed-forward blocks of a layer.
        layer_norm: apply layer normalisation, instead of only a scale and shift.
    """

    prefix = "mobilebert."
    # The last two are saved even if the configuration does not use them.
    ignored = (
        r"pooler\..*|cls\..*|classifier\..*|embeddings\.position_ids"
        r"|embeddings\.embedding_transformation\..*|encoder\.layer\.\d+\.bottleneck\.attention\..*"
    )

    embedding_size: int
    inner_size: int
    trigram_input: bool
    bottlenecks: bool
    narrow_value: bool
    feed_forwards: int
    layer_norm: bool

    @property
    def head_size(self) -> int:
        return self.inner_size // self.num_attention_heads

    @property
    def layout(self) -> InputLayout:
        return InputLayout(pad_token_id=self.pad_token_id)

    @classmethod
    def read(cls, fields: Fields) -> "MobileBert":
        values = cls._read_common(fields)
        bottlenecks = fields.flag("use_bottleneck", default=True)
        narrow_value = fields.flag("use_bottleneck_attention", default=False) or not bottlenecks
        inner_size = values["hidden_size"]
        if bottlenecks:
            inner_size = fields.count("intra_bottleneck_size", default=128)
            cls._check_heads(fields, values["num_attention_heads"], "intra_bottleneck_size", inner_size)
        if not narrow_value:
            # Without it, queries and keys would read hidden states that are too wide for their weights.
            fields.choice("key_query_shared_bottleneck", [True], default=True)
        return cls(
            **values,
            embedding_size=fields.count("embedding_size", default=128),
            inner_size=inner_size,
            trigram_input=fields.flag("trigram_input", default=True),
            bottlenecks=bottlenecks,
            narrow_value=narrow_value,
            feed_forwards=fields.count("num_feedforward_networks", default=4),
            layer_norm=fields.choice("normalization_type", ["no_norm", "layer_norm"], default="no_norm")
            == "layer_norm",
        )

    def build(self, weights: TensorSource) -> ov.Model:
        graph, inputs = _Graph(self, weights), Inputs(token_types=True)
        vectors = graph.embed(inputs)
        bias = graph.blocks.attention_bias(inputs.attention_mask, name="attention_bias")
        for index in range(self.num_hidden_layers):
            vectors = graph.layer(vectors, bias, f"encoder.layer.{index}")
        return question_answering(graph.blocks, inputs, vectors, width=self.hidden_size, name=self.name)


class _Graph:
    """Builder of the parts specific to MobileBERT."""

    def __init__(self, config: MobileBert, weights: TensorSource) -> None:
        self.blocks = Blocks(weights, layer_norm_eps=config.layer_norm_eps)
        self._fixed = Blocks(weights, layer_norm_eps=_FIXED_EPS)
        self._config = config

    def embed(self, inputs: Inputs) -> ov.Node:
        """Build the embeddings: words with neighbours, projected, plus positions and types, normalised."""
        config, blocks = self._config, self.blocks
        vectors = look_up_words(blocks, config, inputs, width=config.embedding_size)
        width = config.embedding_size
        if config.trigram_input:
            # The neighbour after the last token is zero, with or without padding, so that a window's logits
            # do not depend on the other windows of the batch.
            vectors = blocks.zero_padding(vectors, inputs.attention_mask, name="embeddings.word.unpadded")
            before, here, after = blocks.neighbours(vectors, reach=1, name="embeddings.trigram")
            vectors = ops.concat([after, here, before], 2, name="embeddings.trigram")
            width *= 3
        if width != config.hidden_size or config.trigram_input:
            vectors = self._linear(
                vectors,
                width,
                config.hidden_size,
                "embeddings.projection",
                "embeddings.embedding_transformation",
            )
        vectors = add_types(blocks, config, inputs, vectors, width=config.hidden_size)
        vectors = add_positions(blocks, config, inputs, vectors, width=config.hidden_size)
        return self._normalise(
            vectors, config.hidden_size, "embeddings.norm", "embeddings.LayerNorm", fixed=True
        )

    def layer(self, vectors: ov.Node, bias: ov.Node, name: str) -> ov.Node:
        """Build one layer: bottleneck, attention, feed-forward blocks, output bottleneck."""
        config = self._config
        narrow = query = vectors
        if config.bottlenecks:
            narrow = query = self._narrow(vectors, f"{name}.bottleneck.input")
            if not config.narrow_value:
                query = self._narrow(vectors, f"{name}.bottleneck.attention")
        inner = self._attention(query, narrow if config.narrow_value else vectors, bias, name)
        inner = self._add_and_normalise(inner, narrow, f"{name}.attention", f"{name}.attention.output")
        for index in range(config.feed_forwards - 1):
            stacked = f"{name}.ffn.{index}"
            changed = self._feed_forward(inner, stacked, stacked)
            inner = self._add_and_normalise(changed, inner, stacked, f"{stacked}.output")
        changed = self._feed_forward(inner, f"{name}.ffn", name)
        inner = self._add_and_normalise(changed, inner, f"{name}.ffn", f"{name}.output", fixed=True)
        return self._widen(inner, vectors, name) if config.bottlenecks else inner

    def _attention(self, query: ov.Node, value: ov.Node, bias: ov.Node, name: str) -> ov.Node:
        config, inner = self._config, self._config.inner_size
        value_width = inner if config.narrow_value else config.hidden_size
        node = f"{name}.attention"
        query, key, value = (
            self.blocks.heads(
                vectors,
                inputs=width,
                heads=config.num_attention_heads,
                head_size=config.head_size,
                name=f"{node}.{part}",
                tensor=f"{name}.attention.self.{part}",
            )
            for part, vectors, width in (
                ("query", query, inner),
                ("key", query, inner),
                ("value", value, value_width),
            )
        )
        scale = config.head_size**-0.5
        context = self.blocks.attend(query, key, value, (bias,), scale=scale, inner=inner, name=node)
        return self._linear(context, inner, inner, f"{node}.output", f"{name}.attention.output.dense")

    def _feed_forward(self, vectors: ov.Node, name: str, layer: str) -> ov.Node:
        return self.blocks.feed_forward(
            vectors,
            width=self._config.inner_size,
            units=self._config.intermediate_size,
            activation=self._config.hidden_act,
            name=name,
            tensors=BERT_LAYER,
            layer=layer,
        )

    def _narrow(self, vectors: ov.Node, name: str) -> ov.Node:
        config = self._config
        narrow = self._linear(vectors, config.hidden_size, config.inner_size, name, f"{name}.dense")
        return self._normalise(narrow, config.inner_size, f"{name}.norm", f"{name}.LayerNorm")

    def _widen(self, inner: ov.Node, vectors: ov.Node, layer: str) -> ov.Node:
        config, tensor, name = self._config, f"{layer}.output.bottleneck", f"{layer}.bottleneck.output"
        wide = self._linear(inner, config.inner_size, config.hidden_size, name, f"{tensor}.dense")
        total = ops.add(wide, vectors, name=f"{name}.residual")
        return self._normalise(total, config.hidden_size, f"{name}.norm", f"{tensor}.LayerNorm")

    def _add_and_normalise(
        self, changed: ov.Node, vectors: ov.Node, name: str, tensor: str, *, fixed: bool = False
    ) -> ov.Node:
        total = ops.add(changed, vectors, name=f"{name}.residual")
        return self._normalise(
            total, self._config.inner_size, f"{name}.norm", f"{tensor}.LayerNorm", fixed=fixed
        )

    def _normalise(
        self, vectors: ov.Node, width: int, name: str, tensor: str, *, fixed: bool = False
    ) -> ov.Node:
        blocks = self._fixed if fixed else self.blocks
        build = blocks.layer_norm if self._config.layer_norm else blocks.affine
        return build(vectors, width=width, name=name, tensor=tensor)

    def _linear(self, vectors: ov.Node, inputs: int, outputs: int, name: str, tensor: str) -> ov.Node:
        return self.blocks.linear(vectors, inputs=inputs, outputs=outputs, name=name, tensor=tensor)
