"""Write BERT and ModernBERT checkpoints of any size with random weights, as fast as trained ones."""

import json
import math
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spanjet.model.layer_shape import KEY, LayerShape, describe_shapes

__all__ = ["SHAPES", "ModernBertShape", "Shape", "write_checkpoint"]

# Standard deviation of BERT's weight initialisation.
SPREAD = 0.02
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Sizes of a BERT (Devlin et al. 2019, arXiv 1810.04805).

    Attributes:
        width: width of the hidden states.
        layers: number of layers.
        heads: number of attention heads that the width is divided into.
        vocabulary: number of words.
        positions: number of positions.
        pruned: shape of each layer, as structured pruning leaves them; None: all heads, and four units a
            column.
    """

    width: int
    layers: int
    heads: int
    vocabulary: int = 30522
    positions: int = 512
    pruned: LayerShape | None = None

    def tensors(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield names and shapes of the tensors, as BertForQuestionAnswering saves them."""
        width = self.width
        kept = self.pruned or LayerShape(self.heads, 4 * width)
        inner, units = kept.heads * width // self.heads, kept.units
        tables = {"word": self.vocabulary, "position": self.positions, "token_type": 2}
        for name, rows in tables.items():
            yield f"bert.embeddings.{name}_embeddings.weight", (rows, width)
        yield from _affine("bert.embeddings.LayerNorm", (width,))
        for layer in range(self.layers):
            prefix = f"bert.encoder.layer.{layer}"
            for part in ("query", "key", "value"):
                yield from _affine(f"{prefix}.attention.self.{part}", (inner, width))
            yield from _affine(f"{prefix}.attention.output.dense", (width, inner))
            yield from _affine(f"{prefix}.attention.output.LayerNorm", (width,))
            yield from _affine(f"{prefix}.intermediate.dense", (units, width))
            yield from _affine(f"{prefix}.output.dense", (width, units))
            yield from _affine(f"{prefix}.output.LayerNorm", (width,))
        yield from _affine("qa_outputs", (2, width))

    def config(self) -> dict[str, Any]:
        """Return the content of ``config.json``."""
        shapes = {} if self.pruned is None else {KEY: describe_shapes([self.pruned] * self.layers)}
        return {
            "model_type": "bert",
            "vocab_size": self.vocabulary,
            "hidden_size": self.width,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "intermediate_size": 4 * self.width,
            "max_position_embeddings": self.positions,
            **shapes,
        }


@dataclass(frozen=True, kw_only=True)
class ModernBertShape(Shape):
    """Sizes of a ModernBERT (Warner et al. 2024, arXiv 2412.13663)."""

    units: int
    vocabulary: int = 50368
    positions: int = 8192

    def __post_init__(self) -> None:
        if self.pruned is not None:
            raise ValueError("a ModernBERT's layers have one size; expected pruned to be None")

    def tensors(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield names and shapes of the tensors, as ModernBertForQuestionAnswering saves them."""
        width = self.width
        yield "model.embeddings.tok_embeddings.weight", (self.vocabulary, width)
        yield "model.embeddings.norm.weight", (width,)
        for layer in range(self.layers):
            prefix = f"model.layers.{layer}"
            if layer:
                yield f"{prefix}.attn_norm.weight", (width,)
            yield f"{prefix}.attn.Wqkv.weight", (3 * width, width)
            yield f"{prefix}.attn.Wo.weight", (width, width)
            yield f"{prefix}.mlp_norm.weight", (width,)
            yield f"{prefix}.mlp.Wi.weight", (2 * self.units, width)
            yield f"{prefix}.mlp.Wo.weight", (width, self.units)
        yield "model.final_norm.weight", (width,)
        yield "head.dense.weight", (width, width)
        yield "head.norm.weight", (width,)
        yield from _affine("classifier", (2, width))

    def config(self) -> dict[str, Any]:
        """Return the content of ``config.json``."""
        changed = {"model_type": "modernbert", "intermediate_size": self.units, "pad_token_id": 0}
        return {**super().config(), **changed}


SHAPES = {
    "bert-base": Shape(width=768, layers=12, heads=12),
    "bert-large": Shape(width=1024, layers=24, heads=16),
    # Sizes like those that recipes/ prunes its readers to, without MPNet's biases by distance.
    "base-6x1536": Shape(width=768, layers=12, heads=12, pruned=LayerShape(heads=6, units=1536)),
    "small-4x768": Shape(width=768, layers=6, heads=12, pruned=LayerShape(heads=4, units=768)),
    "modernbert-base": ModernBertShape(width=768, layers=22, heads=12, units=1152),
    "modernbert-large": ModernBertShape(width=1024, layers=28, heads=16, units=2624),
}


def write_checkpoint(
    directory: Path, shape: Shape, *, seed: int = 0, vocabulary: Sequence[str] | None = None
) -> int:
    """Write ``config.json``, ``vocab.txt`` and ``model.safetensors`` (float32), tensor by tensor.

    Args:
        directory: directory to create; its parent must exist.
        shape: sizes of the model.
        seed: seed of the weights.
        vocabulary: entries of ``vocab.txt``, so that texts have realistic token counts; None: characters and
            synthetic words.

    Returns:
        Size of the weights in bytes.
    """
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps(shape.config()))
    entries = _vocabulary(shape.vocabulary) if vocabulary is None else vocabulary
    (directory / "vocab.txt").write_text("\n".join(entries) + "\n", encoding="utf-8")
    header, end = {}, 0
    for name, sizes in shape.tensors():
        start, end = end, end + 4 * math.prod(sizes)
        header[name] = {"dtype": "F32", "shape": list(sizes), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    generator = np.random.default_rng(seed)
    with (directory / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, sizes in shape.tensors():
            values = generator.standard_normal(sizes, np.float32) * np.float32(SPREAD)
            if len(sizes) == 1:  # layer normalisation, or a bias
                values = np.full(sizes, name.endswith(".weight"), np.float32)
            file.write(values.tobytes())
    return end


def _affine(name: str, weight: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", weight
    yield f"{name}.bias", weight[:1]


def _vocabulary(size: int) -> list[str]:
    """List special tokens, the pieces of any ASCII text, and synthetic words for the rest."""
    characters = string.ascii_lowercase + string.digits + string.punctuation
    tokens = [*SPECIAL_TOKENS, *characters, *(f"##{character}" for character in characters)]
    if size < len(tokens):
        raise ValueError(f"a vocabulary of {size}; expected at least {len(tokens)}")
    return tokens + [f"word{index}" for index in range(size - len(tokens))]
