"""INT8 or float products: what a quantized model is computed in on this CPU."""

import warnings

import numpy as np
from numpy.typing import NDArray

from spanjet.runtime.cpu import int8_saturates
from spanjet.runtime.openvino import ops, ov

__all__ = ["HALF_RANGE", "can_saturate", "in_float", "suited"]

HALF_RANGE = 64
"""The greatest weight, in steps of INT8, with which no sum saturates: 2 * 255 * 64 is less than 2^15."""

# What lies between an INT8 weight and its product.
_SCALING = ("Convert", "Multiply", "Subtract")


def suited(model: ov.Model, *, int8: bool | None = None) -> ov.Model:
    """The form of a model that this CPU is to compute.

    Args:
        model: any model; it is not changed.
        int8: whether INT8 products are computed as such; None: where the CPU has VNNI or AMX. Without them
            OpenVINO's INT8 products are slower than float32 ones: on two cores of EPYC Zen 3, MiniLM-L6 ran
            24.6 windows/s in INT8, 28.3 in float32, and 30.3 with the INT8 weights as `in_float` leaves them.

    Warns:
        RuntimeWarning: ``int8`` is True, and sums can saturate with this model on this CPU.
    """
    quantized = any(node.get_type_name() == "FakeQuantize" for node in model.get_ops())
    if not quantized or int8 is False or (int8 is None and int8_saturates()):
        return in_float(model) if quantized else model
    if int8_saturates() and can_saturate(model):
        warnings.warn(
            f"{model.get_friendly_name()}: this CPU has no VNNI, and the INT8 weights use the full range: "
            "sums can saturate, and answers be wrong; quantize with --cpu any, or let int8 be None",
            RuntimeWarning,
            stacklevel=2,
        )
    return model


def in_float(model: ov.Model) -> ov.Model:
    """A copy of a quantized model that multiplies in floating point.

    Activations are not quantized; the weights keep their values, as float32. Embedding tables stay INT8.
    """
    model = model.clone()
    for node in model.get_ordered_ops():
        kind = node.get_type_name()
        if kind == "FakeQuantize" and not _is_weight(node.input_value(0).get_node()):
            node.output(0).replace(node.input_value(0))
        elif kind == "MatMul":
            _unpack(node)
    model.validate_nodes_and_infer_types()
    return model


def can_saturate(model: ov.Model) -> bool:
    """Whether a model multiplies activations by INT8 weights beyond ±64.

    Rows of INT8 tables are converted before anything is multiplied, and are no such weights.
    """
    return any(
        int(np.abs(node.data.astype(np.int16)).max(initial=0)) > HALF_RANGE
        for node in model.get_ordered_ops()
        if node.get_type_name() == "Constant"
        and node.get_element_type() == ov.Type.i8
        and not _is_looked_up(node)
    )


def _unpack(product: ov.Node) -> None:
    """Replace a product's scaled INT8 weights by float32 ones."""
    for port in product.inputs():
        weight = port.get_source_output().get_node()
        if weight.get_type_name() in _SCALING and _is_weight(weight):
            values = ops.constant(np.ascontiguousarray(_value(weight)), name=weight.get_friendly_name())
            port.replace_source_output(values.output(0))


def _is_weight(node: ov.Node) -> bool:
    """Whether a node is a constant, scaled or not."""
    if node.get_type_name() == "Constant":
        return True
    inputs = [value.get_node() for value in node.input_values()]
    return node.get_type_name() in _SCALING and all(map(_is_weight, inputs))


def _value(node: ov.Node) -> NDArray[np.float32]:
    if node.get_type_name() == "Constant":
        return node.data.astype(np.float32)  # type: ignore[no-any-return]
    inputs = [_value(value.get_node()) for value in node.input_values()]
    kind = node.get_type_name()
    if kind == "Convert":
        return inputs[0]
    return inputs[0] * inputs[1] if kind == "Multiply" else inputs[0] - inputs[1]


def _is_looked_up(constant: ov.Node) -> bool:
    ports = constant.output(0).get_target_inputs()
    return all(port.get_node().get_type_name() == "Gather" for port in ports)
