"""Define the search space: the number of heads or units to keep in each block."""

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
    """One structure of one layer, with its candidate sizes.

    Attributes:
        structure: the structure, such as attention heads.
        layer: index of the layer.
        levels: numbers of parts to choose from, int64[options], ascending from 0 to all.
        error: squared output error at each level relative to that at level 0, float64[options]; 1 to 0.
    """

    structure: Structure
    layer: int
    levels: NDArray[np.int64]
    error: NDArray[np.float64]

    @property
    def full(self) -> int:
        """Index of the option that removes nothing."""
        return len(self.levels) - 1


@dataclass(frozen=True)
class SearchSpace:
    """Blocks of a network, layer by layer; a choice is an option of each block.

    Attributes:
        shapes: shapes of the unpruned layers.
        blocks: the prunable blocks.
    """

    shapes: tuple[LayerShape, ...]
    blocks: tuple[Block, ...]

    @classmethod
    def of(cls, network: Network, orders: Orders) -> "SearchSpace":
        """Build the search space of a network."""
        blocks = []
        for structure, layer in blocks_of(network):
            levels = np.array(structure.levels(network.architecture), np.int64)
            error = orders.blocks[structure.name, layer].error[levels[-1] - levels]
            blocks.append(Block(structure, layer, levels, error))
        return cls(network.shapes, tuple(blocks))

    @property
    def full(self) -> list[int]:
        """Choice that removes nothing."""
        return [block.full for block in self.blocks]

    def chosen(self, choice: Sequence[int]) -> tuple[LayerShape, ...]:
        """Return the layer shapes of a choice."""
        shapes = list(self.shapes)
        for block, option in zip(self.blocks, choice, strict=True):
            shapes[block.layer] = block.structure.resized(shapes[block.layer], int(block.levels[option]))
        return tuple(shapes)

    def seconds(self, table: LatencyTable) -> list[NDArray[np.float64]]:
        """Look up the time of each option of each block, in seconds per window."""
        return [table.seconds(block.structure.name, block.levels) for block in self.blocks]
