"""Recognise matrix products and their weights in a graph."""

from spanjet.runtime.openvino import ov

__all__ = ["is_product", "is_quantized_product", "is_weight"]

# Operations that may lie between a stored weight and the matrix product that reads it.
_WEIGHT_STEPS = ("Convert", "Multiply", "Subtract", "Reshape", "Transpose")


def is_weight(value: ov.Output) -> bool:
    """Return True if a value is computed only from constants, like a scaled INT8 weight."""
    node = value.get_node()
    if node.get_type_name() == "Constant":
        return True
    return node.get_type_name() in _WEIGHT_STEPS and all(map(is_weight, node.input_values()))


def is_product(node: ov.Node) -> bool:
    """Return True if a node is a matrix product."""
    return bool(node.get_type_name() == "MatMul")


def is_quantized_product(node: ov.Node) -> bool:
    """Return True if a node is a matrix product with an INT8 weight or a quantized activation."""
    return is_product(node) and any(map(_is_quantized, node.input_values()))


def _is_quantized(value: ov.Output) -> bool:
    """Return True if an input of a matrix product is an 8-bit weight or a quantized activation."""
    node = value.get_node()
    if node.get_type_name() == "Constant":
        return node.get_element_type() in (ov.Type.i8, ov.Type.u8)
    if node.get_type_name() == "FakeQuantize":
        return True
    return node.get_type_name() in _WEIGHT_STEPS and _is_quantized(node.input_value(0))
