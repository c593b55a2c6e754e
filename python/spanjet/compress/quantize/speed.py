"""Measure the windows per second of a model before and after quantization."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from spanjet.config import RuntimeConfig, WindowConfig
from spanjet.files.datasets.dataset import Question
from spanjet.measure.progress import OnStep, ignore_step
from spanjet.measure.workload import compare_inference
from spanjet.model import Model
from spanjet.reader.reader import Reader
from spanjet.runtime.openvino import ov

__all__ = ["measure_speed"]

ROUNDS = 3


def measure_speed(
    original: Model,
    int8: ov.Model,
    questions: Sequence[Question],
    windows: WindowConfig,
    *,
    on_step: OnStep = ignore_step,
) -> dict[str, Any]:
    """Time inference of both models in alternating rounds, on all CPUs of the process.

    Args:
        original: the float32 model; timed in float32, and in OpenVINO's default precision on this CPU.
        int8: the quantized model.
        questions: questions to make windows of.
        windows: window settings.
        on_step: called after each run of a model.

    Returns:
        Median windows per second of ``float32``, ``default`` and ``int8``; the median over the rounds of the
        ratios of ``int8`` to each; and the settings of the measurement.
    """
    models = {
        "float32": (original, RuntimeConfig(precision="f32", cache_dir=None)),
        "default": (original, RuntimeConfig(cache_dir=None)),
        "int8": (replace(original, model=int8), RuntimeConfig(cache_dir=None)),
    }
    readers = {
        name: Reader(model, window_config=windows, runtime_config=runtime)
        for name, (model, runtime) in models.items()
    }
    found = compare_inference(readers, questions, rounds=ROUNDS, on_step=on_step)
    return found.as_dict(
        {
            f"int8_over_{name}": round(found.speed_up("int8", name).median, 3)
            for name in ("float32", "default")
        }
    )
