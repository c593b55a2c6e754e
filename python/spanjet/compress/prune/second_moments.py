"""Second moments of what the output products of attention and feed-forward blocks read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.prune.network import Network
from spanjet.compress.prune.packing import Inputs, Taps, pack

__all__ = ["Grams", "collect", "moments"]


@dataclass(frozen=True, kw_only=True)
class Grams:
    """Sums of x xᵀ over tokens, x being a block's inner vector with a 1 behind it.

    Attributes:
        attention: of each layer, of the joined heads: float64[heads * head_size + 1] squared; empty where
            the layer has no heads.
        ffn: of each layer, of the units after their activation: float64[units + 1] squared; empty where
            it has no units.
        tokens: how many were summed.
    """

    attention: tuple[NDArray[np.float64], ...]
    ffn: tuple[NDArray[np.float64], ...]
    tokens: int

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """All matrices by name, as `from_arrays` takes them."""
        return {
            f"{kind}.{index}": gram
            for kind, grams in (("attention", self.attention), ("ffn", self.ffn))
            for index, gram in enumerate(grams)
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.float64]]) -> "Grams":
        """What `arrays` gave."""
        layers = len(arrays) // 2
        attention, ffn = (
            tuple(arrays[f"{kind}.{index}"] for index in range(layers)) for kind in ("attention", "ffn")
        )
        largest = next(gram for gram in (*attention, *ffn) if gram.size)
        return cls(attention=attention, ffn=ffn, tokens=int(largest[-1, -1]))


def collect(
    network: Network, inputs: Sequence[Inputs], *, on_batch: Callable[[int, int], None] = lambda _a, _b: None
) -> Grams:
    """Run windows through a network and sum.

    Products are in float32, sums in float64.

    Args:
        network: the network.
        inputs: see `spanjet.compress.prune.packing.pack`; padding is never counted.
        on_batch: called with the numbers of finished and of all batches.
    """
    names = {
        (kind, index): f"encoder.layer.{index}.{node}"
        for index, shape in enumerate(network.shapes)
        for kind, node, count in (
            ("attention", "attention.context", shape.heads),
            ("ffn", "ffn.activation", shape.units),
        )
        if count
    }
    taps = Taps(network, list(names.values()))
    sums: dict[str, NDArray[np.float64]] = {}
    batches = pack(inputs, padding=network.architecture.pad_token_id)
    tokens = 0
    for done, batch in enumerate(batches, 1):
        tokens += int(batch["attention_mask"].sum())
        for name, values in taps(batch):
            moment = moments(values)
            if name in sums:
                sums[name] += moment
            else:
                sums[name] = moment
        on_batch(done, len(batches))
    empty = np.zeros((0, 0))
    layers = range(len(network.shapes))
    return Grams(
        attention=tuple(sums.get(names.get(("attention", index), ""), empty) for index in layers),
        ffn=tuple(sums.get(names.get(("ffn", index), ""), empty) for index in layers),
        tokens=tokens,
    )


def moments(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sum of x xᵀ over the rows of float32[tokens, width], a 1 behind each: float64[width + 1] squared."""
    width = values.shape[1]
    result = np.empty((width + 1, width + 1))
    result[:width, :width] = values.T @ values
    result[width, :width] = result[:width, width] = values.sum(axis=0, dtype=np.float64)
    result[width, width] = len(values)
    return result
