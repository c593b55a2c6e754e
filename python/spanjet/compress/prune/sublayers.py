"""Run single attention or feed-forward sublayers of a network on hidden states."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.prune.network import Network
from spanjet.compress.prune.structures import Structure
from spanjet.model.graph.blocks import Blocks
from spanjet.model.graph.tensors import Tensors
from spanjet.runtime.openvino import ops, ov, shared_core

__all__ = ["Sublayer"]

Vectors = NDArray[np.float32]


class Sublayer:
    """One sublayer of one layer, in three steps: inputs of its output layer, its output, normalisation.

    Args:
        network: the network.
        structure: structure whose sublayer is run.
        layer: index of the layer.
    """

    def __init__(self, network: Network, structure: Structure, layer: int) -> None:
        self._network = network
        #: Name of the output product, without ``.weight`` and ``.bias``.
        self.output = structure.output_name(network, layer)
        self._norm = str(getattr(network.layer(layer), structure.norm))
        self._compiled: ov.CompiledModel | None = None
        if structure.size(network.shapes[layer]):
            self._compiled = _compile(network, structure, layer)

    def inner(self, vectors: Sequence[Vectors], masks: Sequence[NDArray[np.int32]]) -> Iterator[Vectors]:
        """Yield the output layer's inputs without padding, float32[tokens, inner] for each batch.

        Args:
            vectors: inputs of the sublayer, float32[rows, length, hidden] each.
            masks: int32[rows, length], 1 for tokens and 0 for padding.
        """
        for batch, mask in zip(vectors, masks, strict=True):
            if self._compiled is None:
                yield np.zeros((int(mask.sum()), 0), np.float32)
                continue
            inputs = {"vectors": batch, "attention_mask": mask}
            yield self._compiled(inputs, share_inputs=True, share_outputs=True)[0][mask == 1]

    @property
    def width(self) -> int:
        """Number of inputs of the output layer."""
        weight = self._network.tensors.get(f"{self.output}.weight")
        return 0 if weight is None else weight.shape[1]

    def corrected(self, weight: Vectors, bias: Vectors) -> dict[str, Vectors]:
        """Return the output layer's tensors plus corrections of weight and bias."""
        known, name = self._network.tensors, self.output
        fitted = {f"{name}.bias": known[f"{name}.bias"] + bias}
        if self.width:
            fitted[f"{name}.weight"] = known[f"{name}.weight"] + weight
        return fitted

    def added(self, inner: Vectors, tensors: "dict[str, Vectors] | None" = None) -> Vectors:
        """Apply the output layer, float32[tokens, hidden]; ``tensors`` override the network's own."""
        known = {**self._network.tensors, **(tensors or {})}
        bias = known[f"{self.output}.bias"]
        if not inner.shape[1]:
            return np.broadcast_to(bias, (len(inner), len(bias)))
        result: Vectors = inner @ known[f"{self.output}.weight"].T + bias
        return result

    def normalised(self, sums: Vectors) -> Vectors:
        """Apply the sublayer's layer normalisation to residual sums, float32[tokens, hidden]."""
        weight, bias = (self._network.tensors[f"{self._norm}.{part}"] for part in ("weight", "bias"))
        centred = sums - sums.mean(axis=1, keepdims=True)
        variance = np.square(centred).mean(axis=1, keepdims=True)
        scale = np.sqrt(variance + np.float32(self._network.architecture.layer_norm_eps))
        result: Vectors = centred / scale * weight + bias
        return result


def _compile(network: Network, structure: Structure, layer: int) -> ov.CompiledModel:
    config = network.architecture
    blocks = Blocks(Tensors(network.tensors), layer_norm_eps=config.layer_norm_eps)
    vectors = ops.parameter([-1, -1, config.hidden_size], np.float32, name="vectors")
    mask = ops.parameter([-1, -1], np.int32, name="attention_mask")
    for node in (vectors, mask):
        node.output(0).set_names({node.get_friendly_name()})
    biases = config.attention_biases(blocks, mask)[layer]
    output = structure.build(blocks, config, layer, vectors, biases)
    model = ov.Model([output], [vectors, mask], "sublayer")
    nodes = {node.get_friendly_name(): node for node in model.get_ordered_ops()}
    inner = nodes[f"encoder.layer.{layer}.{structure.inner}"]
    model = ov.Model([inner], [vectors, mask], "sublayer")
    return shared_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
