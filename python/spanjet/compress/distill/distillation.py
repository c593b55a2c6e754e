"""Compute the gradient of distilling a network into its student (Hinton et al. 2015, arXiv 1503.02531)."""

from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.distill.autodiff import Seed, differentiate
from spanjet.compress.prune.network import Network
from spanjet.compress.prune.packing import Inputs
from spanjet.model.graph.blocks import MASKED
from spanjet.model.graph.encoder import NODES
from spanjet.runtime.openvino import ops, ov, shared_core

__all__ = ["Distillation"]

# Weight of the hidden-state loss relative to the divergence of the answers. A MiniLM-L6 pruned to 0.55 of its
# time, with a divergence of 0.421, reached after 1,500 windows: 0.388 with a rate of 3e-5 and 3, 0.377 with
# 3e-5 and 30, 0.370 with 6e-5 and 30, 0.350 with 6e-5 and 200, 0.347 with 6e-5 and 1000.
_VECTORS = 300.0
# No precision is requested: OpenVINO uses bfloat16 if the CPU has it, which took half the time and left
# gradients of MiniLM-L6 within 0.06 radians.
_PRECISION: dict[str, str] = {}

#: The nodes of a graph, by their friendly names.
Nodes = dict[str, ov.Node]


class Distillation:
    """Gradient of the distillation loss of a student against its teacher.

    The loss is the Kullback-Leibler divergence of start and end probabilities, averaged over the windows,
    plus the relative squared error of the hidden states after each layer, averaged over the layers (Jiao et
    al. 2020, arXiv 1909.10351).

    Args:
        teacher: the original network.
        student: the pruned network.

    Attributes:
        weights: float32[n], all trained parameters (encoder layers and answer head), to be updated in place.
    """

    def __init__(self, teacher: Network, student: Network) -> None:
        names = _trained(student)
        shapes = {name: student.tensors[name].shape for name in names.values()}
        self.weights = np.concatenate([student.tensors[name].reshape(-1) for name in shapes])
        self._gradient = np.zeros_like(self.weights)
        self._tensors = _parts(self.weights, shapes)
        model, self._inputs = _graph(teacher, student, names)
        compiled = shared_core().compile_model(model, "CPU", {"PERFORMANCE_HINT": "LATENCY", **_PRECISION})
        self._request = compiled.create_infer_request()
        for place, values in enumerate(self._tensors.values(), len(self._inputs)):
            self._request.set_input_tensor(place, ov.Tensor(values, shared_memory=True))
        for place, values in enumerate(_parts(self._gradient, shapes).values()):
            self._request.set_output_tensor(place, ov.Tensor(values, shared_memory=True))

    def __call__(self, batch: Inputs) -> NDArray[np.float32]:
        """Compute the gradient on a batch, float32[n]; valid until the next call, and may be overwritten."""
        held = [ov.Tensor(np.ascontiguousarray(batch[name]), shared_memory=True) for name in self._inputs]
        for place, tensor in enumerate(held):
            self._request.set_input_tensor(place, tensor)
        self._request.infer()
        return self._gradient

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Return copies of the trained tensors, by their names in the checkpoint."""
        return {name: values.copy() for name, values in self._tensors.items()}


def _trained(network: Network) -> dict[str, str]:
    """Map the names of the nodes with trained weights to the names of their tensors."""
    names = {"qa_outputs": "qa_outputs"}
    for index in range(len(network.shapes)):
        tensors, nodes = asdict(network.layer(index)), asdict(NODES)
        names |= {f"encoder.layer.{index}.{nodes[part]}": tensors[part] for part in nodes}
    return {
        f"{node}.{kind}": f"{tensor}.{kind}"
        for node, tensor in names.items()
        for kind in ("weight", "bias")
        if f"{tensor}.{kind}" in network.tensors
    }


def _parts(values: NDArray[np.float32], shapes: dict[str, tuple[int, ...]]) -> dict[str, NDArray[np.float32]]:
    """Split a vector into consecutive views of the given shapes."""
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes.values()])
    return {
        name: part.reshape(shape)
        for (name, shape), part in zip(shapes.items(), np.split(values, ends[:-1]), strict=True)
    }


def _graph(teacher: Network, student: Network, names: dict[str, str]) -> tuple[ov.Model, list[str]]:
    """Build the graph from model inputs and trained tensors to the gradients of those tensors."""
    model, guide = student.build(), teacher.build()
    found, wanted = _nodes(model), _nodes(guide)
    inputs = {node.get_friendly_name(): node for node in model.get_parameters()}
    for node in guide.get_parameters():
        node.output(0).replace(inputs[node.get_friendly_name()].output(0))
    trained = [_freed(found[name]) for name in names]
    seeds = _answers(inputs["attention_mask"], found, wanted)
    seeds += _vectors(inputs["attention_mask"], found, wanted, layers=len(student.shapes))
    gradients = differentiate(seeds, [node.output(0) for node in trained])
    results = [ops.result(gradient) for gradient in gradients]
    return ov.Model(results, [*inputs.values(), *trained], "distillation"), list(inputs)


def _freed(constant: ov.Node) -> ov.Node:
    """Replace a constant by a graph input."""
    parameter = ops.parameter(constant.get_output_shape(0), np.float32, name=constant.get_friendly_name())
    for target in constant.output(0).get_target_inputs():
        target.replace_source_output(parameter.output(0))
    return parameter


def _answers(mask: ov.Node, student: Nodes, teacher: Nodes) -> list[Seed]:
    """Build the gradient of the divergence with respect to the logits: differences of probabilities."""
    padding = ops.multiply(ops.subtract(np.float32(1), ops.convert(mask, "f32")), MASKED)
    windows = ops.convert(ops.gather(ops.shape_of(mask), np.int64(0), np.int64(0)), "f32")
    seeds = []
    for name in ("start_logits", "end_logits"):
        found, wanted = (ops.softmax(ops.add(nodes[name], padding), 1) for nodes in (student, teacher))
        gradient = ops.divide(ops.subtract(found, wanted), windows)
        seeds.append((student[name].output(0), gradient.output(0)))
    return seeds


def _vectors(mask: ov.Node, student: Nodes, teacher: Nodes, *, layers: int) -> list[Seed]:
    """Build the gradients of the squared errors of the hidden states after each layer."""
    counted = ops.unsqueeze(ops.convert(mask, "f32"), np.array([2], np.int64))
    seeds = []
    for index in range(layers):
        name = f"encoder.layer.{index}"
        found, wanted = (nodes[f"{name}.{NODES.ffn_norm}"] for nodes in (student, teacher))
        wanted = ops.multiply(wanted, counted)
        missing = ops.subtract(ops.multiply(found, counted), wanted)
        squares = ops.reduce_sum(ops.multiply(wanted, wanted), np.arange(3), False)
        weight = ops.divide(np.float32(2 * _VECTORS / layers), squares)
        seeds.append((found.output(0), ops.multiply(missing, weight).output(0)))
    return seeds


def _nodes(model: ov.Model) -> Nodes:
    return {node.get_friendly_name(): node for node in model.get_ordered_ops()}
