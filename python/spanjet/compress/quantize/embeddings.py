"""Compress embedding tables to INT8, and round position tables to bfloat16 values."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from spanjet.runtime.openvino import ops, ov

__all__ = ["compress_tables", "find_tables", "round_tables"]

# A table with fewer rows does not justify a second lookup.
_LEAST_ROWS = 1024


def find_tables(model: ov.Model) -> list[ov.Node]:
    """Find the lookups (``Gather`` along axis 0) in float32 tables that are large enough to compress."""
    found = []
    for node in model.get_ordered_ops():
        if node.get_type_name() != "Gather":
            continue
        table = node.input_value(0).get_node()
        if table.get_type_name() != "Constant" or table.get_element_type() != ov.Type.f32:
            continue
        shape = list(table.get_output_shape(0))
        if len(shape) == 2 and shape[0] >= _LEAST_ROWS and shape[1] > 1:
            found.append(node)
    return found


def compress_tables(model: ov.Model, *, kept: Collection[str] = ()) -> list[str]:
    """Replace float32 embedding tables by INT8 rows with one scale each, in place.

    The graph looks up a row and its scale and multiplies them. OpenVINO would turn an INT8 table that
    is scaled before the lookup back into float32 when it compiles the model: for MiniLM-L6 (11.7 M of
    22.7 M parameters in the table) that took 143 MB instead of 64 MB, and 80 ms more.

    Args:
        model: a model whose tables are looked up by ``Gather`` along axis 0.
        kept: names of lookups whose tables stay float32.

    Returns:
        The names of the lookups that were replaced.
    """
    replaced = []
    for node in find_tables(model):
        if node.get_friendly_name() in kept:
            continue
        table, indices = node.input_value(0).get_node(), node.input_value(1)
        lookup = _compressed(table.data, indices, node.get_friendly_name())
        node.output(0).replace(lookup.output(0))
        replaced.append(lookup.get_friendly_name())
    model.validate_nodes_and_infer_types()
    return replaced


def round_tables(model: ov.Model) -> list[str]:
    """Round the float32 tables that a ``Slice`` takes rows of to bfloat16 values, in place.

    Inference in bfloat16 rounds these rows, unless the model is compiled for one length: then OpenVINO
    slices the table beforehand and keeps the rows in float32, and logits differ by up to 0.5. With a rounded
    table they are the same, bit for bit, whether the length is fixed or free.

    Args:
        model: a model whose position tables are sliced.

    Returns:
        The names of the tables.
    """
    rounded = []
    for node in model.get_ordered_ops():
        if node.get_type_name() != "Slice":
            continue
        table = node.input_value(0).get_node()
        if table.get_type_name() != "Constant" or table.get_element_type() != ov.Type.f32:
            continue
        constant = ops.constant(_bfloat16(table.data), name=table.get_friendly_name())
        node.input(0).replace_source_output(constant.output(0))
        rounded.append(constant.get_friendly_name())
    return rounded


def _bfloat16(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round float32 to bfloat16 values, ties to even."""
    bits = values.view(np.uint32)
    upper: NDArray[np.uint32] = (bits + 0x7FFF + (bits >> 16 & 1)) & np.uint32(0xFFFF0000)
    return upper.view(np.float32)


def _compressed(table: np.ndarray, indices: ov.Output, name: str) -> ov.Node:
    """Build a lookup in a table float32[rows, width], stored in symmetric INT8."""
    scale = np.abs(table).max(axis=1, keepdims=True) / np.float32(127)
    scale[scale == 0] = 1
    rows = np.rint(table / scale).astype(np.int8)
    axis = np.int64(0)
    row = ops.gather(ops.constant(rows, name=f"{name}.weight"), indices, axis, name=f"{name}.row")
    factor = ops.gather(ops.constant(scale, name=f"{name}.scale"), indices, axis, name=f"{name}.factor")
    return ops.multiply(ops.convert(row, "f32", name=f"{name}.float"), factor, name=name)
