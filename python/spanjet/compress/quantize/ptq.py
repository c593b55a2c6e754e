"""Quantize a float32 model to INT8 with NNCF (post-training quantization)."""

import contextlib
import io
import itertools
import logging
import os
from collections.abc import Callable, Collection, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.quantize.config import TablePrecision
from spanjet.compress.quantize.embeddings import compress_tables, round_tables
from spanjet.extras import import_extra
from spanjet.measure.progress import OnStep, ignore_step
from spanjet.runtime.openvino import ov
from spanjet.runtime.products import is_product, is_weight

__all__ = ["METHOD", "calibrate", "finish", "import_nncf", "quantize"]

METHOD = "NNCF post-training INT8, transformer preset with SmoothQuant"

# NNCF reads the calibration data about once for SmoothQuant and once for the ranges of activations.
_PASSES = 2


def import_nncf() -> ModuleType:
    """Import NNCF, which is an optional extra.

    Raises:
        ImportError: it is not installed.
    """
    # NNCF reports its use over the network unless this is set when it is imported.
    os.environ.setdefault("NNCF_CI", "1")
    return import_extra("nncf", extra="quantize", purpose="quantization needs NNCF")  # type: ignore[no-any-return]


def calibrate(
    model: ov.Model,
    inputs: Sequence[dict[str, NDArray[np.int32]]],
    *,
    half_range: bool = False,
    on_step: OnStep = ignore_step,
    verbose: bool = False,
) -> ov.Model:
    """Quantize the weights and activations of matrix products to INT8.

    NNCF's preset for transformers: SmoothQuant (Xiao et al. 2022, arXiv 2211.10438), weights
    symmetric for each output channel, activations for each tensor, and bias correction.

    Args:
        model: a float32 model; it is not changed.
        inputs: calibration data, each item the inputs of one inference.
        half_range: limit weights to 7 bits, -64 to 64, so that the 16-bit sums of x86 CPUs without VNNI do
            not saturate (NNCF's overflow fix).
        on_step: called with the number of finished and of all steps for each calibration sample.
        verbose: let NNCF print to standard output.

    Returns:
        The quantized model, with the inputs and outputs of ``model`` and unchanged tables; see `finish`.

    Raises:
        ImportError: NNCF is not installed.
        ValueError: there are no inputs.
    """
    if not inputs:
        raise ValueError("no calibration data: expected at least one window")
    nncf = import_nncf()

    # Rejected, in time of INT8 MiniLM-L6 at 8 x 192 and 12 x 128 on one core, against 1 here: attention
    # scores in bfloat16 0.98 to 1.00, no more accurate; scale and shift of layer norms folded into the
    # products around them 0.98 to 0.99; no SmoothQuant 1.03, for only its product lets the quantizer fuse.
    nncf.set_log_level(logging.INFO if verbose else logging.ERROR)
    fix = nncf.OverflowFix.ENABLE if half_range else nncf.OverflowFix.DISABLE
    # NNCF's progress bars have no switch.
    silence = contextlib.nullcontext() if verbose else contextlib.redirect_stdout(io.StringIO())
    with silence:
        quantized: ov.Model = nncf.quantize(
            model,
            nncf.Dataset(inputs, _counted(len(inputs), on_step)),
            subset_size=len(inputs),
            model_type=nncf.ModelType.TRANSFORMER,
            ignored_scope=nncf.IgnoredScope(types=["Gather"], names=_costly_products(model)),
            advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix=fix),
        )
    return quantized


def _costly_products(model: ov.Model) -> list[str]:
    """Name the products of activations whose quantizers would cost more than INT8 gains.

    OpenVINO quantizes the queries and keys of attention where it computes them, in their linear layers, which
    takes no time. If something lies between, as rotary positions do, each quantizer is an operation of its
    own, with copies to another memory layout and back.
    """
    # Without them INT8 takes 0.91 of the time at 8 x 128, 0.93 at 4 x 384 and 0.97 at 1 x 2,048
    # (ModernBERT-base's size, bfloat16 elsewhere, one core).
    products = (node for node in model.get_ordered_ops() if is_product(node))
    pairs = ((product, product.input_values()) for product in products)
    return [
        product.get_friendly_name()
        for product, values in pairs
        if not any(map(is_weight, values))
        and values[0].get_node().get_type_name() != "Softmax"
        and not all(map(_is_free, values))
    ]


def _is_free(value: ov.Output) -> bool:
    """Return True if a value is quantized at no cost: a linear layer's, in any shape, or a table's."""
    node = value.get_node()
    kind = node.get_type_name()
    if kind in ("Reshape", "Transpose"):
        return _is_free(node.input_value(0))
    if kind == "Gather":
        return is_weight(node.input_value(0))
    if kind == "Add":
        return any(map(is_weight, node.input_values())) and any(map(_is_free, node.input_values()))
    return is_product(node) and any(map(is_weight, node.input_values()))


def _counted(
    samples: int, on_step: OnStep
) -> Callable[[dict[str, NDArray[np.int32]]], dict[str, NDArray[np.int32]]]:
    """Report each sample that NNCF takes as a step, up to the expected number."""
    total, taken = _PASSES * samples, itertools.count(1)

    def hand_out(item: dict[str, NDArray[np.int32]]) -> dict[str, NDArray[np.int32]]:
        on_step(min(next(taken), total), total)
        return item

    return hand_out


def finish(
    model: ov.Model, *, embeddings: TablePrecision = "int8", restored: Collection[str] = ()
) -> ov.Model:
    """Quantize the tables of a calibrated model, in place, and return the model.

    Embedding tables become INT8 or INT4; position tables keep float32, rounded to bfloat16 values.

    Args:
        model: what `calibrate` returned.
        embeddings: precision of embedding tables.
        restored: names of lookups whose tables get the next higher precision, see
            `spanjet.compress.quantize.embeddings.choose_precisions`.
    """
    compress_tables(model, precision=embeddings, restored=restored)
    round_tables(model)
    return model


def quantize(model: ov.Model, inputs: Sequence[dict[str, NDArray[np.int32]]], **options: Any) -> ov.Model:
    """Quantize a float32 model to INT8: `calibrate`, which takes the options, then `finish`."""
    return finish(calibrate(model, inputs, **options))
