"""Search space: for each block of a network, how many of its parts can be left."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.latency.table import LatencyTable
from spanjet.compress.prune.network import Network
from spanjet.compress.prune.removal_order import Orders
from spanjet.compress.prune.structures import Structure, blocks_of
from spanjet.model.layer_shape import LayerShape

__all__ = ["Block", "SearchSpace"]


@dataclass(frozen=True)
class Block:
    """The parts of one structure in one layer.

    Attributes:
        structure: what the parts are.
        layer: index of the layer.
        levels: how many can be left, int64[options], ascending from 0 to all.
        error: squared output error at each level over that with nothing left, float64[options]; 1 to 0.
    """

    structure: Structure
    layer: int
    levels: NDArray[np.int64]
    error: NDArray[np.float64]

    @property
    def full(self) -> int:
        """The option that cuts nothing."""
        return len(self.levels) - 1


@dataclass(frozen=True)
class SearchSpace:
    """All blocks of a network, layer by layer; a choice is an option of each.

    Attributes:
        shapes: of the layers, nothing of which is cut.
        blocks: what can be cut.
    """

    shapes: tuple[LayerShape, ...]
    blocks: tuple[Block, ...]

    @classmethod
    def of(cls, network: Network, orders: Orders) -> "SearchSpace":
        """All sizes of all blocks of a network."""
        blocks = []
        for structure, layer in blocks_of(network):
            levels = np.array(structure.levels(network.architecture), np.int64)
            error = orders.blocks[structure.name, layer].error[levels[-1] - levels]
            blocks.append(Block(structure, layer, levels, error))
        return cls(network.shapes, tuple(blocks))

    @property
    def full(self) -> list[int]:
        """The choice that cuts nothing."""
        return [block.full for block in self.blocks]

    def chosen(self, choice: Sequence[int]) -> tuple[LayerShape, ...]:
        """The layers of a choice."""
        shapes = list(self.shapes)
        for block, option in zip(self.blocks, choice, strict=True):
            shapes[block.layer] = block.structure.resized(shapes[block.layer], int(block.levels[option]))
        return tuple(shapes)

    def seconds(self, table: LatencyTable) -> list[NDArray[np.float64]]:
        """The time of each option of each block."""
        return [table.seconds(block.structure.name, block.levels) for block in self.blocks]
