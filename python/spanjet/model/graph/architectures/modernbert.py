"""Build ModernBERT (Warner et al. 2024, arXiv 2412.13663)."""

from dataclasses import dataclass

import numpy as np

from spanjet.model.config_json import Fields
from spanjet.model.graph.activation_functions import ACTIVATIONS, activate
from spanjet.model.graph.architecture import Architecture
from spanjet.model.graph.architectures.modernbert_config import check_task, read_bases, read_local_layers
from spanjet.model.graph.blocks import Blocks
from spanjet.model.graph.input_layout import InputLayout
from spanjet.model.graph.local_attention import LocalAttention
from spanjet.model.graph.qa_model import Inputs, question_answering
from spanjet.model.graph.rotary_position import RotaryPositions
from spanjet.model.graph.tensors import FusedTensors, TensorSource
from spanjet.runtime.openvino import ops, ov

__all__ = ["ModernBert"]

# ModernBERT's names of the configuration values.
_NAMES = {"hidden_act": "hidden_activation", "layer_norm_eps": "norm_eps"}
# Maximum width of local attention, whose masks grow with its square; published models have 128.
_MOST_LOCAL = 4096
# The parts of fused linear layers. The unit's first half is the one with the activation.
_PARTS = {"Wqkv": ("query", "key", "value"), "Wi": ("up", "gate")}


@dataclass(frozen=True, kw_only=True)
class ModernBert(Architecture):
    """Pre-norm encoder with rotary positions, gated feed-forward blocks, and local attention in most layers.

    Attributes:
        global_base, local_base: base of the wave lengths of rotary positions, in layers of each kind.
        local: True for each layer of local attention.
        reach: number of tokens that a token attends to on each side in layers of local attention.
        attention_bias, mlp_bias, norm_bias, classifier_bias: the linear layers of the attention and of the
            feed-forward block, layer normalisation, and the linear layer of the prediction head have biases.
        classifier_act: activation of the prediction head.
    """

    prefix = "model."
    # The output layer of masked language models, behind the same prediction head.
    ignored = r"decoder\..*"

    global_base: float
    local_base: float
    local: tuple[bool, ...]
    reach: int
    attention_bias: bool
    mlp_bias: bool
    norm_bias: bool
    classifier_bias: bool
    classifier_act: str

    @property
    def layout(self) -> InputLayout:
        return InputLayout(token_types=False, pad_token_id=self.pad_token_id)

    @classmethod
    def read(cls, fields: Fields) -> "ModernBert":
        check_task(fields)
        values = cls._read_common(fields.renamed(_NAMES), types=0, types_default=0, padding=50283, eps=1e-5)
        if values["hidden_size"] // values["num_attention_heads"] % 2:
            width = values["hidden_size"]
            raise fields.error("num_attention_heads", f'half of a divisor of "hidden_size" ({width})')
        global_base, local_base = read_bases(fields)
        return cls(
            **{**values, "type_vocab_size": 0},
            global_base=global_base,
            local_base=local_base,
            local=read_local_layers(fields, layers=values["num_hidden_layers"]),
            reach=fields.count("local_attention", default=128, least=0, most=_MOST_LOCAL) // 2,
            attention_bias=fields.flag("attention_bias", default=False),
            mlp_bias=fields.flag("mlp_bias", default=False),
            norm_bias=fields.flag("norm_bias", default=False),
            classifier_bias=fields.flag("classifier_bias", default=False),
            classifier_act=fields.choice("classifier_activation", list(ACTIVATIONS), default="gelu"),
        )

    def build(self, weights: TensorSource) -> ov.Model:
        graph = _Graph(self, weights)
        vectors = graph.embedded
        for index in range(self.num_hidden_layers):
            vectors = graph.layer(vectors, index)
        return question_answering(
            graph.blocks,
            graph.inputs,
            graph.predict(vectors),
            width=self.hidden_size,
            name=self.name,
            tensor="classifier",
        )


