"""Choose INT8 or floating point for the matrix products of a quantized model on this CPU."""

import numpy as np
from numpy.typing import NDArray

from spanjet.runtime.cpu import fused_products_round_by_rows, has_int8_products, int8_saturates
from spanjet.runtime.fusion import without_fusion
from spanjet.runtime.openvino import ops, ov
from spanjet.runtime.products import is_product, is_weight
from spanjet.runtime.warnings import warn_caller

__all__ = [
    "HALF_RANGE",
    "can_saturate",
    "in_float",
    "is_quantized_model",
    "suited",
]

HALF_RANGE = 64
"""Maximum INT8 weight without saturation of 16-bit sums: 2 * 255 * 64 is less than 2^15."""


def is_quantized_model(model: ov.Model) -> bool:
    """Return True if a model has quantized activations."""
    return any(node.get_type_name() == "FakeQuantize" for node in model.get_ops())


def suited(model: ov.Model, *, int8: bool | None = None) -> ov.Model:
    """Return the model in INT8 or floating point, as suits this CPU, with products whose rounding is steady.

    Args:
        model: any model; not modified. Where OpenVINO's products with a fused function round differently in
            small batches, functions are kept apart (see `spanjet.runtime.fusion`).
        int8: compute INT8 matrix products in INT8; None: if the CPU has VNNI or AMX. On x86 without them
            OpenVINO's INT8 products are slower than float32 ones: on two cores of EPYC Zen 3, MiniLM-L6 ran
            24.6 windows/s in INT8, 28.3 in float32, and 30.3 with the INT8 weights as `in_float` converts
            them. On other CPUs they are not tested.

    Warns:
        RuntimeWarning: ``int8`` is True, and on this CPU sums of this model can saturate, or INT8 products
            are not tested.
    """
    if is_quantized_model(model):
        if int8 is False or (int8 is None and not has_int8_products()):
            model = in_float(model)
        else:
            _warn_of_wrong_sums(model)
    return without_fusion(model) if fused_products_round_by_rows() else model


def _warn_of_wrong_sums(model: ov.Model) -> None:
    """Warn if INT8 sums of a model may be wrong on this CPU."""
    if has_int8_products():
        return
    if not int8_saturates():
        reason = (
            "INT8 products are not tested on this kind of CPU, and answers may be wrong; let int8 be None"
        )
    elif can_saturate(model):
        reason = (
            "this CPU has no VNNI, and the INT8 weights use the full range: "
            "sums can saturate, and answers be wrong; quantize with --cpu any, or let int8 be None"
        )
    else:
        return
    warn_caller(f"{model.get_friendly_name()}: {reason}", RuntimeWarning)


def in_float(model: ov.Model) -> ov.Model:
    """Copy a quantized model with matrix products in floating point.

    Activations are not quantized; the weights have their INT8 values in float32. Embedding tables stay
    quantized.
    """
    model = model.clone()
    for node in model.get_ordered_ops():
        if node.get_type_name() == "FakeQuantize" and not is_weight(node.input_value(0)):
            node.output(0).replace(node.input_value(0))
        elif is_product(node):
            _unpack(node)
    model.validate_nodes_and_infer_types()
    return model


def can_saturate(model: ov.Model) -> bool:
    """Return True if a model multiplies activations by INT8 weights beyond ±64.

    INT8 embedding tables are not such weights: their rows are converted to float first.
    """
    return any(
        int(np.abs(node.data.astype(np.int16)).max(initial=0)) > HALF_RANGE
        for node in model.get_ordered_ops()
        if node.get_type_name() == "Constant"
        and node.get_element_type() == ov.Type.i8
        and not _is_looked_up(node)
    )


def _unpack(product: ov.Node) -> None:
    """Replace a matrix product's scaled INT8 weights by float32 ones."""
    for port in product.inputs():
        weight = port.get_source_output()
        node = weight.get_node()
        if node.get_type_name() != "Constant" and is_weight(weight):
            values = ops.constant(np.ascontiguousarray(_value(node)), name=node.get_friendly_name())
            port.replace_source_output(values.output(0))


def _value(node: ov.Node) -> NDArray[np.float32]:
    """Compute a weight in float32."""
    kind = node.get_type_name()
    if kind == "Constant":
        return node.data.astype(np.float32)  # type: ignore[no-any-return]
    first, *others = (value.get_node() for value in node.input_values())
    values: NDArray[np.float32] = _value(first)
    if kind == "Convert":
        return values
    if kind == "Reshape":
        return np.reshape(values, tuple(node.get_output_shape(0)))
    if kind == "Transpose":
        return np.transpose(values, _value(others[0]).astype(np.int64))
    return values * _value(others[0]) if kind == "Multiply" else values - _value(others[0])


def _is_looked_up(constant: ov.Node) -> bool:
    ports = constant.output(0).get_target_inputs()
    return all(port.get_node().get_type_name() == "Gather" for port in ports)
