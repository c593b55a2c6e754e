"""Compress embedding tables to INT8 or INT4, and round position tables to bfloat16 values."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.quantize.config import TablePrecision
from spanjet.compress.quantize.group_quantization import (
    GROUP_SIZE,
    LEAST_SIZE,
    MAGNITUDE,
    dequantize_groups,
    find_group_size,
    quantize_groups,
)
from spanjet.compress.quantize.lookups import int4_lookup, int8_lookup, quantize_rows
from spanjet.runtime.openvino import ops, ov

__all__ = [
    "StoredPrecision",
    "check_suits_int4",
    "choose_precisions",
    "compress_tables",
    "describe_tables",
    "find_tables",
    "round_tables",
    "suits_int4",
    "table_bytes",
]

StoredPrecision = Literal["float32", "int8", "int4"]
"""Precision that one table is stored in."""

# A table with fewer rows does not justify a second lookup.
_LEAST_ROWS = 1024
_RESTORED: Mapping[StoredPrecision, StoredPrecision] = {"int4": "int8", "int8": "float32"}


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


def suits_int4(model: ov.Model) -> bool:
    """Return True if a model has an embedding table that can be INT4."""
    return "int4" in choose_precisions(model, "int4").values()


def check_suits_int4(model: ov.Model, path: Path) -> None:
    """Check that a model has an embedding table that can be INT4.

    Args:
        model: a model whose tables are float32.
        path: where it comes from, for the message.

    Raises:
        ValueError: it has none.
    """
    if not suits_int4(model):
        raise ValueError(
            f"{path}: no embedding table can be INT4; expected one of at least {_LEAST_ROWS} rows of an even "
            f"number of elements, with a divisor from {LEAST_SIZE} to {GROUP_SIZE}: choose int8 or auto"
        )


def choose_precisions(
    model: ov.Model, precision: TablePrecision, *, restored: Collection[str] = ()
) -> dict[str, StoredPrecision]:
    """Choose the precision of each table.

    Args:
        model: a model whose tables are float32.
        precision: precision of the tables. Those that INT4 does not suit, because their rows cannot be
            divided into groups or their scales would exceed float16, become INT8.
        restored: names of lookups whose tables get the next higher precision: INT8 instead of INT4, float32
            instead of INT8.

    Returns:
        Precisions by the names of the lookups.
    """
    chosen: dict[str, StoredPrecision] = {}
    for lookup in find_tables(model):
        name, suits = _name(lookup), precision == "int8" or _suits_int4(_table(lookup))
        chosen[name] = precision if suits else "int8"
        if name in restored:
            chosen[name] = _RESTORED[chosen[name]]
    return chosen


def compress_tables(
    model: ov.Model, *, precision: TablePrecision = "int8", restored: Collection[str] = ()
) -> list[str]:
    """Replace float32 embedding tables by INT8 or INT4 ones, in place.

    Args:
        model: a model whose tables are looked up by ``Gather`` along axis 0.
        precision: see `choose_precisions`.
        restored: see `choose_precisions`.

    Returns:
        The names of the lookups that were replaced.
    """
    chosen = choose_precisions(model, precision, restored=restored)
    replaced = []
    for node in find_tables(model):
        name = _name(node)
        if chosen[name] == "float32":
            continue
        look_up = int4_lookup if chosen[name] == "int4" else int8_lookup
        node.output(0).replace(look_up(_table(node), node.input_value(1), name).output(0))
        replaced.append(name)
    model.validate_nodes_and_infer_types()
    return replaced


def table_bytes(model: ov.Model, precision: TablePrecision, *, restored: Collection[str] = ()) -> int:
    """Return the size of a model's tables in its file once they are compressed, with their scales.

    Args:
        model: a model whose tables are float32.
        precision: see `choose_precisions`.
        restored: see `choose_precisions`.
    """
    chosen = choose_precisions(model, precision, restored=restored)
    return sum(_bytes(_table(lookup).shape, chosen[_name(lookup)]) for lookup in find_tables(model))


def describe_tables(
    model: ov.Model, precision: TablePrecision, *, restored: Collection[str] = ()
) -> dict[str, dict[str, Any]]:
    """Describe a model's tables once they are compressed, for its card.

    Args:
        model: a model whose tables are float32.
        precision: see `choose_precisions`.
        restored: see `choose_precisions`.

    Returns:
        By the names of the lookups: ``precision``; ``group_size``, the number of elements that share a scale;
        ``bytes`` in the file; and ``relative_error``, the mean squared error over the mean square.
    """
    chosen = choose_precisions(model, precision, restored=restored)
    described = {}
    for lookup in find_tables(model):
        table, stored = _table(lookup), chosen[_name(lookup)]
        error = np.square(_rounded(table, stored) - table).mean()
        power = max(np.square(table).mean(), np.finfo(np.float32).tiny)
        described[_name(lookup)] = {
            "precision": stored,
            "group_size": _group_size(table.shape[1], stored),
            "bytes": _bytes(table.shape, stored),
            "relative_error": float(f"{error / power:.3g}"),
        }
    return described


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


def _name(lookup: ov.Node) -> str:
    name: str = lookup.get_friendly_name()
    return name


def _table(lookup: ov.Node) -> NDArray[np.float32]:
    values: NDArray[np.float32] = lookup.input_value(0).get_node().data
    return values


def _suits_int4(table: NDArray[np.float32]) -> bool:
    return find_group_size(table.shape[1]) is not None and bool(np.abs(table).max() < MAGNITUDE)


def _rounded(table: NDArray[np.float32], precision: StoredPrecision) -> NDArray[np.float32]:
    """Return the values of a table after it was compressed."""
    if precision == "int4":
        return dequantize_groups(*quantize_groups(table))
    if precision == "int8":
        rows, scales = quantize_rows(table)
        return rows * scales
    return table


def _group_size(width: int, precision: StoredPrecision) -> int | None:
    """Return the number of elements that share a scale; None in float32."""
    return {"int4": find_group_size(width), "int8": width, "float32": None}[precision]


def _bytes(shape: tuple[int, ...], precision: StoredPrecision) -> int:
    """Return the size of a table in a model's file, with its scales."""
    rows, width = shape
    size = _group_size(width, precision)
    if size is None:
        return 4 * rows * width
    # INT4 groups have float16 scales, INT8 rows have float32 ones.
    return rows * (width // 2 + 2 * width // size if precision == "int4" else width + 4)
