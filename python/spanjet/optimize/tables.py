"""Embedding tables in INT8, which stay INT8 in memory."""

import numpy as np
import openvino as ov
import openvino.opset13 as ops

__all__ = ["compress_tables"]

# A table with fewer rows is not worth a second lookup.
_LEAST_ROWS = 1024


def compress_tables(model: ov.Model) -> list[str]:
    """Replace float32 embedding tables by INT8 rows with one scale each, in place.

    The graph looks up a row and its scale and multiplies them. OpenVINO would turn an INT8 table that
    is scaled before the lookup back into float32 when it compiles the model: for MiniLM-L6 (11.7 M of
    22.7 M parameters in the table) that took 143 MB instead of 64 MB, and 80 ms more.

    Args:
        model: a model whose tables are looked up by ``Gather`` along axis 0.

    Returns:
        The names of the lookups that were replaced.
    """
    replaced = []
    for node in model.get_ordered_ops():
        if node.get_type_name() != "Gather":
            continue
        table, indices = node.input_value(0).get_node(), node.input_value(1)
        if table.get_type_name() != "Constant" or table.get_element_type() != ov.Type.f32:
            continue
        shape = list(table.get_output_shape(0))
        if len(shape) != 2 or shape[0] < _LEAST_ROWS or shape[1] == 1:
            continue
        lookup = _compressed(table.data, indices, node.get_friendly_name())
        node.output(0).replace(lookup.output(0))
        replaced.append(lookup.get_friendly_name())
    model.validate_nodes_and_infer_types()
    return replaced


def _compressed(table: np.ndarray, indices: ov.Output, name: str) -> ov.Node:
    """A lookup in a symmetric INT8 form of float32[rows, width]."""
    scale = np.abs(table).max(axis=1, keepdims=True) / np.float32(127)
    scale[scale == 0] = 1
    rows = np.rint(table / scale).astype(np.int8)
    axis = np.int64(0)
    row = ops.gather(ops.constant(rows, name=f"{name}.weight"), indices, axis, name=f"{name}.row")
    factor = ops.gather(ops.constant(scale, name=f"{name}.scale"), indices, axis, name=f"{name}.factor")
    return ops.multiply(ops.convert(row, "f32", name=f"{name}.float"), factor, name=name)
