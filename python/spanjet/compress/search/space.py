"""What can be chosen: for each attention and feed-forward block, how much of it is left."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.latency.table import LatencyTable
from spanjet.model.layer_shape import LayerShape

__all__ = ["Module", "Space"]


@dataclass(frozen=True)
class Module:
    """One block of one layer.

    Attributes:
        levels: heads or units that can be left, int64[options], ascending from 0 to all.
        error: squared output error at each level over that with nothing left, float64[options]; 1 to 0.
    """

    levels: NDArray[np.int64]
    error: NDArray[np.float64]

    @property
    def full(self) -> int:
        """The option that cuts nothing."""
        return len(self.levels) - 1


@dataclass(frozen=True)
class Space:
    """All blocks of a network, layer by layer attention and feed-forward; a choice is an option of each."""

    modules: tuple[Module, ...]

    @property
    def whole(self) -> list[int]:
        """The choice that cuts nothing."""
        return [module.full for module in self.modules]

    def shapes(self, choice: Sequence[int]) -> tuple[LayerShape, ...]:
        """The layers of a choice."""
        left = [int(module.levels[option]) for module, option in zip(self.modules, choice, strict=True)]
        return tuple(map(LayerShape, left[::2], left[1::2]))

    def seconds(self, table: LatencyTable) -> list[NDArray[np.float64]]:
        """The time of each option of each module."""
        kinds: tuple[Callable[[NDArray[np.int64]], NDArray[np.float64]], ...] = (
            table.attention_seconds,
            table.ffn_seconds,
        )
        return [kinds[index % 2](module.levels) for index, module in enumerate(self.modules)]
