"""Measure how much heads, feed-forward units and layers are missed.

Heads and units: Fisher information of masks that multiply their outputs, the squared gradient of each
window's loss (Molchanov et al. 2019, arXiv 1906.10771; Kwon et al. 2022, arXiv 2204.09656). Layers: the loss
without them.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.nn.functional as functional
from torch import Tensor

from recipes.losses import Distillation, Inputs, answer_loss
from recipes.model import Layer, Reader

__all__ = ["Importance", "choose_layers", "measure_importance"]


class Importance(NamedTuple):
    """Fisher information of a layer's masks, float32[heads] and float32[units], summed over windows."""

    heads: Tensor
    units: Tensor


def measure_importance(reader: Reader, batches: Sequence[Inputs]) -> list[Importance]:
    """Measure the importance of the heads and units of each layer for the labels' loss."""
    sums = [Importance(torch.zeros(size.heads), torch.zeros(size.units)) for size in reader.shape.sizes]
    for inputs in batches:
        with _masked(reader, len(inputs.ids)) as masks:
            found = inputs.ask(reader)
            # The sum, so that the gradient of a window's mask is that of its own loss.
            loss = sum(
                functional.cross_entropy(logits, wanted, reduction="sum")
                for logits, wanted in ((found.start, inputs.first), (found.end, inputs.last))
            )
            gradients = torch.autograd.grad(loss, masks)
        for total, heads, units in zip(sums, gradients[::2], gradients[1::2], strict=True):
            total.heads.add_(heads.square().sum(0).cpu())
            total.units.add_(units.square().sum(0).cpu())
    return sums


@contextmanager
def _masked(reader: Reader, windows: int) -> Iterator[list[Tensor]]:
    """Multiply heads and units by masks of ones, [windows, heads] and [windows, units] of each layer."""
    device = next(reader.parameters()).device
    masks, hooks = [], []
    for layer, size in zip(reader.layers, reader.shape.sizes, strict=True):
        parts = ((layer.attention_output, size.heads, layer.head_size), (layer.outer, size.units, 1))
        for module, count, width in parts:
            mask = torch.ones(windows, count, device=device, requires_grad=True)
            masks.append(mask)
            hooks.append(module.register_forward_pre_hook(_multiplier(mask, width)))
    try:
        yield masks
    finally:
        for hook in hooks:
            hook.remove()


def _multiplier(mask: Tensor, width: int) -> Callable[[object, tuple[Tensor]], tuple[Tensor]]:
    def multiply(_: object, arguments: tuple[Tensor]) -> tuple[Tensor]:
        factors = mask.repeat_interleave(width, 1)[:, None, :]
        return (arguments[0] * factors.to(arguments[0].dtype),)

    return multiply


def choose_layers(reader: Reader, batches: Sequence[Inputs], count: int) -> list[int]:
    """Choose the layers to keep: one after the other goes, each time the one whose loss is the least.

    Args:
        reader: network.
        batches: windows to measure the loss on.
        count: number of layers to keep.

    Returns:
        Indices of the kept layers, ascending.
    """
    kept = list(range(reader.shape.layers))
    while len(kept) > count:
        losses = {
            index: _loss_of(reader, batches, [each for each in kept if each != index]) for index in kept
        }
        kept.remove(min(kept, key=losses.__getitem__))
    return kept


def _loss_of(reader: Reader, batches: Sequence[Inputs], kept: Sequence[int]) -> float:
    """Measure the mean loss of a network with some of its layers."""
    hooks = [
        layer.register_forward_hook(_skip) for index, layer in enumerate(reader.layers) if index not in kept
    ]
    try:
        with torch.no_grad():
            losses = [
                answer_loss(inputs.ask(reader), inputs, None, Distillation()) * len(inputs.ids)
                for inputs in batches
            ]
    finally:
        for hook in hooks:
            hook.remove()
    return float(torch.stack(losses).sum()) / sum(len(inputs.ids) for inputs in batches)


def _skip(_: Layer, arguments: tuple[Tensor, Tensor], __: Tensor) -> Tensor:
    return arguments[0]
