"""The sizes and choices of a BERT checkpoint, read from its ``config.json``."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["ACTIVATIONS", "BertConfig", "read_json"]

#: Hugging Face's names of activation functions -> the form of GELU they mean, or ReLU.
ACTIVATIONS = {"gelu": "erf", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh", "relu": "relu"}


@dataclass(frozen=True, kw_only=True)
class BertConfig:
    """What the graph of a BERT encoder needs to know (Devlin et al. 2019, arXiv 1810.04805).

    Attributes:
        vocab_size: rows of the word embedding table.
        hidden_size: width of a token's vector.
        num_hidden_layers: encoder layers.
        num_attention_heads: attention heads of a layer; divides ``hidden_size``.
        intermediate_size: units between the two products of a feed-forward block.
        max_position_embeddings: tokens of a sequence at most.
        type_vocab_size: rows of the token type table; a question and a context need two.
        hidden_act: activation of the feed-forward block, a key of `ACTIVATIONS`.
        layer_norm_eps: added to the variance in layer normalisation.
    """

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    type_vocab_size: int = 2
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-12

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.hidden_size // self.num_attention_heads

    @classmethod
    def read(cls, path: Path) -> "BertConfig":
        """Read and check a ``config.json``.

        Args:
            path: the file.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is not JSON, not BERT's, or a value is missing or cannot be used; the
                message names the file, the key, what was found and what was expected.
        """
        fields = _Fields(path, read_json(path))
        fields.choice("model_type", ["bert"])
        fields.choice("position_embedding_type", ["absolute"], default="absolute")
        fields.choice("is_decoder", [False], default=False)
        config = cls(
            vocab_size=fields.count("vocab_size"),
            hidden_size=fields.count("hidden_size"),
            num_hidden_layers=fields.count("num_hidden_layers"),
            num_attention_heads=fields.count("num_attention_heads"),
            intermediate_size=fields.count("intermediate_size"),
            max_position_embeddings=fields.count("max_position_embeddings"),
            type_vocab_size=fields.count("type_vocab_size", default=2, least=2),
            hidden_act=fields.choice("hidden_act", list(ACTIVATIONS), default="gelu"),
            layer_norm_eps=fields.small("layer_norm_eps", default=1e-12),
        )
        if config.hidden_size % config.num_attention_heads:
            raise fields.error("num_attention_heads", f'a divisor of "hidden_size" ({config.hidden_size})')
        return config


def read_json(path: Path) -> dict[str, Any]:
    """The object of a JSON file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not UTF-8, not JSON, or not an object; the message names the file.
    """
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: not a JSON file: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path}: a JSON {type(value).__name__}, expected an object")
    return value


class _Fields:
    """Checked access to the values of one JSON object."""

    def __init__(self, path: Path, values: dict[str, Any]) -> None:
        self._path = path
        self._values = values

    def error(self, key: str, expected: str) -> ValueError:
        found = json.dumps(self._values[key]) if key in self._values else "missing"
        return ValueError(f'{self._path}: "{key}" is {found}, expected {expected}')

    def count(self, key: str, *, default: int | None = None, least: int = 1) -> int:
        value = self._values.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self.error(key, f"a whole number of at least {least}")
        return value

    def small(self, key: str, *, default: float) -> float:
        value = self._values.get(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1:
            raise self.error(key, "a number between 0 and 1")
        return float(value)

    def choice(self, key: str, allowed: list[Any], *, default: Any = None) -> Any:
        value = self._values.get(key, default)
        if not any(value is one or (isinstance(value, str) and value == one) for one in allowed):
            raise self.error(key, " or ".join(json.dumps(one) for one in allowed))
        return value
