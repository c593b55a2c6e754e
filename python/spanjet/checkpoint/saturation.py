"""INT8 models on CPUs whose 8-bit sums can saturate."""

import warnings
from pathlib import Path

import numpy as np
import openvino as ov

from spanjet.machine import int8_saturates

__all__ = ["HALF_RANGE", "can_saturate", "warn_of_saturation"]

HALF_RANGE = 64
"""The greatest weight, in steps of INT8, with which no sum saturates: 2 * 255 * 64 is less than 2^15."""


def can_saturate(model: ov.Model) -> bool:
    """Whether a model multiplies activations by INT8 weights beyond ±64.

    Rows of INT8 tables are converted before anything is multiplied, and are no such weights.
    """
    quantizes = any(node.get_type_name() == "FakeQuantize" for node in model.get_ordered_ops())
    return quantizes and any(
        node.get_type_name() == "Constant"
        and node.get_element_type() == ov.Type.i8
        and not _is_looked_up(node)
        and int(np.abs(node.data.astype(np.int16)).max(initial=0)) > HALF_RANGE
        for node in model.get_ordered_ops()
    )


def warn_of_saturation(model: ov.Model, path: Path) -> None:
    """Warn where a model of full-range INT8 weights is to run on a CPU without VNNI."""
    if int8_saturates() and can_saturate(model):
        warnings.warn(
            f"{path}: this CPU has no VNNI, and the model's INT8 weights use the full range: sums can "
            "saturate, and answers be wrong; quantize it again with --cpu any, or use the float checkpoint",
            RuntimeWarning,
            stacklevel=4,
        )


def _is_looked_up(constant: ov.Node) -> bool:
    ports = constant.output(0).get_target_inputs()
    return all(port.get_node().get_type_name() == "Gather" for port in ports)
