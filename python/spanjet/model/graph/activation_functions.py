"""Build activation functions by their names in ``config.json``."""

from collections.abc import Callable

import numpy as np

from spanjet.runtime.openvino import ops, ov

__all__ = ["ACTIVATIONS", "activate"]

_Build = Callable[[ov.Node, str], ov.Node]


def _gelu(vectors: ov.Node, name: str) -> ov.Node:
    """Build a Gaussian error linear unit (Hendrycks and Gimpel 2016, arXiv 1606.08415)."""
    return ops.gelu(vectors, "erf", name=name)


def _gelu_tanh(vectors: ov.Node, name: str) -> ov.Node:
    """Build the tanh approximation of the Gaussian error linear unit, from the same paper."""
    return ops.gelu(vectors, "tanh", name=name)


def _clipped_gelu(vectors: ov.Node, name: str) -> ov.Node:
    return ops.clamp(_gelu(vectors, f"{name}.free"), -10.0, 10.0, name=name)


def _swish(vectors: ov.Node, name: str) -> ov.Node:
    return ops.swish(vectors, name=name)


def _quick_gelu(vectors: ov.Node, name: str) -> ov.Node:
    return ops.swish(vectors, np.float32(1.702), name=name)


def _squared_relu(vectors: ov.Node, name: str) -> ov.Node:
    positive = ops.relu(vectors, name=f"{name}.positive")
    return ops.multiply(positive, positive, name=name)


#: Hugging Face's names -> what builds the function. Several names mean one function.
ACTIVATIONS: dict[str, _Build] = {
    "gelu": _gelu,
    "gelu_python": _gelu,
    "gelu_new": _gelu_tanh,
    "gelu_pytorch_tanh": _gelu_tanh,
    "gelu_python_tanh": _gelu_tanh,
    "gelu_fast": _gelu_tanh,
    "gelu_accurate": _gelu_tanh,
    "gelu_10": _clipped_gelu,
    "quick_gelu": _quick_gelu,
    "silu": _swish,
    "swish": _swish,
    "relu": lambda vectors, name: ops.relu(vectors, name=name),
    "relu2": _squared_relu,
    "relu6": lambda vectors, name: ops.clamp(vectors, 0.0, 6.0, name=name),
    "mish": lambda vectors, name: ops.mish(vectors, name=name),
    "sigmoid": lambda vectors, name: ops.sigmoid(vectors, name=name),
    "tanh": lambda vectors, name: ops.tanh(vectors, name=name),
}


def activate(vectors: ov.Node, activation: str, *, name: str) -> ov.Node:
    """Apply an activation function, a key of `ACTIVATIONS`, elementwise."""
    return ACTIVATIONS[activation](vectors, name)
