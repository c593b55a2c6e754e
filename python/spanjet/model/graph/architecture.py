"""Base of the architectures: sizes, limits, and the promise to build a graph."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from spanjet.model.config_json import Fields
from spanjet.model.graph.activation_functions import ACTIVATIONS
from spanjet.model.graph.input_layout import InputLayout
from spanjet.model.graph.tensors import TensorSource
from spanjet.model.layer_shape import KEY
from spanjet.runtime.openvino import ov

__all__ = ["Architecture"]

# A table of that many positions would be longer than any sequence whose attention fits into memory.
_MOST_POSITIONS = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Architecture(ABC):
    """The sizes and choices of an encoder, read from a ``config.json``; it builds the encoder's graph.

    Attributes:
        model_type: the architecture's name in ``config.json``.
        vocab_size: rows of the word embedding table.
        hidden_size: width of a token's vector.
        num_hidden_layers: encoder layers.
        num_attention_heads: attention heads of a layer.
        intermediate_size: units between the two products of a feed-forward block.
        max_position_embeddings: rows of the position table.
        type_vocab_size: rows of the token type table; 0: there is none.
        pad_token_id: id of the padding token.
        hidden_act: activation of the feed-forward block, a key of `ACTIVATIONS`.
        layer_norm_eps: added to the variance in layer normalisation.
    """

    #: What task models put before the encoder's tensor names.
    prefix: ClassVar[str]
    #: Regular expression of tensors that may be there and need not be used, without the prefix.
    ignored: ClassVar[str]

    model_type: str
    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    type_vocab_size: int
    pad_token_id: int
    hidden_act: str
    layer_norm_eps: float

    @property
    def name(self) -> str:
        """Name of the graph."""
        return f"{self.model_type}-question-answering"

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.hidden_size // self.num_attention_heads

    @property
    def max_length(self) -> int:
        """Tokens of a sequence at most."""
        return self.max_position_embeddings - self.layout.first_position

    @property
    @abstractmethod
    def layout(self) -> InputLayout:
        """Form of the inputs."""

    @classmethod
    @abstractmethod
    def read(cls, fields: Fields) -> "Architecture":
        """Read and check the values of a ``config.json``.

        Raises:
            ValueError: a value is missing or cannot be used; the message names the file, the key, what
                was found and what was expected.
        """

    @abstractmethod
    def build(self, weights: TensorSource) -> ov.Model:
        """The question-answering graph.

        Inputs, int32[batch, length], both dimensions free, with padding on the right:
        ``input_ids``, ``attention_mask`` (1 for tokens, 0 for padding) and, where ``layout`` says so,
        ``token_type_ids``. Outputs, float32[batch, length]: ``start_logits`` and ``end_logits``.
        Inference fails when ``length`` is greater than ``max_length`` and there is a position
        table; ids outside of their tables are not checked.

        Raises:
            ValueError: the tensors are not those of these sizes; the message names the file and the tensor.
        """

    @classmethod
    def _read_common(
        cls,
        fields: Fields,
        *,
        types: int = 2,
        types_default: int = 2,
        padding: int = 0,
        eps: float = 1e-12,
    ) -> dict[str, Any]:
        """The values that most configurations name alike.

        Args:
            fields: the configuration.
            types: the least number of token types.
            types_default: ``type_vocab_size`` where it is missing.
            padding: ``pad_token_id`` where it is missing.
            eps: ``layer_norm_eps`` where it is missing.
        """
        fields.choice("position_embedding_type", ["absolute"], default="absolute")
        fields.choice("is_decoder", [False], default=False)
        vocab_size = fields.count("vocab_size")
        values = {
            "model_type": fields.get("model_type"),
            "vocab_size": vocab_size,
            "hidden_size": fields.count("hidden_size"),
            "num_hidden_layers": fields.count("num_hidden_layers"),
            "num_attention_heads": fields.count("num_attention_heads"),
            "intermediate_size": fields.count("intermediate_size"),
            "max_position_embeddings": fields.count("max_position_embeddings", most=_MOST_POSITIONS),
            "type_vocab_size": fields.count("type_vocab_size", default=types_default, least=types),
            "pad_token_id": cls._padding(fields, vocab_size, default=padding),
            "hidden_act": fields.choice("hidden_act", list(ACTIVATIONS), default="gelu"),
            "layer_norm_eps": fields.small("layer_norm_eps", default=eps),
        }
        cls._check_heads(fields, values["num_attention_heads"], "hidden_size", values["hidden_size"])
        return {**values, **cls._shapes(fields, values)}

    @classmethod
    def _shapes(cls, fields: Fields, _values: dict[str, Any]) -> dict[str, Any]:
        """The shapes of single layers, where an architecture's layers can have any."""
        if fields.get(KEY) is not None:
            raise fields.error(KEY, f"no such key: {fields.get('model_type')}'s layers all have one shape")
        return {}

    @staticmethod
    def _check_heads(fields: Fields, heads: int, key: str, width: int) -> None:
        if width % heads:
            raise fields.error("num_attention_heads", f'a divisor of "{key}" ({width})')

    @staticmethod
    def _padding(fields: Fields, vocab_size: int, *, default: int) -> int:
        value: int = fields.get("pad_token_id", default)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < vocab_size:
            raise fields.error("pad_token_id", f"a whole number from 0 to {vocab_size - 1}")
        return value
