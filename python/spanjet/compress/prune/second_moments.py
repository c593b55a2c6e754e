"""Measure second moments of the inputs of attention and feed-forward output layers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.prune.network import Network
from spanjet.compress.prune.packing import Inputs, Taps, pack
from spanjet.compress.prune.structures import BlockKey, blocks_of
from spanjet.measure.progress import OnStep, ignore_step

__all__ = ["SecondMoments", "measure_second_moments", "second_moment"]


@dataclass(frozen=True, kw_only=True)
class SecondMoments:
    """Sums of x xᵀ over tokens, x being an output layer's input with a constant 1 appended.

    Attributes:
        blocks: float64[inner + 1, inner + 1] of each block that has heads or units.
        tokens: number of summed tokens.
    """

    blocks: Mapping[BlockKey, NDArray[np.float64]]
    tokens: int

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return all matrices by name, for `from_arrays`."""
        return {f"{name}.{layer}": moment for (name, layer), moment in self.blocks.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.float64]]) -> "SecondMoments":
        """Restore second moments from the output of `arrays`."""
        split = {name: name.split(".") for name in arrays}
        blocks = {(split[name][0], int(split[name][1])): moment for name, moment in arrays.items()}
        return cls(blocks=blocks, tokens=int(next(iter(blocks.values()))[-1, -1]))


def measure_second_moments(
    network: Network, inputs: Sequence[Inputs], *, on_step: OnStep = ignore_step
) -> SecondMoments:
    """Measure second moments on windows, with products in float32 and sums in float64.

    Args:
        network: the network.
        inputs: windows, as `spanjet.compress.prune.packing.pack` takes them; padding is ignored.
        on_step: called after each batch with the number of finished and of all batches.
    """
    nodes = {
        (structure.name, layer): f"encoder.layer.{layer}.{structure.inner}"
        for structure, layer in blocks_of(network)
        if structure.size(network.shapes[layer])
    }
    taps = Taps(network, list(nodes.values()))
    blocks: dict[BlockKey, NDArray[np.float64]] = {}
    batches = pack(inputs, padding=network.architecture.pad_token_id)
    tokens = 0
    for done, batch in enumerate(batches, 1):
        tokens += int(batch["attention_mask"].sum())
        for key, (_, values) in zip(nodes, taps(batch), strict=True):
            moment = second_moment(values)
            if key in blocks:
                blocks[key] += moment
            else:
                blocks[key] = moment
        on_step(done, len(batches))
    return SecondMoments(blocks=blocks, tokens=tokens)


def second_moment(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sum x xᵀ over the rows of float32[tokens, width], with a 1 appended: float64[width + 1, width + 1]."""
    width = values.shape[1]
    result = np.empty((width + 1, width + 1))
    result[:width, :width] = values.T @ values
    result[width, :width] = result[:width, width] = values.sum(axis=0, dtype=np.float64)
    result[width, width] = len(values)
    return result
