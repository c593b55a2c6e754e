"""Second moments of what the output products of attention and feed-forward blocks read."""

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
    """Sums of x xᵀ over tokens, x being a block's inner vector with a 1 behind it.

    Attributes:
        blocks: of each block that has parts: float64[inner + 1] squared.
        tokens: how many were summed.
    """

    blocks: Mapping[BlockKey, NDArray[np.float64]]
    tokens: int

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """All matrices by name, as `from_arrays` takes them."""
        return {f"{name}.{layer}": moment for (name, layer), moment in self.blocks.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.float64]]) -> "SecondMoments":
        """Restore what `arrays` gave."""
        split = {name: name.split(".") for name in arrays}
        blocks = {(split[name][0], int(split[name][1])): moment for name, moment in arrays.items()}
        return cls(blocks=blocks, tokens=int(next(iter(blocks.values()))[-1, -1]))


def measure_second_moments(
    network: Network, inputs: Sequence[Inputs], *, on_step: OnStep = ignore_step
) -> SecondMoments:
    """Run windows through a network and sum; products are in float32, sums in float64.

    Args:
        network: the network.
        inputs: see `spanjet.compress.prune.packing.pack`; padding is never counted.
        on_step: called with the numbers of finished and of all batches.
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
    """Sum of x xᵀ over the rows of float32[tokens, width], a 1 behind each: float64[width + 1] squared."""
    width = values.shape[1]
    result = np.empty((width + 1, width + 1))
    result[:width, :width] = values.T @ values
    result[width, :width] = result[:width, width] = values.sum(axis=0, dtype=np.float64)
    result[width, width] = len(values)
    return result
