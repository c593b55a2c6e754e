"""Differentiate elementwise operations."""

import math
from collections.abc import Callable

import numpy as np

from spanjet.runtime.openvino import ops, ov

__all__ = ["DERIVATIVES"]


def _gelu(node: ov.Node) -> ov.Node:
    """Differentiate GELU (Hendrycks and Gimpel 2016, arXiv 1606.08415), exact or with tanh."""
    x = node.input_value(0)
    if node.get_attributes()["approximation_mode"] == "TANH":
        scale, cubic = np.float32(math.sqrt(2 / math.pi)), np.float32(0.044715)
        square = ops.multiply(x, x)
        inner = ops.multiply(ops.multiply(x, scale), ops.add(ops.multiply(square, cubic), np.float32(1)))
        bent = ops.tanh(inner)
        slope = ops.multiply(ops.add(ops.multiply(square, np.float32(3) * cubic), np.float32(1)), scale)
        rest = ops.subtract(np.float32(1), ops.multiply(bent, bent))
        curve = ops.multiply(ops.multiply(x, rest), slope)
        return ops.multiply(ops.add(ops.add(bent, np.float32(1)), curve), np.float32(0.5))
    below = ops.add(ops.erf(ops.multiply(x, np.float32(math.sqrt(0.5)))), np.float32(1))
    density = ops.exp(ops.multiply(ops.multiply(x, x), np.float32(-0.5)))
    curve = ops.multiply(ops.multiply(x, density), np.float32(1 / math.sqrt(2 * math.pi)))
    return ops.add(ops.multiply(below, np.float32(0.5)), curve)


def _swish(node: ov.Node) -> ov.Node:
    x = node.input_value(0)
    beta = node.input_value(1) if len(node.input_values()) > 1 else np.float32(1)
    gate = ops.sigmoid(ops.multiply(x, beta))
    rest = ops.subtract(np.float32(1), gate)
    return ops.multiply(gate, ops.add(ops.multiply(ops.multiply(x, beta), rest), np.float32(1)))


def _mish(node: ov.Node) -> ov.Node:
    """Differentiate Mish (Misra 2019, arXiv 1908.08681)."""
    x = node.input_value(0)
    bent = ops.tanh(ops.softplus(x))
    rest = ops.subtract(np.float32(1), ops.multiply(bent, bent))
    return ops.add(bent, ops.multiply(ops.multiply(x, ops.sigmoid(x)), rest))


def _relu(node: ov.Node) -> ov.Node:
    return ops.convert(ops.greater(node, np.float32(0)), "f32")


def _clamp(node: ov.Node) -> ov.Node:
    limits = node.get_attributes()
    x = node.input_value(0)
    above, below = (
        ops.greater(x, np.float32(limits["min"])),
        ops.less(x, np.float32(limits["max"])),
    )
    return ops.convert(ops.logical_and(above, below), "f32")


def _sigmoid(node: ov.Node) -> ov.Node:
    return ops.multiply(node, ops.subtract(np.float32(1), node))


def _tanh(node: ov.Node) -> ov.Node:
    return ops.subtract(np.float32(1), ops.multiply(node, node))


#: By OpenVINO's names of the operations: the derivative at each element.
DERIVATIVES: dict[str, Callable[[ov.Node], ov.Node]] = {
    "Clamp": _clamp,
    "Gelu": _gelu,
    "Mish": _mish,
    "ReLU": _relu,
    "Relu": _relu,
    "Sigmoid": _sigmoid,
    "Swish": _swish,
    "Tanh": _tanh,
}
