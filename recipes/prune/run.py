"""Train a network that is cut in steps."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recipes.examples import batches, collate, windows
from recipes.loading import Data
from recipes.losses import Inputs, answer_loss, hidden_loss
from recipes.model import LayerSize, Reader
from recipes.prune.cut import Kept, cut, keep_best
from recipes.prune.importance import choose_layers, measure_importance
from recipes.settings import Settings
from recipes.training import Run, Store

__all__ = ["Pruning", "PruningRun", "Target"]

UNIT_MULTIPLE = 32
"""Units of a layer between the first and the last cut are a multiple of it."""


@dataclass(frozen=True, slots=True)
class Target:
    """A network's size: layers, all alike."""

    layers: int
    heads: int
    units: int

    def between(self, start: "Target", share: float) -> "Target":
        """Compute the size after a share of the cut from ``start``, rounded to what is larger."""
        layers, heads = (
            int(np.ceil(round(before - share * (before - after), 6)))
            for before, after in ((start.layers, self.layers), (start.heads, self.heads))
        )
        units = start.units - share * (start.units - self.units)
        rounded = int(np.ceil(round(units / UNIT_MULTIPLE, 6))) * UNIT_MULTIPLE
        return Target(layers, heads, self.units if share == 1 else min(start.units, rounded))


@dataclass(frozen=True, slots=True)
class Pruning(Settings):
    """Settings of a run that cuts.

    Attributes:
        layers, heads, units: of the result.
        steps: shares of the cut that are done after each step, ascending; the last is 1.
        last: share of the run after the last cut; the other steps share the rest.
        measured: windows that importance is measured on; layers, on a quarter of them.
    """

    layers: int = 0
    heads: int = 0
    units: int = 0
    steps: tuple[float, ...] = (1.0,)
    last: float = 0.5
    measured: int = 1024

    def __post_init__(self) -> None:
        # slots=True makes the class anew, so that a bare super() does not find it.
        Settings.__post_init__(self)
        steps = self.steps
        if not steps or list(steps) != sorted(set(steps)) or steps[0] <= 0 or steps[-1] != 1:
            raise ValueError(f"steps are {' '.join(map(str, steps))}; expected ascending shares up to 1")
        if not 0 < self.last <= 1:
            raise ValueError(f"last is {self.last}; expected more than 0, up to 1")
        if self.measured < 1:
            raise ValueError(f"measured is {self.measured}; expected at least 1")

    @property
    def target(self) -> Target:
        """Return the size of the result."""
        return Target(self.layers, self.heads, self.units)

    def due(self, progress: float) -> int:
        """Count the cuts that are due at a share of the run."""
        count = len(self.steps)
        between = (1 - self.last) / (count - 1) if count > 1 else 0.0
        return sum(progress >= index * between for index in range(count))


def check_target(target: Target, start: Sequence[LayerSize]) -> None:
    """Refuse a target that the start cannot be cut to.

    Raises:
        ValueError: it is larger than the start, or less than 1.
    """
    most = Target(len(start), min(size.heads for size in start), min(size.units for size in start))
    for name in ("layers", "heads", "units"):
        value, greatest = getattr(target, name), getattr(most, name)
        if not 1 <= value <= greatest:
            raise ValueError(
                f"--{name} is {value}; expected 1 to {greatest}, the least of the start's layers"
            )


