"""Restore selected layers of a quantized model to floating point (mixed precision)."""

from collections.abc import Collection

from spanjet.compress.quantize.embeddings import find_tables
from spanjet.runtime.openvino import ops, ov
from spanjet.runtime.products import is_product, is_quantized_product, is_weight

__all__ = ["find_layers", "restore"]

# Operations that may lie between a quantizer and the matrix product that reads it.
_VIEWS = ("Reshape", "Transpose")
_SMOOTH = "nncf_smooth_quant"


def find_layers(model: ov.Model) -> list[str]:
    """List the layers that can be restored: quantized matrix products and compressible tables.

    Args:
        model: as `spanjet.compress.quantize.ptq.calibrate` returns it.

    Returns:
        Friendly names, in topological order.
    """
    products = [node.get_friendly_name() for node in model.get_ordered_ops() if is_quantized_product(node)]
    return [*(lookup.get_friendly_name() for lookup in find_tables(model)), *products]


def restore(model: ov.Model, original: ov.Model, names: Collection[str]) -> None:
    """Restore the original weights, biases and inputs of matrix products, in place.

    NNCF's quantizers serve several products, and SmoothQuant moves factors from inputs into weights: a
    restored product reads its input from before both, so that it computes the original values and the other
    products are unchanged.

    Args:
        model: as `spanjet.compress.quantize.ptq.calibrate` returns it.
        original: the float32 model that it was quantized from; the two share constants afterwards.
        names: names from `find_layers`; tables among them are ignored, see `embeddings.choose_precisions`.
    """
    sources = {node.get_friendly_name(): node for node in original.get_ordered_ops()}
    for node in model.get_ordered_ops():
        if is_product(node) and node.get_friendly_name() in names:
            _restore_product(node, sources)
    model.validate_nodes_and_infer_types()


def _restore_product(product: ov.Node, sources: dict[str, ov.Node]) -> None:
    source = sources[product.get_friendly_name()]
    for port, value in zip(product.inputs(), source.input_values(), strict=True):
        original = value if is_weight(value) else _before_quantizers(port.get_source_output())
        port.replace_source_output(original)
    for port in product.output(0).get_target_inputs():
        addition = port.get_node()
        bias = sources.get(addition.get_friendly_name())
        if bias is not None and addition.get_type_name() == "Add":
            for place, value in zip(addition.inputs(), bias.input_values(), strict=True):
                if is_weight(value):
                    place.replace_source_output(value)


def _before_quantizers(value: ov.Output) -> ov.Output:
    """Find a value before SmoothQuant and the quantizer, and recreate the views after it."""
    node = value.get_node()
    if node.get_type_name() == "FakeQuantize" or node.get_friendly_name().endswith(_SMOOTH):
        return _before_quantizers(node.input_value(0))
    if node.get_type_name() not in _VIEWS:
        return value
    inner = _before_quantizers(node.input_value(0))
    if inner == node.input_value(0):
        return value
    name = f"{node.get_friendly_name()}.restored"
    if node.get_type_name() == "Reshape":
        special_zero = bool(node.get_attributes()["special_zero"])
        return ops.reshape(inner, node.input_value(1), special_zero, name=name).output(0)
    return ops.transpose(inner, node.input_value(1), name=name).output(0)
