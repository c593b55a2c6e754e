"""BERT- and MPNet-family readers in torch, written for training speed on CPUs.

Attention is written out: torch's fused attention spends three times as long on its backward pass as two
batched products do (bfloat16, 30 windows of 184 tokens, 12 heads of 32: 77 against 22 ms a layer).
Query, key and value are one product.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as functional
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from recipes.examples import Layout

__all__ = ["Reader", "layout_of", "load_reader", "save_checkpoint"]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a checkpoint's config.json says of its encoder."""

    family: str
    layers: int
    hidden: int
    heads: int
    inner: int
    vocabulary: int
    positions: int
    types: int
    epsilon: float
    buckets: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Shape":
        """Read a config.json.

        Raises:
            ValueError: a family other than ``bert`` and ``mpnet``.
        """
        family = str(config["model_type"])
        if family not in ("bert", "mpnet"):
            raise ValueError(f"model_type is {family!r}; expected 'bert' or 'mpnet'")
        return cls(
            family=family,
            layers=int(config["num_hidden_layers"]),
            hidden=int(config["hidden_size"]),
            heads=int(config["num_attention_heads"]),
            inner=int(config["intermediate_size"]),
            vocabulary=int(config["vocab_size"]),
            positions=int(config["max_position_embeddings"]),
            types=int(config.get("type_vocab_size", 0)) if family == "bert" else 0,
            epsilon=float(config["layer_norm_eps"]),
            buckets=int(config.get("relative_attention_num_buckets", 0)) if family == "mpnet" else 0,
        )


class Layer(nn.Module):  # type: ignore[misc]  # torch is not in the environment of the gate
    """A post-norm transformer layer (Vaswani et al. 2017, arXiv 1706.03762)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.qkv = nn.Linear(shape.hidden, 3 * shape.hidden)
        self.attention_output = nn.Linear(shape.hidden, shape.hidden)
        self.attention_norm = nn.LayerNorm(shape.hidden, shape.epsilon)
        self.inner = nn.Linear(shape.hidden, shape.inner)
        self.outer = nn.Linear(shape.inner, shape.hidden)
        self.norm = nn.LayerNorm(shape.hidden, shape.epsilon)

    def forward(self, hidden: Tensor, bias: Tensor) -> Tensor:
        """Transform [windows, length, hidden]; ``bias`` is added to the attention scores."""
        windows, length, width = hidden.shape
        size = width // self.heads
        query, key, value = self.qkv(hidden).view(windows, length, 3, self.heads, size).permute(2, 0, 3, 1, 4)
        scores = (query * (1 / math.sqrt(size))) @ key.transpose(-1, -2)
        mixed = torch.softmax(scores.add_(bias), -1) @ value
        mixed = mixed.transpose(1, 2).reshape(windows, length, width)
        hidden = self.attention_norm(hidden + self.attention_output(mixed))
        return self.norm(hidden + self.outer(functional.gelu(self.inner(hidden))))


class Reader(nn.Module):  # type: ignore[misc]
    """An encoder with one start and one end logit for each token."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.words = nn.Embedding(shape.vocabulary, shape.hidden)
        self.positions = nn.Embedding(shape.positions, shape.hidden)
        self.types = nn.Embedding(shape.types, shape.hidden) if shape.types else None
        self.embedding_norm = nn.LayerNorm(shape.hidden, shape.epsilon)
        self.relative = nn.Embedding(shape.buckets, shape.heads) if shape.buckets else None
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.answer = nn.Linear(shape.hidden, 2)
        nn.init.normal_(self.answer.weight, std=0.02)
        nn.init.zeros_(self.answer.bias)

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor) -> tuple[Tensor, Tensor]:
        """Start and end logits, float32 [windows, length], padding at -10,000.

        Args:
            ids: int64[windows, length].
            mask: bool[windows, length], False: padding.
            types: int64[windows, length], 1: the context's part.
        """
        length = ids.shape[1]
        places = torch.arange(length, device=ids.device)
        # MPNet counts positions from 2, as RoBERTa does.
        embedded = self.words(ids) + self.positions(places + (2 if self.shape.family == "mpnet" else 0))
        if self.types is not None:
            embedded = embedded + self.types(types)
        hidden = self.embedding_norm(embedded).to(torch.bfloat16)
        bias = torch.zeros(mask.shape, device=ids.device).masked_fill_(~mask, -10_000.0)[:, None, None, :]
        if self.relative is not None:
            buckets = relative_buckets(places[None, :] - places[:, None], self.shape.buckets)
            bias = bias + self.relative(buckets).permute(2, 0, 1)[None]
        bias = bias.to(torch.bfloat16)
        with torch.autocast(ids.device.type, dtype=torch.bfloat16):
            for layer in self.layers:
                hidden = layer(hidden, bias)
        logits = functional.linear(hidden.float(), self.answer.weight, self.answer.bias)
        logits = logits.masked_fill(~mask[..., None], -10_000.0)
        return logits[..., 0], logits[..., 1]


