"""Cut heads, units and layers out of a network; what is left keeps its weights."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from recipes.model import LayerSize, Reader, Shape
from recipes.prune.importance import Importance

__all__ = ["Kept", "cut", "keep_best"]


class Kept(NamedTuple):
    """What is left of a layer: its index, and those of its heads and units, ascending."""

    layer: int
    heads: list[int]
    units: list[int]


def keep_best(layer: int, importance: Importance, size: LayerSize) -> Kept:
    """Keep the most important heads and units of a layer, ``size`` of them."""
    heads, units = (
        sorted(torch.argsort(values, descending=True, stable=True)[:count].tolist())
        for values, count in zip(importance, size, strict=True)
    )
    return Kept(layer, heads, units)


def cut(reader: Reader, kept: Sequence[Kept]) -> Reader:
    """Make the network of what is left, on the same device.

    A layer that loses heads gets a table of relative biases of its own, with the columns of the others.
    """
    shape = reader.shape
    sizes = tuple(LayerSize(len(each.heads), len(each.units)) for each in kept)
    smaller = Reader(replace(shape, sizes=sizes), dtype=reader.dtype, fused=reader.fused)
    before = reader.state_dict()
    after = {name: value for name, value in before.items() if not name.startswith("layers.")}
    for index, each in enumerate(kept):
        prefix = f"layers.{each.layer}."
        old = {name.removeprefix(prefix): value for name, value in before.items() if name.startswith(prefix)}
        new = _cut_layer(old, each, shape)
        table = old.get("relative.weight", before.get("relative.weight"))
        if table is not None and not smaller.shape.shares_biases(index):
            new["relative.weight"] = table[:, each.heads]
        after |= {f"layers.{index}.{name}": value for name, value in new.items()}
    smaller.load_state_dict(after)
    smaller.to(next(reader.parameters()).device)
    return smaller


def _cut_layer(old: dict[str, Tensor], kept: Kept, shape: Shape) -> dict[str, Tensor]:
    """Cut the tensors of a layer, its table of relative biases aside."""
    width, hidden = shape.head_size, shape.hidden
    heads, units = kept.heads, kept.units
    return {
        **{name: value for name, value in old.items() if "norm" in name},
        "qkv.weight": old["qkv.weight"].view(3, -1, width, hidden)[:, heads].reshape(-1, hidden),
        "qkv.bias": old["qkv.bias"].view(3, -1, width)[:, heads].reshape(-1),
        "attention_output.weight": old["attention_output.weight"]
        .view(hidden, -1, width)[:, heads]
        .reshape(hidden, -1),
        "attention_output.bias": old["attention_output.bias"],
        "inner.weight": old["inner.weight"][units],
        "inner.bias": old["inner.bias"][units],
        "outer.weight": old["outer.weight"][:, units],
        "outer.bias": old["outer.bias"],
    }
