"""Layers without some of their heads or units, before what is left is refitted."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.prune.network import Network

__all__ = ["Slice", "cut_heads", "cut_units"]


@dataclass(frozen=True)
class Slice:
    """What is left of a block.

    Attributes:
        inputs: int64[n], the inputs of the block's output product that are left, ascending.
        tensors: the block's tensors without the others; the output's own are left out where it reads
            nothing.
    """

    inputs: NDArray[np.int64]
    tensors: dict[str, NDArray[np.float32]]


def cut_heads(network: Network, index: int, kept: NDArray[np.int64]) -> Slice:
    """A layer's attention with some of its heads.

    Args:
        network: the network.
        index: the layer.
        kept: int64[n], indices of heads, ascending.
    """
    names, size = network.layer(index), network.architecture.head_size
    rows = (kept[:, None] * size + np.arange(size)).reshape(-1)
    return _cut(network, (names.query, names.key, names.value), names.attention_output, rows)


def cut_units(network: Network, index: int, kept: NDArray[np.int64]) -> Slice:
    """A layer's feed-forward block with some of its units, like `cut_heads`."""
    names = network.layer(index)
    return _cut(network, (names.up,), names.down, kept)


def _cut(network: Network, readers: tuple[str, ...], output: str, rows: NDArray[np.int64]) -> Slice:
    tensors = {
        f"{name}.{part}": np.ascontiguousarray(network.tensors[f"{name}.{part}"][rows])
        for name in readers
        for part in ("weight", "bias")
    }
    tensors[f"{output}.weight"] = np.ascontiguousarray(network.tensors[f"{output}.weight"][:, rows])
    return Slice(rows, tensors)
