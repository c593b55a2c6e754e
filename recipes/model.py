"""BERT- and MPNet-family readers in torch, written for training speed.

Attention is written out: torch's fused attention spends three times as long on its backward pass as two
batched products do (bfloat16, 30 windows of 184 tokens, 12 heads of 32: 77 against 22 ms a layer). On a GPU
the fused one may be chosen. Query, key and value are one product. Weights are float32; layers compute in the
type of their inputs, residuals and norms too. Layers may have fewer heads and units than the configuration
says; the relative biases of MPNet's are then the layer's own.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

__all__ = ["LayerSize", "Logits", "Reader", "Shape"]

PADDING = -10_000.0


class LayerSize(NamedTuple):
    """Numbers of attention heads and feed-forward units of a layer, both at least 1."""

    heads: int
    units: int


class Logits(NamedTuple):
    """Outputs of a reader.

    Attributes:
        start, end: float32[windows, length].
        hidden: [windows, length, hidden] after each layer.
    """

    start: Tensor
    end: Tensor
    hidden: list[Tensor]


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of an encoder, as a checkpoint's config.json states them.

    Attributes:
        heads, inner: of an uncut layer.
        sizes: of each layer.
    """

    family: str
    hidden: int
    heads: int
    inner: int
    vocabulary: int
    positions: int
    types: int
    epsilon: float
    buckets: int
    sizes: tuple[LayerSize, ...]

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Shape":
        """Read a config.json.

        Raises:
            ValueError: a family other than ``bert`` and ``mpnet``, or ``spanjet.layers`` with other sizes
                than a layer can have.
        """
        family = str(config["model_type"])
        if family not in ("bert", "mpnet"):
            raise ValueError(f"model_type is {family!r}; expected 'bert' or 'mpnet'")
        whole = LayerSize(int(config["num_attention_heads"]), int(config["intermediate_size"]))
        layers = int(config["num_hidden_layers"])
        found = config.get("spanjet", {}).get("layers")
        sizes = [whole] * layers if found is None else [LayerSize(**size) for size in found]
        if len(sizes) != layers:
            raise ValueError(f"spanjet.layers has {len(sizes)} items; expected {layers}, one a layer")
        for index, size in enumerate(sizes):
            if not (1 <= size.heads <= whole.heads and 1 <= size.units <= whole.units):
                raise ValueError(
                    f"spanjet.layers[{index}] has {size.heads} heads and {size.units} units; "
                    f"expected 1 to {whole.heads} and 1 to {whole.units}"
                )
        return cls(
            family=family,
            hidden=int(config["hidden_size"]),
            heads=whole.heads,
            inner=whole.units,
            vocabulary=int(config["vocab_size"]),
            positions=int(config["max_position_embeddings"]),
            types=int(config.get("type_vocab_size", 0)) if family == "bert" else 0,
            epsilon=float(config["layer_norm_eps"]),
            buckets=int(config.get("relative_attention_num_buckets", 0)) if family == "mpnet" else 0,
            sizes=tuple(sizes),
        )

    @property
    def head_size(self) -> int:
        """Return the width of a head."""
        return self.hidden // self.heads

    @property
    def layers(self) -> int:
        """Return the number of layers."""
        return len(self.sizes)

    def shares_biases(self, layer: int) -> bool:
        """Tell whether a layer takes its relative biases from the table of all uncut layers."""
        return self.sizes[layer].heads == self.heads


class Linear(nn.Linear):  # type: ignore[misc]  # torch is not in the environment of the gate
    """A linear layer that computes in the type of its input."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Transform [..., features]."""
        return functional.linear(inputs, self.weight.to(inputs.dtype), self.bias.to(inputs.dtype))


class LayerNorm(nn.LayerNorm):  # type: ignore[misc]
    """A layer norm that reads and writes the type of its input; torch's sums are float32."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalize [..., features]."""
        weight, bias = self.weight.to(inputs.dtype), self.bias.to(inputs.dtype)
        return functional.layer_norm(inputs, self.normalized_shape, weight, bias, self.eps)


class Layer(nn.Module):  # type: ignore[misc]
    """A post-norm transformer layer (Vaswani et al. 2017, arXiv 1706.03762)."""

    def __init__(self, shape: Shape, size: LayerSize) -> None:
        super().__init__()
        self.heads, self.head_size = size.heads, shape.head_size
        self.qkv = Linear(shape.hidden, 3 * size.heads * shape.head_size)
        self.attention_output = Linear(size.heads * shape.head_size, shape.hidden)
        self.attention_norm = LayerNorm(shape.hidden, shape.epsilon)
        self.inner = Linear(shape.hidden, size.units)
        self.outer = Linear(size.units, shape.hidden)
        self.norm = LayerNorm(shape.hidden, shape.epsilon)
        has_biases = shape.buckets and size.heads < shape.heads
        self.relative = nn.Embedding(shape.buckets, size.heads) if has_biases else None

    def forward(self, hidden: Tensor, bias: Tensor, *, fused: bool, dropout: float) -> Tensor:
        """Transform [windows, length, hidden]; ``bias`` is added to the attention scores."""
        windows, length, _ = hidden.shape
        joined = self.qkv(hidden).view(windows, length, 3, self.heads, self.head_size)
        query, key, value = joined.permute(2, 0, 3, 1, 4)
        if fused:
            mixed = functional.scaled_dot_product_attention(query, key, value, bias.to(query.dtype))
        else:
            scores = (query * (1 / math.sqrt(self.head_size))) @ key.transpose(-1, -2)
            mixed = torch.softmax(scores.add_(bias), -1) @ value
        mixed = mixed.transpose(1, 2).reshape(windows, length, self.heads * self.head_size)
        attended = functional.dropout(self.attention_output(mixed), dropout, self.training)
        hidden = self.attention_norm(hidden + attended)
        fed = self.outer(functional.gelu(self.inner(hidden)))
        return self.norm(hidden + functional.dropout(fed, dropout, self.training))