class PruningRun(Run):
    """A run whose network is cut when a step is due.

    Args:
        reader: network to cut, on its device.
        data: see `Data`.
        settings: see there.
        store: keeps the state.
        teacher: network that the logits and hidden states are learned from, on the same device; None: the
            logits of ``data``, or labels alone.

    Raises:
        ValueError: the target is larger than the network, or hidden states cannot be compared.
    """

    settings: Pruning

    def __init__(
        self, reader: Reader, data: Data, settings: Pruning, store: Store, teacher: Reader | None
    ) -> None:
        check_target(settings.target, reader.shape.sizes)
        if settings.hidden_weight:
            if teacher is None:
                raise ValueError(
                    "hidden states need a teacher's checkpoint; expected --hidden-weight 0 or one"
                )
            if teacher.shape.hidden != reader.shape.hidden:
                raise ValueError(
                    f"the teacher's hidden size is {teacher.shape.hidden}, the network's is "
                    f"{reader.shape.hidden}; expected the same, or --hidden-weight 0"
                )
            if teacher.shape.layers < reader.shape.layers:
                raise ValueError(
                    f"the teacher has {teacher.shape.layers} layers, the network has {reader.shape.layers}; "
                    "expected at least as many, or --hidden-weight 0"
                )
        self.teacher = teacher
        self.begins = Target(
            reader.shape.layers,
            max(size.heads for size in reader.shape.sizes),
            max(size.units for size in reader.shape.sizes),
        )
        layers = reader.shape.layers if teacher is None else teacher.shape.layers
        self.teacher_layers = layers
        # Layer i of a shorter network stands for the teacher's layers up to the next one's.
        self.sources = [index * layers // reader.shape.layers for index in range(reader.shape.layers)]
        super().__init__(reader, data, settings, store)

    def state(self) -> dict[str, Any]:
        """Return all that the rest of the run depends on."""
        sizes = [list(size) for size in self.reader.shape.sizes]
        return {**super().state(), "sizes": sizes, "sources": list(self.sources)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        shape = replace(self.reader.shape, sizes=tuple(LayerSize(*size) for size in state["sizes"]))
        empty = Reader(shape, dtype=self.reader.dtype, fused=self.reader.fused)
        self.reader = empty.to(self.device)
        self.optimizer, self.sources = self.new_optimizer(), list(state["sources"])
        super().restore(state)

    def loss(self, inputs: Inputs, targets: NDArray[np.float32] | None) -> Tensor:
        """Compute the loss of a batch, with the teacher's logits and hidden states."""
        if self.teacher is None:
            return super().loss(inputs, targets)
        weights, found = self.settings.weights, inputs.ask(self.reader)
        with torch.no_grad():
            answers = inputs.ask(self.teacher)
        loss = answer_loss(found, inputs, answers, weights)
        if weights.hidden:
            loss = loss + weights.hidden * hidden_loss(found, answers, self.pairs, inputs.mask)
        return loss

    @property
    def pairs(self) -> list[int]:
        """Return the teacher's layer whose output each layer is to have: the last before the next one."""
        return [*(index - 1 for index in self.sources[1:]), self.teacher_layers - 1]

    def prepare_step(self) -> None:
        """Cut the network if a step is due."""
        due = self.settings.due(self.settings.progress(self.place))
        if self.place.cuts < due:
            share = self.settings.steps[due - 1]
            self.cut(self.settings.target.between(self.begins, share))
            self.place.cuts, self.place.begun = due, self.place.step

    def cut(self, target: Target) -> None:
        """Cut the network to a size, by what is missed least, and begin a new optimizer."""
        chosen = self.measured_windows()
        layers = choose_layers(self.reader, chosen[: max(1, len(chosen) // 4)], target.layers)
        self.take([Kept(i, *map(_all, self.reader.shape.sizes[i])) for i in layers])
        found = measure_importance(self.reader, chosen)
        size = LayerSize(target.heads, target.units)
        self.take([keep_best(index, importance, size) for index, importance in enumerate(found)])
        print(f"cut to {target.layers} layers of {target.heads} heads and {target.units} units", flush=True)

    def take(self, kept: Sequence[Kept]) -> None:
        """Go on with what is kept."""
        self.sources = [self.sources[each.layer] for each in kept]
        self.reader = cut(self.reader, kept)
        self.optimizer = self.new_optimizer()

    def measured_windows(self) -> list[Inputs]:
        """Draw the windows that a cut is decided on."""
        settings, arrays = self.settings, self.data.train
        drawn = windows(arrays, settings.sampling, (settings.seed, self.place.epoch))
        order = np.random.default_rng((settings.seed, self.place.cuts)).permutation(len(drawn))
        chosen = [drawn[index] for index in order[: settings.measured]]
        made = batches(arrays, chosen, settings.tokens, (settings.seed, self.place.epoch))
        return [Inputs(collate(arrays, batch), self.device) for batch in made]


def _all(count: int) -> list[int]:
    return list(range(count))
