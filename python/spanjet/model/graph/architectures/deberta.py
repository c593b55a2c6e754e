"""Build DeBERTa-v2 (He et al. 2021, arXiv 2006.03654) and DeBERTa-v3 (He et al. 2021, arXiv 2111.09543)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spanjet.model.config_json import Fields
from spanjet.model.graph.activation_functions import ACTIVATIONS, activate
from spanjet.model.graph.architecture import Architecture
from spanjet.model.graph.blocks import Blocks, LayerTensors
from spanjet.model.graph.embeddings import add_positions, add_types, look_up_words, normalise
from spanjet.model.graph.encoder import add_and_normalise, feed_forward
from spanjet.model.graph.input_layout import InputLayout
from spanjet.model.graph.qa_model import Inputs, question_answering
from spanjet.model.graph.relative_position import Distances, bucketed
from spanjet.model.graph.tensors import TensorSource
from spanjet.runtime.openvino import ops, ov

__all__ = ["Deberta"]

_LAYER = LayerTensors(
    query="attention.self.query_proj",
    key="attention.self.key_proj",
    value="attention.self.value_proj",
    attention_output="attention.output.dense",
    attention_norm="attention.output.LayerNorm",
    up="intermediate.dense",
    down="output.dense",
    ffn_norm="output.LayerNorm",
)


@dataclass(frozen=True, kw_only=True)
class Deberta(Architecture):
    """BERT's encoder with disentangled attention: content and relative position have separate vectors.

    Attributes:
        embedding_size: width of the embeddings.
        absolute_positions: add absolute position embeddings.
        relative: add relative position scores in the attention.
        content_to_position, position_to_content: add content-to-position scores, and position-to-content
            scores.
        shared_projections: project relative positions with the weights of the content.
        buckets: number of buckets of distances in each direction, logarithmic beyond half of it; 0: one for
            each distance up to ``farthest``.
        farthest: maximum distance plus one.
        normalised_distances: apply layer normalisation to the table of relative positions.
        kernel_size: kernel size in tokens of the convolution beside the first layer; 0: no convolution.
        kernel_act: activation of the convolution.
    """

    prefix = "deberta."
    # Checkpoints have position embeddings even if they do not use them.
    ignored = (
        r"(lm_predictions|mask_predictions|cls)\..*|pooler\..*|classifier\..*"
        r"|embeddings\.(position_ids|position_embeddings\.weight)"
    )

    embedding_size: int
    absolute_positions: bool
    relative: bool
    content_to_position: bool
    position_to_content: bool
    shared_projections: bool
    buckets: int
    farthest: int
    normalised_distances: bool
    kernel_size: int
    kernel_act: str

    @property
    def layout(self) -> InputLayout:
        return InputLayout(token_types=self.type_vocab_size > 0, pad_token_id=self.pad_token_id)

    @property
    def span(self) -> int:
        """Half the number of rows of the table of relative positions."""
        return self.buckets or self.farthest

    @property
    def score_scale(self) -> float:
        """Scale of the attention scores, by head size and number of added kinds of scores."""
        kinds = 1 + self.content_to_position + self.position_to_content
        return float((self.head_size * kinds) ** -0.5)

    @classmethod
    def read(cls, fields: Fields) -> "Deberta":
        values = cls._read_common(fields, types=0, types_default=0, eps=1e-7)
        head_size = values["hidden_size"] // values["num_attention_heads"]
        fields.count("attention_head_size", default=head_size, least=head_size, most=head_size)
        fields.count("conv_groups", default=1, most=1)
        kernel_size = fields.count("conv_kernel_size", default=0, least=0, most=63)
        if kernel_size % 2 == 0 and kernel_size:
            raise fields.error("conv_kernel_size", "an odd number, or 0")
        kinds = _names(fields, "pos_att_type", ["c2p", "p2c"])
        normalised = _names(fields, "norm_rel_ebd", ["layer_norm", "none"])
        return cls(
            **values,
            embedding_size=fields.count("embedding_size", default=values["hidden_size"]),
            absolute_positions=fields.flag("position_biased_input", default=True),
            relative=fields.flag("relative_attention", default=False),
            content_to_position="c2p" in kinds,
            position_to_content="p2c" in kinds,
            shared_projections=fields.flag("share_att_key", default=False),
            **_distances(fields, values["max_position_embeddings"]),
            normalised_distances="layer_norm" in normalised,
            kernel_size=kernel_size,
            kernel_act=fields.choice("conv_act", list(ACTIVATIONS), default="tanh"),
        )

    def build(self, weights: TensorSource) -> ov.Model:
        graph = _Graph(self, weights)
        vectors, bias = graph.embed(), graph.attention_bias()
        for index in range(self.num_hidden_layers):
            name = f"encoder.layer.{index}"
            changed = graph.attention(vectors, bias, name)
            norm = f"{name}.{_LAYER.attention_norm}"
            attended = add_and_normalise(
                graph.blocks, self, changed, vectors, name=f"{name}.attention", tensor=norm
            )
            output = feed_forward(
                graph.blocks,
                self,
                attended,
                units=self.intermediate_size,
                name=name,
                tensors=_LAYER,
                layer=name,
            )
            vectors = graph.convolve(vectors, output) if index == 0 and self.kernel_size else output
        return question_answering(graph.blocks, graph.inputs, vectors, width=self.hidden_size, name=self.name)


def _names(fields: Fields, key: str, allowed: list[str]) -> list[str]:
    """Read a list of names, or one string of names separated by ``|``."""
    value = fields.get(key, [])
    if isinstance(value, str):
        value = [name.strip() for name in value.lower().split("|")]
    if not isinstance(value, list) or any(name not in allowed for name in value):
        raise fields.error(key, f"names out of {', '.join(allowed)}")
    return value


def _distances(fields: Fields, positions: int) -> dict[str, Any]:
    """Read the number of distance buckets and the maximum distance."""
    farthest = fields.count("max_relative_positions", default=-1, least=-1)
    buckets = max(0, fields.count("position_buckets", default=-1, least=-1))
    farthest = farthest if farthest > 0 else positions
    if buckets and not 2 <= buckets <= 2 * (farthest - 2):
        raise fields.error("position_buckets", f"from 2 to {2 * (farthest - 2)}, or -1")
    return {"buckets": buckets, "farthest": farthest}


class _Graph:
    """Builder of the parts specific to DeBERTa."""

    def __init__(self, config: Deberta, weights: TensorSource) -> None:
        self.blocks = Blocks(weights, layer_norm_eps=config.layer_norm_eps)
        self.inputs = Inputs(token_types=config.layout.token_types)
        self._config = config
        self._weights = weights
        self._table = self._distance_vectors() if config.relative else None
        self._distances = self._rows_by_distance() if config.relative else None

    def embed(self) -> ov.Node:
        """Build the embeddings: words, positions and types, projected to the hidden size and normalised."""
        config, width = self._config, self._config.embedding_size
        vectors = look_up_words(self.blocks, config, self.inputs, width=width)
        if config.absolute_positions:
            vectors = add_positions(self.blocks, config, self.inputs, vectors, width=width)
        vectors = add_types(self.blocks, config, self.inputs, vectors, width=width)
        if width != config.hidden_size:
            weight = self._weights.take("embeddings.embed_proj.weight", (config.hidden_size, width))
            constant = ops.constant(weight, name="embeddings.projection.weight", shared_memory=True)
            vectors = ops.matmul(vectors, constant, False, True, name="embeddings.projection")
        return normalise(self.blocks, vectors, width=config.hidden_size)

    def attention_bias(self) -> ov.Node:
        """Build the attention bias of padding; inference fails on sequences that are too long."""
        bias = self.blocks.attention_bias(self.inputs.attention_mask, name="attention_bias")
        if self._distances is None:
            return bias
        return self._distances.limited(bias, name="attention_bias.limited")

    def attention(self, vectors: ov.Node, bias: ov.Node, name: str) -> ov.Node:
        """Build disentangled self-attention, up to its output projection."""
        config, blocks, node = self._config, self.blocks, f"{name}.attention"
        query, key, value = (
            blocks.heads(
                vectors,
                inputs=config.hidden_size,
                heads=config.num_attention_heads,
                head_size=config.head_size,
                name=f"{node}.{part}",
                tensor=f"{name}.{tensor}",
            )
            for part, tensor in (("query", _LAYER.query), ("key", _LAYER.key), ("value", _LAYER.value))
        )
        if self._distances is not None and config.content_to_position:
            table = self._projected(name, "key")
            scores = self._distances.scores(query, table, part="query", name=f"{node}.distances.query")
            bias = ops.add(bias, scores, name=f"{node}.bias.query")
        if self._distances is not None and config.position_to_content:
            table = self._projected(name, "query")
            scores = self._distances.scores(key, table, part="key", name=f"{node}.distances.key")
            bias = ops.add(bias, scores, name=f"{node}.bias.key")
        width = config.hidden_size
        context = blocks.attend(query, key, value, (bias,), scale=config.score_scale, inner=width, name=node)
        output = f"{name}.{_LAYER.attention_output}"
        return blocks.linear(context, inputs=width, outputs=width, name=f"{node}.output", tensor=output)

    def convolve(self, vectors: ov.Node, output: ov.Node) -> ov.Node:
        """Build the convolution over the embeddings, added to the first layer's output and normalised."""
        config, size, mask = self._config, self._config.kernel_size, self.inputs.attention_mask
        width, name = config.hidden_size, "encoder.convolution"
        unpadded = self.blocks.zero_padding(vectors, mask, name=f"{name}.unpadded")
        shifted = self.blocks.neighbours(unpadded, reach=size // 2, name=f"{name}.neighbours")
        joined = ops.concat(shifted, 2, name=f"{name}.neighbours")
        kernel = self._weights.take("encoder.conv.conv.weight", (width, width, size))
        flat = np.ascontiguousarray(kernel.transpose(0, 2, 1)).reshape(width, size * width)
        weight = ops.constant(flat, name=f"{name}.weight", shared_memory=True)
        bias = ops.constant(self._weights.take("encoder.conv.conv.bias", (width,)), name=f"{name}.bias")
        product = ops.matmul(joined, weight, False, True, name=f"{name}.product")
        active = activate(ops.add(product, bias, name=name), config.kernel_act, name=f"{name}.activation")
        tensor = "encoder.conv.LayerNorm"
        return add_and_normalise(self.blocks, config, active, output, name=name, tensor=tensor)

    def _projected(self, layer: str, part: str) -> NDArray[np.float32]:
        """Project relative positions to scaled queries or keys, [heads, rows, head_size].

        Args:
            layer: the layer's name in the checkpoint.
            part: ``query`` or ``key``.
        """
        shared = {"query": _LAYER.query, "key": _LAYER.key}[part]
        own = f"attention.self.pos_{part}_proj"
        tensor = f"{layer}.{shared if self._config.shared_projections else own}"
        config, width = self._config, self._config.hidden_size
        weight = self._weights.take(f"{tensor}.weight", (width, width))
        projected = self._table @ weight.T + self._weights.take(f"{tensor}.bias", (width,))
        by_head = projected.reshape(-1, config.num_attention_heads, config.head_size).transpose(1, 0, 2)
        table: NDArray[np.float32] = np.ascontiguousarray(by_head) * np.float32(config.score_scale)
        return table

    def _distance_vectors(self) -> NDArray[np.float32]:
        """Load the vectors of all relative position buckets, float32[rows, width]."""
        config, width = self._config, self._config.hidden_size
        table = self._weights.take("encoder.rel_embeddings.weight", (2 * config.span, width))
        if not config.normalised_distances:
            return table
        weight = self._weights.take("encoder.LayerNorm.weight", (width,))
        bias = self._weights.take("encoder.LayerNorm.bias", (width,))
        centred = table - table.mean(axis=1, keepdims=True, dtype=np.float64)
        deviation = np.sqrt((centred**2).mean(axis=1, keepdims=True) + config.layer_norm_eps)
        normalised: NDArray[np.float32] = (centred / deviation * weight + bias).astype(np.float32)
        return normalised

    def _rows_by_distance(self) -> Distances:
        config, longest = self._config, self._config.max_length
        distances = np.arange(-longest, longest + 1)
        if config.buckets:
            distances = bucketed(distances, buckets=config.buckets, most=config.farthest)
        rows = np.clip(distances + config.span, 0, 2 * config.span - 1)
        return Distances(self.inputs.input_ids, longest=longest, rows=rows)
