"""Define the base class of encoder architectures: sizes, limits, and building the graph."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from spanjet.model.config_json import Fields
from spanjet.model.graph.activation_functions import ACTIVATIONS
from spanjet.model.graph.input_layout import InputLayout
from spanjet.model.graph.tensors import TensorSource
from spanjet.model.layer_shape import KEY
from spanjet.runtime.openvino import ov

__all__ = ["MOST_LAYERS", "Architecture"]

# Maximum size of a position table, beyond any sequence whose attention fits into memory.
_MOST_POSITIONS = 1 << 20
#: Maximum number of layers, beyond any encoder: where layers share weights, no missing tensor ends more.
MOST_LAYERS = 1024


@dataclass(frozen=True, kw_only=True)
class Architecture(ABC):
    """Configuration of an encoder, read from ``config.json``, which builds the encoder's graph.

    Attributes:
        model_type: the architecture's name in ``config.json``.
        vocab_size: number of rows of the word embedding table.
        hidden_size: width of the hidden states.
        num_hidden_layers: number of encoder layers.
        num_attention_heads: number of attention heads of a layer.
        intermediate_size: number of units of a feed-forward block.
        max_position_embeddings: number of rows of the position table.
        type_vocab_size: number of rows of the token type table; 0: no table.
        pad_token_id: id of the padding token.
        hidden_act: activation of the feed-forward block, a key of `ACTIVATIONS`.
        layer_norm_eps: epsilon of layer normalisation, added to the variance.
    """

    #: What task models put before the encoder's tensor names.
    prefix: ClassVar[str]
    #: Supported values of ``position_embedding_type``.
    position_types: ClassVar[tuple[str, ...]] = ("absolute",)
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
        """Maximum length of a sequence in tokens."""
        return self.max_position_embeddings - self.layout.first_position

    @property
    @abstractmethod
    def layout(self) -> InputLayout:
        """Layout of the inputs."""

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
        """Build the question-answering graph.

        Inputs, int32[batch, length], both dimensions dynamic, with padding on the right:
        ``input_ids``, ``attention_mask`` (1 for tokens, 0 for padding) and, if ``layout`` has it,
        ``token_type_ids``. Outputs, float32[batch, length]: ``start_logits`` and ``end_logits``.
        Inference fails when ``length`` is greater than ``max_length`` and there is a position
        table; ids outside of their tables are not checked.

        Raises:
            ValueError: a tensor is missing, unexpected or of another shape; the message names the file and
                the tensor.
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
        activation: str = "gelu",
    ) -> dict[str, Any]:
        """Read the values that most configurations name alike.

        Args:
            fields: fields of the configuration.
            types: minimum number of token types.
            types_default: default of ``type_vocab_size``.
            padding: default of ``pad_token_id``.
            eps: default of ``layer_norm_eps``.
            activation: default of ``hidden_act``.
        """
        fields.choice("position_embedding_type", list(cls.position_types), default="absolute")
        fields.choice("is_decoder", [False], default=False)
        vocab_size = fields.count("vocab_size")
        values = {
            "model_type": fields.get("model_type"),
            "vocab_size": vocab_size,
            "hidden_size": fields.count("hidden_size"),
            "num_hidden_layers": fields.count("num_hidden_layers", most=MOST_LAYERS),
            "num_attention_heads": fields.count("num_attention_heads"),
            "intermediate_size": fields.count("intermediate_size"),
            "max_position_embeddings": fields.count("max_position_embeddings", most=_MOST_POSITIONS),
            "type_vocab_size": fields.count("type_vocab_size", default=types_default, least=types),
            "pad_token_id": cls._padding(fields, vocab_size, default=padding),
            "hidden_act": fields.choice("hidden_act", list(ACTIVATIONS), default=activation),
            "layer_norm_eps": fields.fraction("layer_norm_eps", default=eps),
        }
        cls._check_heads(fields, values["num_attention_heads"], "hidden_size", values["hidden_size"])
        return {**values, **cls._shapes(fields, values)}

    @classmethod
    def _shapes(cls, fields: Fields, _values: dict[str, Any]) -> dict[str, Any]:
        """Read the shapes of single layers, for architectures whose layers may differ."""
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
