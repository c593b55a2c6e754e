"""Describe a model's parameters, precisions and operations, as loaded and as executed on this CPU."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from spanjet.model.graph.blocks import FIXED
from spanjet.model.load import Model
from spanjet.runtime.cpu import inference_paths
from spanjet.runtime.openvino import ov, shared_core
from spanjet.runtime.precision import suited
from spanjet.runtime.products import is_product, is_quantized_product, is_weight

__all__ = ["describe_execution", "describe_model"]

_PRECISIONS = {
    "i4": "int4",
    "u4": "int4",
    "i8": "int8",
    "u8": "int8",
    "f32": "float32",
    "f16": "float16",
    "bf16": "bfloat16",
}
_LOOKUPS = ("Gather", "Slice")
# Operations of a compiled model without computation.
_IDLE = {"Const", "Input", "Output", "Reshape", "ShapeOf", "Memory"}

NOT_CALIBRATED = "none: scores rank answers, but are no probabilities (see spanjet calibrate)"


def describe_model(model: Model) -> dict[str, Any]:
    """Describe a model: architecture, parameters by part and precision, operations by kind, files and size.

    A matrix product counts as ``int8`` if one of its inputs is: its weights or an activation.
    """
    nodes = model.model.get_ordered_ops()
    products = [node for node in nodes if is_product(node)]
    parts = _parts(nodes)
    kinds = Counter(node.get_type_name() for node in nodes)
    counted = ("Parameter", "Result", "Constant", "FakeQuantize", "MatMul", "Convert", "Reshape", "ShapeOf")
    return {
        "architecture": model.architecture,
        "parameters": sum(sum(part.values()) for part in parts.values()),
        "weights": {name: dict(part) for name, part in parts.items()},
        "products": _by_precision(product for product in products if _has_weight(product)),
        "attention_products": _by_precision(product for product in products if not _has_weight(product)),
        "quantizers": kinds["FakeQuantize"],
        "other_operations": {name: count for name, count in sorted(kinds.items()) if name not in counted},
        "weight_files": [file.name for file in model.weights],
        "bytes": model.weight_bytes,
        "max_length": model.max_length,
        "vocabulary": model.vocab_size,
        "calibration": NOT_CALIBRATED if model.calibration is None else asdict(model.calibration),
    }


def describe_execution(model: Model) -> dict[str, Any]:
    """Compile a model, and describe its execution by OpenVINO on this CPU.

    Returns:
        ``int8``: arithmetic of INT8 matrix products; ``float``: precision of other operations; ``streams``:
        number of parallel batches; ``operations``: number of operations of the compiled model, by kind and
        precision.
    """
    compiled = shared_core().compile_model(suited(model.model), "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"})
    operations: dict[str, Counter[str]] = {}
    for node in compiled.get_runtime_model().get_ordered_ops():
        about = node.get_rt_info()
        kind, precision = (about[key].astype(str) for key in ("layerType", "runtimePrecision"))
        if kind not in _IDLE:
            operations.setdefault(kind, Counter())[precision] += 1
    paths, quantized = inference_paths(), any(is_quantized_product(node) for node in model.model.get_ops())
    return {
        "int8": paths["int8"] if quantized else "not used: the model has no INT8 products",
        "float": compiled.get_property("INFERENCE_PRECISION_HINT").to_string(),
        "streams": compiled.get_property("NUM_STREAMS"),
        "operations": {kind: dict(counts) for kind, counts in sorted(operations.items())},
    }


def _by_precision(products: Iterable[ov.Node]) -> dict[str, int]:
    return dict(Counter("int8" if is_quantized_product(product) else "float" for product in products))


def _has_weight(product: ov.Node) -> bool:
    """Return True if a matrix product has a weight, rather than two activations."""
    return any(map(is_weight, product.input_values()))


def _parts(nodes: Iterable[ov.Node]) -> dict[str, Counter[str]]:
    """Count parameters by part and precision, without scales and limits of quantizers."""
    parts: dict[str, Counter[str]] = {"embeddings": Counter(), "products": Counter(), "vectors": Counter()}
    for node in nodes:
        if node.get_type_name() != "Constant":
            continue
        precision = _PRECISIONS.get(node.get_element_type().to_string())
        part = None if precision is None else _part(node)
        if part is not None and precision is not None:
            parts[part][precision] += math.prod(node.get_output_shape(0))
    return parts


def _part(constant: ov.Node) -> str | None:
    """Name the part of a constant; None for scales and limits of quantizers, and for what is no parameter."""
    if constant.get_friendly_name().endswith(FIXED):
        return None
    shape = tuple(constant.get_output_shape(0))
    if len(shape) == 1:
        return "vectors" if shape[0] > 1 else None
    if _readers(constant) & set(_LOOKUPS):
        return "embeddings" if shape[-1] > 1 else None
    return "products" if sum(length > 1 for length in shape) > 1 else None


def _readers(weight: ov.Node) -> set[str]:
    """Collect the kinds of operations that read a weight, directly or converted and scaled."""
    kinds: set[str] = set()
    for port in weight.output(0).get_target_inputs():
        node = port.get_node()
        kinds |= _readers(node) if is_weight(node.output(0)) else {node.get_type_name()}
    return kinds