def relative_buckets(distance: Tensor, buckets: int, furthest: int = 128) -> Tensor:
    """Buckets of distances between key and query (T5; Raffel et al. 2020, arXiv 1910.10683)."""
    half = buckets // 2
    exact = half // 2
    away = distance.abs()
    far = exact + (
        torch.log(away.clamp(min=1).float() / exact) / math.log(furthest / exact) * (half - exact)
    ).long().clamp(max=half - exact - 1)
    # MPNet takes the distance with its sign turned: keys behind the query have the lower half.
    return (distance > 0).long() * half + torch.where(away < exact, away, far)


def _names(shape: Shape, layer: int) -> dict[str, list[str]]:
    """Our parameters of a layer and the checkpoint's, several where they are joined."""
    base = f"{'bert' if shape.family == 'bert' else 'mpnet'}.encoder.layer.{layer}."
    if shape.family == "bert":
        attention = [f"{base}attention.self.{name}" for name in ("query", "key", "value")]
        rest = {
            "attention_output": f"{base}attention.output.dense",
            "attention_norm": f"{base}attention.output.LayerNorm",
        }
    else:
        attention = [f"{base}attention.attn.{name}" for name in ("q", "k", "v")]
        rest = {"attention_output": f"{base}attention.attn.o", "attention_norm": f"{base}attention.LayerNorm"}
    rest |= {
        "inner": f"{base}intermediate.dense",
        "outer": f"{base}output.dense",
        "norm": f"{base}output.LayerNorm",
    }
    names = {f"layers.{layer}.{ours}": [theirs] for ours, theirs in rest.items()}
    return {f"layers.{layer}.qkv": attention} | names


def checkpoint_names(shape: Shape) -> dict[str, list[str]]:
    """The checkpoint's tensors that make up each of our parameters."""
    prefix = "bert" if shape.family == "bert" else "mpnet"
    names = {
        "words.weight": [f"{prefix}.embeddings.word_embeddings.weight"],
        "positions.weight": [f"{prefix}.embeddings.position_embeddings.weight"],
    }
    if shape.types:
        names["types.weight"] = [f"{prefix}.embeddings.token_type_embeddings.weight"]
    if shape.buckets:
        names["relative.weight"] = [f"{prefix}.encoder.relative_attention_bias.weight"]
    modules = {"embedding_norm": [f"{prefix}.embeddings.LayerNorm"], "answer": ["qa_outputs"]}
    for layer in range(shape.layers):
        modules |= _names(shape, layer)
    for ours, theirs in modules.items():
        for kind in ("weight", "bias"):
            names[f"{ours}.{kind}"] = [f"{name}.{kind}" for name in theirs]
    return names


def load_reader(directory: Path) -> Reader:
    """Read start weights; an answer head that they lack is drawn anew.

    Raises:
        ValueError: a tensor is missing, with its name.
    """
    shape = Shape.of(json.loads((directory / "config.json").read_text(encoding="utf-8")))
    reader = Reader(shape)
    tensors = load_file(directory / "model.safetensors")
    state = reader.state_dict()
    for ours, theirs in checkpoint_names(shape).items():
        if theirs[0].startswith("qa_outputs") and theirs[0] not in tensors:
            continue
        prefix = "bert." if shape.family == "bert" else "mpnet."
        parts = [name if name in tensors else name.removeprefix(prefix) for name in theirs]
        missing = [name for name, part in zip(theirs, parts, strict=True) if part not in tensors]
        if missing:
            raise ValueError(f"{directory / 'model.safetensors'}: no tensor {missing[0]}")
        state[ours] = torch.cat([tensors[name].float() for name in parts])
    reader.load_state_dict(state)
    return reader


def layout_of(start: Path) -> Layout:
    """Read how a start directory's model takes questions and contexts."""
    family = json.loads((start / "config.json").read_text(encoding="utf-8"))["model_type"]
    entries = (start / "vocab.txt").read_text(encoding="utf-8").split("\n")
    is_mpnet = family == "mpnet"
    names = ("<s>", "</s>", "<pad>") if is_mpnet else ("[CLS]", "[SEP]", "[PAD]")
    cls, sep, pad = (entries.index(name) for name in names)
    return Layout(cls, sep, pad, between=2 if is_mpnet else 1)


def save_checkpoint(state: Mapping[str, Tensor], start: Path, out: Path) -> None:
    """Write a Hugging Face checkpoint in FP16, with the tokenizer of the start weights."""
    config = json.loads((start / "config.json").read_text(encoding="utf-8"))
    shape = Shape.of(config)
    tensors: dict[str, Tensor] = {}
    for ours, theirs in checkpoint_names(shape).items():
        for name, part in zip(theirs, state[ours].detach().cpu().chunk(len(theirs)), strict=True):
            tensors[name] = part.to(torch.float16).contiguous()
    out.mkdir(parents=True, exist_ok=True)
    architecture = "BertForQuestionAnswering" if shape.family == "bert" else "MPNetForQuestionAnswering"
    kept = {
        key: value for key, value in config.items() if key not in ("_name_or_path", "transformers_version")
    }
    kept |= {"architectures": [architecture], "torch_dtype": "float16"}
    (out / "config.json").write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        if (start / name).exists():
            (out / name).write_bytes((start / name).read_bytes())
