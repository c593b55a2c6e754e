"""Distil a network into its pruned student (Hinton et al. 2015, arXiv 1503.02531)."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.distill.adam import Adam
from spanjet.compress.distill.autodiff import Seed, differentiate
from spanjet.compress.prune.network import Network
from spanjet.compress.prune.packing import Inputs, backward_tokens, pack
from spanjet.measure.progress import OnStep, ignore_step
from spanjet.model.graph.encoder import NODES
from spanjet.runtime.openvino import ops, ov, shared_core

__all__ = ["Distillation", "distil"]

# Learning rate, and weight of the hidden-state loss relative to the divergence of the answers. A MiniLM-L6
# pruned to 0.55 of its time, with a divergence of 0.421, reached after 1,500 windows: 0.388 with
# 3e-5 and 3, 0.377 with 3e-5 and 30, 0.370 with 6e-5 and 30, 0.383 with 1e-4 and 30, 0.350 with 6e-5 and
# 200, 0.347 with 1e-4 and 200, 0.347 with 6e-5 and 1000.
_RATE, _VECTORS = 6e-5, 300.0
_WARMUP = 0.05
# Windows that are sorted by length together, and tokens of an optimiser step, in as many batches as memory
# requires. After 2,048 windows, at 0.62 of the time, a divergence of 0.164 became 0.132 with 3,072 tokens and
# 6e-5 or
# 1.2e-4; to 0.125 with 1,536 and 6e-5, 0.129 with 1.2e-4; to 0.124 with 768 and 6e-5, 0.127 with 3e-5.
_SHUFFLED, _TOKENS = 512, 1536
# No precision is requested: OpenVINO uses bfloat16 if the CPU has it, which took half the time and left
# gradients of MiniLM-L6 within 0.06 radians.
_PRECISION: dict[str, str] = {}
_MASKED = np.float32(-10000)

#: The nodes of a graph, by their friendly names.
Nodes = dict[str, ov.Node]


def distil(
    teacher: Network,
    student: Network,
    inputs: Sequence[Inputs],
    *,
    seed: int = 0,
    on_step: OnStep = ignore_step,
) -> Network:
    """Train a pruned network on the outputs and hidden states of the original, for one epoch.

    A gradient with non-finite values is computed once more, and its step is skipped if that does not help, as
    in mixed-precision training (Micikevicius et al. 2018, arXiv 1710.03740): one such value would ruin all
    weights.

    Args:
        teacher: the original network.
        student: the pruned network.
        inputs: training windows, as `spanjet.compress.prune.packing.pack` takes them.
        seed: seed of the order of the windows.
        on_step: called after each optimiser step with the number of finished and of all steps.

    Returns:
        The trained network; embeddings are not trained.
    """
    tokens = min(backward_tokens(teacher), _TOKENS)
    batches = _shuffled(inputs, padding=teacher.architecture.pad_token_id, tokens=tokens, seed=seed)
    together = round(_TOKENS / tokens)
    steps = [batches[first : first + together] for first in range(0, len(batches), together)]
    distillation = Distillation(teacher, student)
    adam = Adam(distillation.weights)
    for done, step in enumerate(steps, 1):
        gradient = _finite_mean(distillation, step)
        if gradient is not None:
            adam.step(gradient, _RATE * _schedule(done / len(steps)))
        on_step(done, len(steps))
    return student.with_tensors(distillation.tensors())


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


def _finite_mean(distillation: Distillation, batches: Sequence[Inputs]) -> NDArray[np.float32] | None:
    """Compute the mean gradient; None if it is not finite twice in a row.

    One of twenty trainings of a MiniLM-L6 on 2,048 windows ended with non-finite logits; repeating it never
    reproduced that, and the cause is unknown.
    """
    for _ in range(2):
        gradient = _mean(distillation, batches)
        if np.isfinite(gradient).all():
            return gradient
    return None


def _mean(distillation: Distillation, batches: Sequence[Inputs]) -> NDArray[np.float32]:
    """Average the gradient over the windows of some batches."""
    rows = [len(batch["input_ids"]) for batch in batches]
    total = np.zeros_like(distillation.weights)
    for batch, count in zip(batches, rows, strict=True):
        total += distillation(batch) * np.float32(count / sum(rows))
    return total


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
    padding = ops.multiply(ops.subtract(np.float32(1), ops.convert(mask, "f32")), _MASKED)
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


def _shuffled(
    inputs: Sequence[Inputs], *, padding: int, tokens: int, seed: int
) -> list[dict[str, NDArray[np.int32]]]:
    """Make batches of windows of similar length, in random order."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(inputs)).tolist()
    batches = []
    for first in range(0, len(order), _SHUFFLED):
        chunk = pack(
            [inputs[index] for index in order[first : first + _SHUFFLED]], padding=padding, tokens=tokens
        )
        batches += [chunk[place] for place in generator.permutation(len(chunk)).tolist()]
    return batches


def _schedule(done: float) -> float:
    """Compute the learning rate factor: linear warm-up to 1, times a cosine decay to 0."""
    return float(min(1.0, done / _WARMUP) * 0.5 * (1 + np.cos(np.pi * done)))