class Reader(nn.Module):  # type: ignore[misc]
    """An encoder with one start and one end logit for each token.

    Args:
        shape: sizes.
        dtype: bfloat16, or float32 for exact comparisons; weights are float32 in both cases.
        fused: compute attention with torch's fused kernels.

    Attributes:
        dropout: share of the embeddings' and blocks' outputs that are dropped in training.
    """

    def __init__(self, shape: Shape, *, dtype: torch.dtype = torch.bfloat16, fused: bool = False) -> None:
        super().__init__()
        self.shape, self.dtype, self.fused, self.dropout = shape, dtype, fused, 0.0
        self.words = nn.Embedding(shape.vocabulary, shape.hidden)
        self.positions = nn.Embedding(shape.positions, shape.hidden)
        self.types = nn.Embedding(shape.types, shape.hidden) if shape.types else None
        self.embedding_norm = LayerNorm(shape.hidden, shape.epsilon)
        # Checkpoints have it even where each layer has a table of its own.
        self.relative = nn.Embedding(shape.buckets, shape.heads) if shape.buckets else None
        self.layers = nn.ModuleList(Layer(shape, size) for size in shape.sizes)
        self.answer = nn.Linear(shape.hidden, 2)
        nn.init.normal_(self.answer.weight, std=0.02)
        nn.init.zeros_(self.answer.bias)

    def freeze(self, layers: int) -> None:
        """Exclude the lowest layers from training, with embeddings and relative biases; 0: nothing.

        Raises:
            ValueError: there are fewer layers.
        """
        if not 0 <= layers <= len(self.layers):
            raise ValueError(f"{layers} layers to freeze; expected 0 to {len(self.layers)}")
        if layers:
            embeddings = (self.words, self.positions, self.types, self.embedding_norm, self.relative)
            for module in (*filter(None, embeddings), *self.layers[:layers]):
                module.requires_grad_(False)

    def freeze_tables(self) -> None:
        """Exclude the word table and the relative biases from training."""
        tables = [self.words, self.relative, *(layer.relative for layer in self.layers)]
        for table in filter(None, tables):
            table.requires_grad_(False)

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor) -> Logits:
        """Compute start and end logits, padding at -10,000, and the hidden states.

        Args:
            ids: int64[windows, length].
            mask: bool[windows, length], False: padding.
            types: int64[windows, length], 1: the context's part.
        """
        places = torch.arange(ids.shape[1], device=ids.device)
        # MPNet counts positions from 2, as RoBERTa does.
        embedded = self.words(ids) + self.positions(places + (2 if self.shape.family == "mpnet" else 0))
        if self.types is not None:
            embedded = embedded + self.types(types)
        embedded = self.embedding_norm(embedded).to(self.dtype)
        states = [functional.dropout(embedded, self.dropout, self.training)]
        for layer, bias in zip(self.layers, self._biases(mask, places), strict=True):
            states.append(layer(states[-1], bias, fused=self.fused, dropout=self.dropout))
        logits = functional.linear(states[-1].float(), self.answer.weight, self.answer.bias)
        logits = logits.masked_fill(~mask[..., None], PADDING)
        return Logits(logits[..., 0], logits[..., 1], states[1:])

    def _biases(self, mask: Tensor, places: Tensor) -> list[Tensor]:
        """Make the biases of each layer's attention scores, [windows, heads or 1, length or 1, length]."""
        padding = torch.zeros(mask.shape, dtype=self.dtype, device=mask.device)
        padding = padding.masked_fill_(~mask, PADDING)[:, None, None, :]
        if not self.shape.buckets:
            return [padding] * len(self.layers)
        buckets = relative_buckets(places[None, :] - places[:, None], self.shape.buckets)
        # A product, because the gradient of a lookup sorts its indices, of which there are length².
        chosen = functional.one_hot(buckets, self.shape.buckets).to(torch.float32)

        def biases(table: nn.Embedding) -> Tensor:
            return padding + (chosen @ table.weight).permute(2, 0, 1)[None].to(self.dtype)

        is_shared = any(layer.relative is None for layer in self.layers)
        shared = biases(self.relative) if is_shared else None
        return [shared if layer.relative is None else biases(layer.relative) for layer in self.layers]


def relative_buckets(distance: Tensor, buckets: int, furthest: int = 128) -> Tensor:
    """Map distances between key and query to buckets (T5; Raffel et al. 2020, arXiv 1910.10683)."""
    half = buckets // 2
    exact = half // 2
    away = distance.abs()
    far = exact + (
        torch.log(away.clamp(min=1).float() / exact) / math.log(furthest / exact) * (half - exact)
    ).long().clamp(max=half - exact - 1)
    # MPNet takes the distance with its sign turned: keys behind the query have the lower half.
    return (distance > 0).long() * half + torch.where(away < exact, away, far)
