"""Losses: of the labels, of a teacher's logits, and of its hidden states."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor

from recipes.examples import Batch
from recipes.model import PADDING, Logits, Reader

__all__ = ["Distillation", "Inputs", "answer_loss", "exact", "hidden_loss"]


@dataclass(frozen=True, slots=True)
class Distillation:
    """Weights of the losses.

    Attributes:
        teacher: share of the teacher's logits in the loss of the answers; the rest are the labels.
        temperature: divides both networks' logits (Hinton et al. 2015, arXiv 1503.02531).
        hidden: weight of the hidden states' loss, which is added.
    """

    teacher: float = 0.0
    temperature: float = 1.0
    hidden: float = 0.0


class Inputs:
    """A batch on a device.

    Attributes:
        batch: the batch itself.
        ids, mask, types: arguments of `Reader.forward`.
        allowed, first, last: see `Batch`.
    """

    def __init__(self, batch: Batch, device: str) -> None:
        self.batch = batch
        tensors = map(torch.from_numpy, batch)
        # From pinned memory, the copy does not wait for what the GPU still computes.
        pinned = (tensor.pin_memory() if device == "cuda" else tensor for tensor in tensors)
        moved = (tensor.to(device, non_blocking=True) for tensor in pinned)
        self.ids, self.types, self.mask, self.allowed, self.first, self.last = moved

    def ask(self, reader: Reader) -> Logits:
        """Run a reader; where no answer may begin or end, the logits are -10,000."""
        found = reader(self.ids, self.mask, self.types)
        start, end = (logits.masked_fill(~self.allowed, PADDING) for logits in (found.start, found.end))
        return Logits(start, end, found.hidden)


def answer_loss(
    found: Logits, inputs: Inputs, taught: Logits | NDArray[np.float32] | None, weights: Distillation
) -> Tensor:
    """Compute the mean cross-entropy of first and last tokens.

    Args:
        found: the student's logits.
        inputs: the answers.
        taught: a teacher's logits, start and end of `Logits` or float32[2, windows, length]; None: the
            labels alone.
        weights: share of the teacher, and temperature.
    """
    labels = functional.cross_entropy(found.start, inputs.first) + functional.cross_entropy(
        found.end, inputs.last
    )
    if taught is None:
        return labels / 2
    pairs = (taught.start, taught.end) if isinstance(taught, Logits) else torch.from_numpy(taught)
    heat = weights.temperature
    # The cross-entropy differs from the divergence by a constant; heat² keeps the size of the gradients.
    teacher = heat**2 * sum(
        functional.cross_entropy(mine / heat, (theirs.to(mine.device) / heat).softmax(-1))
        for mine, theirs in zip((found.start, found.end), pairs, strict=True)
    )
    return ((1 - weights.teacher) * labels + weights.teacher * teacher) / 2


def hidden_loss(student: Logits, teacher: Logits, pairs: Sequence[int], mask: Tensor) -> Tensor:
    """Compute the squared error of the student's hidden states relative to the teacher's variance.

    Args:
        student: its outputs.
        teacher: its outputs for the same windows.
        pairs: for each layer of the student, the layer of the teacher whose output it is to have.
        mask: bool[windows, length], the tokens that count.

    Returns:
        The mean over the student's layers; 0: equal, about 1: as far as the teacher's mean.
    """
    # Products in place of indices, which a GPU would have to wait for; sums are float32.
    tokens = mask[..., None].to(student.hidden[0].dtype)
    count = mask.sum() * student.hidden[0].shape[-1]
    losses = []
    for mine, index in zip(student.hidden, pairs, strict=True):
        wanted = teacher.hidden[index] * tokens
        squares, mean = _squares(wanted) / count, wanted.sum(dtype=torch.float32) / count
        losses.append(_squares(mine * tokens - wanted) / count / (squares - mean**2))
    return torch.stack(losses).mean()


def _squares(values: Tensor) -> Tensor:
    return torch.linalg.vector_norm(values, dtype=torch.float32) ** 2


def exact(found: Logits, inputs: Inputs) -> Tensor:
    """Tell which windows are answered exactly, bool[windows]."""
    return (found.start.argmax(1) == inputs.first) & (found.end.argmax(1) == inputs.last)
