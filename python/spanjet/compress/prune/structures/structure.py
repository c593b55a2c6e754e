"""Define the interface of a prunable structure, such as attention heads."""

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.prune.network import Network
from spanjet.compress.prune.optimal_brain_surgeon import Order, reduced
from spanjet.model.graph.blocks import Biases, Blocks
from spanjet.model.graph.encoder import Encoder
from spanjet.model.layer_shape import LayerShape
from spanjet.runtime.openvino import ov

__all__ = ["BlockKey", "Structure"]

#: A block of a network: the name of its structure, and the index of its layer.
BlockKey = tuple[str, int]
Tensors = dict[str, NDArray[np.float32]]


class Structure(ABC):
    """Prunable structure: the parts, such as heads, that feed the output layer of one sublayer.

    The latency table has the times by number of parts under the structure's name.

    Attributes:
        name: the field of `LayerShape` that counts the parts.
        readers: the linear layers that compute the parts, as fields of `LayerTensors`.
        output: the output layer, which reads the parts; its remaining columns are refitted when some are
            removed.
        norm: the layer normalisation at the end of the sublayer.
        inner: the node that ``output`` reads, below ``encoder.layer.INDEX``.
    """

    name: ClassVar[str]
    readers: ClassVar[tuple[str, ...]]
    output: ClassVar[str]
    norm: ClassVar[str]
    inner: ClassVar[str]

    @abstractmethod
    def levels(self, config: Encoder) -> list[int]:
        """List the candidate sizes of a block, ascending from 0 to the unpruned size."""

    @abstractmethod
    def width(self, config: Encoder, /) -> int:
        """Return the number of the output layer's inputs that belong to one part."""

    @abstractmethod
    def order(self, weight: NDArray[np.floating], moment: NDArray[np.float64], parts: int, /) -> Order:
        """Rank the parts of a block for removal.

        Args:
            weight: weight of the output layer, [outputs, inputs].
            moment: damped second moments of its inputs with a constant 1 appended, see
                `optimal_brain_surgeon.damped`.
            parts: number of parts.
        """

    @abstractmethod
    def build(
        self, blocks: Blocks, config: Encoder, layer: int, vectors: ov.Node, biases: Biases, /
    ) -> ov.Node:
        """Build the sublayer's graph; ``biases`` are the layer's of `Encoder.attention_biases`."""

    def size(self, shape: LayerShape) -> int:
        """Return the number of parts of a layer."""
        count: int = getattr(shape, self.name)
        return count

    def resized(self, shape: LayerShape, size: int) -> LayerShape:
        """Return the layer shape with another number of parts."""
        return replace(shape, **{self.name: size})

    def output_name(self, network: Network, layer: int) -> str:
        """Return the name of the output layer, without ``.weight`` and ``.bias``."""
        return str(getattr(network.layer(layer), self.output))

    def inputs(self, config: Encoder, kept: NDArray[np.int64]) -> NDArray[np.int64]:
        """List the output layer's inputs that belong to the kept parts, int64[len(kept) * width]."""
        width = self.width(config)
        places: NDArray[np.int64] = (kept[:, None] * width + np.arange(width)).reshape(-1)
        return places

    def slice(self, network: Network, layer: int, kept: NDArray[np.int64]) -> Tensors:
        """Slice a block's tensors to the kept parts, without refitting.

        Args:
            network: the unpruned network.
            layer: index of the layer.
            kept: int64[n], indices of the kept parts, ascending.
        """
        names, places = network.layer(layer), self.inputs(network.architecture, kept)
        tensors = {
            f"{name}.{part}": np.ascontiguousarray(network.tensors[f"{name}.{part}"][places])
            for name in (str(getattr(names, reader)) for reader in self.readers)
            for part in ("weight", "bias")
        }
        weight = f"{self.output_name(network, layer)}.weight"
        tensors[weight] = np.ascontiguousarray(network.tensors[weight][:, places])
        return tensors

    def fit(
        self, network: Network, layer: int, kept: NDArray[np.int64], moment: NDArray[np.float64]
    ) -> Tensors:
        """Slice a block's tensors to the kept parts, and refit its output layer to the original outputs.

        Args:
            network: as for `slice`.
            layer: as for `slice`.
            kept: as for `slice`.
            moment: as for `order`.
        """
        output = self.output_name(network, layer)
        weight, bias = (network.tensors[f"{output}.{part}"] for part in ("weight", "bias"))
        fitted, shift = reduced(weight, bias, moment, self.inputs(network.architecture, kept))
        return {**self.slice(network, layer, kept), f"{output}.weight": fitted, f"{output}.bias": shift}
