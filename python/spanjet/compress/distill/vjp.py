"""Compute vector-Jacobian products of single operations: gradients of inputs from those of outputs."""

from collections.abc import Callable, Sequence

import numpy as np

from spanjet.compress.distill.elementwise_vjp import DERIVATIVES
from spanjet.runtime.openvino import ops, ov

__all__ = ["RULES"]

#: Gradients of outputs or inputs; None where the loss does not depend on one.
Gradients = Sequence[ov.Output | None]
Rule = Callable[[ov.Node, Gradients], Gradients]
#: The same where there is one output.
_Simple = Callable[[ov.Node, ov.Output], Gradients]

_ZERO = np.float32(0)


def _simple(rule: _Simple) -> Rule:
    def applied(node: ov.Node, outputs: Gradients) -> Gradients:
        (gradient,) = outputs
        return [] if gradient is None else rule(node, gradient)

    return applied


def _add(node: ov.Node, gradient: ov.Output) -> Gradients:
    return [_reduced(gradient, source) for source in node.input_values()]


def _subtract(node: ov.Node, gradient: ov.Output) -> Gradients:
    left, right = node.input_values()
    return [_reduced(gradient, left), _reduced(_of(ops.negative(gradient)), right)]


def _multiply(node: ov.Node, gradient: ov.Output) -> Gradients:
    left, right = node.input_values()
    return [
        _reduced(_of(ops.multiply(gradient, right)), left),
        _reduced(_of(ops.multiply(gradient, left)), right),
    ]


def _matmul(node: ov.Node, gradient: ov.Output) -> Gradients:
    left, right = node.input_values()
    attributes = node.get_attributes()
    turned = attributes["transpose_a"], attributes["transpose_b"]
    if _rank(right) == 2 < _rank(left) and not turned[0]:
        if right.get_node().get_type_name() == "Constant":
            return [_of(ops.matmul(gradient, _turned(right, turned[1]), False, True)), None]
        # All rows in one product: a sum over the batch afterwards would cost as much again.
        rows, changes = _flat(left), _flat(gradient)
        factors = (changes, rows) if turned[1] else (rows, changes)
        by_left = ops.matmul(gradient, right, False, not turned[1])
        return [_of(by_left), _of(ops.matmul(*factors, True, False))]
    by_left = (
        ops.matmul(right, gradient, turned[1], True)
        if turned[0]
        else ops.matmul(gradient, right, False, not turned[1])
    )
    by_right = (
        ops.matmul(gradient, left, True, turned[0])
        if turned[1]
        else ops.matmul(left, gradient, not turned[0], False)
    )
    return [_reduced(_of(by_left), left), _reduced(_of(by_right), right)]


def _mvn(node: ov.Node, gradient: ov.Output) -> Gradients:
    """Differentiate normalisation (Ba et al. 2016, arXiv 1607.06450), invariant to shift and scale."""
    source, axes = node.input_values()
    eps = np.float32(node.get_attributes()["eps"])
    centred = ops.subtract(source, ops.reduce_mean(source, axes, True))
    variance = ops.reduce_mean(ops.multiply(centred, centred), axes, True)
    deviation = ops.sqrt(ops.add(variance, eps))
    normal = ops.divide(centred, deviation)
    along = ops.reduce_mean(ops.multiply(gradient, normal), axes, True)
    rest = ops.subtract(gradient, ops.reduce_mean(gradient, axes, True))
    return [_of(ops.divide(ops.subtract(rest, ops.multiply(normal, along)), deviation)), None]


def _softmax(node: ov.Node, gradient: ov.Output) -> Gradients:
    axis = np.array([node.get_attributes()["axis"]], np.int64)
    weighted = ops.multiply(gradient, node)
    total = ops.reduce_sum(weighted, axis, True)
    return [_of(ops.subtract(weighted, ops.multiply(node, total)))]


def _reduce_sum(node: ov.Node, gradient: ov.Output) -> Gradients:
    source, axes = node.input_values()
    if not node.get_attributes()["keep_dims"]:
        gradient = _of(ops.unsqueeze(gradient, axes))
    return [_of(ops.broadcast(gradient, ops.shape_of(source))), None]


def _reshaped(node: ov.Node, gradient: ov.Output) -> Gradients:
    source, *others = node.input_values()
    return [_of(ops.reshape(gradient, ops.shape_of(source), False)), *[None] * len(others)]


def _transpose(node: ov.Node, gradient: ov.Output) -> Gradients:
    order = node.input_value(1).get_node().get_data()
    return [_of(ops.transpose(gradient, np.argsort(order))), None]


def _split(node: ov.Node, outputs: Gradients) -> Gradients:
    axis = int(node.input_value(1).get_node().get_data())
    parts = [
        ops.broadcast(_ZERO, ops.shape_of(output)) if gradient is None else gradient
        for gradient, output in zip(outputs, node.outputs(), strict=True)
    ]
    return [_of(ops.concat(parts, axis)), None]


def _elementwise(derivative: Callable[[ov.Node], ov.Node]) -> Rule:
    def rule(node: ov.Node, gradient: ov.Output) -> Gradients:
        others = len(node.input_values()) - 1
        return [_of(ops.multiply(gradient, derivative(node))), *[None] * others]

    return _simple(rule)


def _reduced(gradient: ov.Output, source: ov.Output) -> ov.Output:
    """Sum a gradient over the broadcast dimensions of its source."""
    rank, extra = _rank(source), _rank(gradient) - _rank(source)
    shape = source.get_partial_shape()
    single = [axis + extra for axis in range(rank) if shape[axis].is_static and shape[axis].get_length() == 1]
    if extra:
        gradient = _of(ops.reduce_sum(gradient, np.arange(extra), False))
    kept = np.array(single, np.int64) - extra
    return _of(ops.reduce_sum(gradient, kept, True)) if single else gradient


def _turned(weight: ov.Output, turned: bool) -> ov.Node:
    """Copy a constant as [inputs, outputs], for a matrix product that reads it transposed.

    OpenVINO 2026.4 packs a square constant once for all matrix products that read it, whether they transpose
    it or not, so that one of the two would be wrong.
    """
    values = weight.get_node().get_data()
    return ops.constant(np.ascontiguousarray(values.T if turned else values))


def _flat(values: ov.Output) -> ov.Output:
    """Reshape [..., width] to [rows, width]."""
    width = values.get_partial_shape()[_rank(values) - 1].get_length()
    return _of(ops.reshape(values, np.array([-1, width], np.int64), False))


def _rank(values: ov.Output) -> int:
    rank: int = values.get_partial_shape().rank.get_length()
    return rank


def _of(node: ov.Node) -> ov.Output:
    return node.output(0)


#: By OpenVINO's names of the operations.
RULES: dict[str, Rule] = {
    "Add": _simple(_add),
    "MVN": _simple(_mvn),
    "MatMul": _simple(_matmul),
    "Multiply": _simple(_multiply),
    "ReduceSum": _simple(_reduce_sum),
    "Reshape": _simple(_reshaped),
    "Softmax": _simple(_softmax),
    "Split": _split,
    "Squeeze": _simple(_reshaped),
    "Subtract": _simple(_subtract),
    "Transpose": _simple(_transpose),
    "Unsqueeze": _simple(_reshaped),
    **{name: _elementwise(derivative) for name, derivative in DERIVATIVES.items()},
}
