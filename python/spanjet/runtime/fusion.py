"""Keep functions out of float32 products, whose rounding would depend on the rows of the batch."""

import numpy as np

from spanjet.runtime.openvino import ops, ov
from spanjet.runtime.products import is_product, is_quantized_product, is_weight

__all__ = ["without_fusion"]

# What OpenVINO fuses into the product before it: functions, and operations with a constant.
_FUNCTIONS = {
    *("Abs", "Clamp", "Elu", "Erf", "Exp", "Gelu", "HSigmoid", "HSwish"),
    *("Mish", "Relu", "Sigmoid", "SoftPlus", "Sqrt", "Swish", "Tanh"),
}
_OPERATIONS = {"Add", "Divide", "Maximum", "Minimum", "Multiply", "PRelu", "Power", "Subtract"}
_MOVEMENTS = {"Reshape", "Squeeze", "Transpose", "Unsqueeze"}


def without_fusion(model: ov.Model) -> ov.Model:
    """Copy a model so that nothing but a bias is fused into its floating-point products with weights.

    On x86 without AVX-512, OpenVINO 2026.4.1 computes such products with MLAS, whose rounding does not depend
    on the number of rows, but with oneDNN if a function is fused into them: with 768 columns and fewer than
    about 90 rows that rounds differently, so that a question alone would get other logits than in a batch.
    MLAS with the function apart is no slower either: a feed-forward block of 768 columns took 0.83 to 0.94 of
    the time with 384 rows, and 0.92 to 1.04 with 16 (one core of EPYC Zen 3).

    Args:
        model: any model; not modified.
    """
    model = model.clone()
    for node in model.get_ordered_ops():
        if is_product(node) and is_weight(node.input_value(1)) and not is_quantized_product(node):
            _keep_apart(_with_bias(node.output(0)))
    model.validate_nodes_and_infer_types()
    return model


def _keep_apart(value: ov.Output) -> None:
    """Put an identity of two nodes between a product and what would be fused: a value has one reader then."""
    if _meets_function(value):
        readers = value.get_target_inputs()
        # In this order, since x86's maximum of a NaN and something is the second.
        same = ops.maximum(ops.minimum(value, np.float32(0)), value)
        for port in readers:
            port.replace_source_output(same.output(0))


def _meets_function(value: ov.Output) -> bool:
    """Return True if OpenVINO would fuse a function into the product that a value is of.

    Functions move up through what only moves elements, and the factor of a product of two such values, as of
    queries and keys, moves up into the second one.
    """
    for port in value.get_target_inputs():
        reader = port.get_node()
        if _is_function(reader):
            return True
        if reader.get_type_name() in _MOVEMENTS and any(map(_meets_function, reader.outputs())):
            return True
        if is_product(reader) and port.get_index() == 1:
            factors = [each.get_node() for each in reader.output(0).get_target_inputs()]
            if any(each.get_type_name() in ("Multiply", "Divide") and _is_function(each) for each in factors):
                return True
    return False


def _with_bias(product: ov.Output) -> ov.Output:
    """Return the sum of a product and its bias, or the product if it has none."""
    readers = [port.get_node() for port in product.get_target_inputs()]
    is_sum = len(readers) == 1 and readers[0].get_type_name() == "Add"
    return readers[0].output(0) if is_sum and any(map(is_weight, readers[0].input_values())) else product


def _is_function(node: ov.Node) -> bool:
    """Return True for a function of one value: a unary one, or one with a constant."""
    kind = node.get_type_name()
    return kind in _FUNCTIONS or (kind in _OPERATIONS and any(map(is_weight, node.input_values())))
