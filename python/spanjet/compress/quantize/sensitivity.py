"""Measure the sensitivity of a model's logits to quantization."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spanjet.runtime.openvino import ov, shared_core
from spanjet.runtime.ports import OUTPUTS

__all__ = ["logits_of", "relative_error"]


def logits_of(model: ov.Model, inputs: Sequence[dict[str, NDArray[np.int32]]]) -> NDArray[np.float32]:
    """Compute the start and end logits of some windows in float32, float32[2, tokens].

    Args:
        model: a question-answering model.
        inputs: model inputs of single windows, without padding.
    """
    compiled = shared_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    logits = []
    for item in inputs:
        outputs = compiled(item)
        logits.append(np.concatenate([outputs[name] for name in OUTPUTS]))
    return np.concatenate(logits, axis=1)


def relative_error(logits: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Compute the mean squared error relative to the variance of the expected logits."""
    error = np.square(logits.astype(np.float64) - expected).mean()
    variance = expected.astype(np.float64).var(axis=1).mean()
    return float(error / variance) if variance > 0 else float(error)