class _Graph:
    """Builder of the parts specific to ModernBERT."""

    def __init__(self, config: ModernBert, weights: TensorSource) -> None:
        self.blocks = Blocks(FusedTensors(weights, _PARTS), layer_norm_eps=config.layer_norm_eps)
        self.inputs = Inputs(token_types=False)
        self._config = config
        # First of all, since tables of positions are as wide as the configuration says, right or wrong.
        self.embedded = self._embed()
        longest = config.max_length
        mask = self._limited_mask(longest)
        length = _length(mask, name="sequence")
        self._padding = self.blocks.attention_bias(mask, name="attention_bias")
        sizes = {"longest": longest, "head_size": config.head_size}
        bases = {False: config.global_base, True: config.local_base}
        self._rotary = {
            local: RotaryPositions(
                length, **sizes, base=bases[local], name=f"rotary.{'local' if local else 'global'}"
            )
            for local in sorted(set(config.local))
        }
        self._local = LocalAttention(
            mask, length, **sizes, reach=config.reach, heads=config.num_attention_heads
        )

    def _limited_mask(self, longest: int) -> ov.Node:
        """Return the attention mask unchanged, but fail inference on longer sequences.

        The slice of ones is then too short to multiply. What depends on the length is computed from the
        result, since OpenVINO's rotation would read beyond the ends of its tables.
        """
        mask = self.inputs.attention_mask
        ones = ops.constant(np.ones(longest, np.int32), name="limit.ones")
        start, step, axis = (np.array([value], np.int64) for value in (0, 1, 0))
        limit = ops.slice(ones, start, _length(mask, name="limit"), step, axis, name="limit.slice")
        return ops.multiply(mask, limit, name="limit")

    def _embed(self) -> ov.Node:
        """Build the normalised word embeddings, [batch, length, hidden]."""
        config, name = self._config, "embeddings.tok_embeddings"
        words = self.blocks.lookup(
            self.inputs.input_ids,
            rows=config.vocab_size,
            width=config.hidden_size,
            name="embeddings.word",
            tensor=name,
        )
        return self._normalised(words, name="embeddings.norm", tensor="embeddings.norm")

    def layer(self, vectors: ov.Node, index: int) -> ov.Node:
        """Build a layer: attention and a feed-forward block, each of normalised inputs, with residuals."""
        name, layer = f"encoder.layer.{index}", f"layers.{index}"
        # The embeddings, which the first layer reads, are normalised already.
        normal = (
            self._normalised(vectors, name=f"{name}.attention.norm", tensor=f"{layer}.attn_norm")
            if index
            else vectors
        )
        changed = self._attention(normal, index)
        vectors = ops.add(vectors, changed, name=f"{name}.attention.residual")
        normal = self._normalised(vectors, name=f"{name}.ffn.norm", tensor=f"{layer}.mlp_norm")
        changed = self._feed_forward(normal, name=f"{name}.ffn", tensor=f"{layer}.mlp")
        return ops.add(vectors, changed, name=f"{name}.ffn.residual")

    def predict(self, vectors: ov.Node) -> ov.Node:
        """Build the last normalisation and the prediction head before the output layer."""
        config, width = self._config, self._config.hidden_size
        vectors = self._normalised(vectors, name="encoder.norm", tensor="final_norm")
        dense = self.blocks.linear(
            vectors,
            inputs=width,
            outputs=width,
            name="head.dense",
            tensor="head.dense",
            biased=config.classifier_bias,
        )
        active = activate(dense, config.classifier_act, name="head.activation")
        return self._normalised(active, name="head.norm", tensor="head.norm")

    def _normalised(self, vectors: ov.Node, *, name: str, tensor: str) -> ov.Node:
        width, biased = self._config.hidden_size, self._config.norm_bias
        return self.blocks.layer_norm(vectors, width=width, name=name, tensor=tensor, biased=biased)

    def _attention(self, vectors: ov.Node, index: int) -> ov.Node:
        """Build self-attention with output projection, global or local."""
        config, node = self._config, f"encoder.layer.{index}.attention"
        width, tensor, local = config.hidden_size, f"layers.{index}.attn", config.local[index]
        query, key, value = (
            self.blocks.heads(
                vectors,
                inputs=width,
                heads=config.num_attention_heads,
                head_size=config.head_size,
                name=f"{node}.{part}",
                tensor=f"{tensor}.{part}",
                biased=config.attention_bias,
            )
            for part in _PARTS["Wqkv"]
        )
        rotary = self._rotary[local]
        query = rotary.rotate(query, name=f"{node}.query.rotated")
        key = rotary.rotate(key, name=f"{node}.key.rotated")
        scale = config.head_size**-0.5
        if local:
            context = self._local.attend(query, key, value, scale=scale, inner=width, name=node)
        else:
            context = self.blocks.attend(
                query, key, value, (self._padding,), scale=scale, inner=width, name=node
            )
        return self.blocks.linear(
            context,
            inputs=width,
            outputs=width,
            name=f"{node}.output",
            tensor=f"{tensor}.Wo",
            biased=config.attention_bias,
        )

    def _feed_forward(self, vectors: ov.Node, *, name: str, tensor: str) -> ov.Node:
        """Build a feed-forward block with gated units (Shazeer 2020, arXiv 2002.05202)."""
        config, biased = self._config, self._config.mlp_bias
        width, units = config.hidden_size, config.intermediate_size
        up, gate = (
            self.blocks.linear(
                vectors,
                inputs=width,
                outputs=units,
                name=f"{name}.{part}",
                tensor=f"{tensor}.{part}",
                biased=biased,
            )
            for part in _PARTS["Wi"]
        )
        active = activate(up, config.hidden_act, name=f"{name}.activation")
        gated = ops.multiply(active, gate, name=f"{name}.gated")
        return self.blocks.linear(
            gated, inputs=units, outputs=width, name=f"{name}.down", tensor=f"{tensor}.Wo", biased=biased
        )


def _length(tokens: ov.Node, *, name: str) -> ov.Node:
    """Take the sequence length of [batch, length], int64[1]."""
    shape = ops.shape_of(tokens, name=f"{name}.shape")
    return ops.gather(shape, np.array([1], np.int64), np.int64(0), name=f"{name}.length")
