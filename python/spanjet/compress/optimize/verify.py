"""Measure a model's accuracy on held-out questions and its speed relative to the unpruned INT8 model."""

from collections.abc import Sequence
from typing import Any

from spanjet.config import RuntimeConfig, WindowConfig
from spanjet.evaluate import evaluate
from spanjet.files.datasets.dataset import Question, SquadDataset
from spanjet.measure.operations import measure_operations
from spanjet.measure.progress import OnStep, Progress, ignore_step
from spanjet.measure.rounds import WARM_UPS, timed
from spanjet.measure.workload import Workload, compare_inference
from spanjet.model import Model
from spanjet.reader.reader import Reader
from spanjet.runtime.engine import ModelInputs, Runtime

__all__ = ["compare_operations", "compare_speed", "measure_scores"]

ROUNDS = 5
# Approximate maximum seconds of a round of the unpruned model, with at least this many questions, which are
# timed first to find the number.
_SECONDS, _LEAST = 4.0, 32


def measure_scores(
    model: Model,
    dataset: SquadDataset,
    windows: WindowConfig,
    *,
    name: str,
    progress: Progress,
    exact: bool = False,
    int8: bool | None = None,
) -> dict[str, Any]:
    """Measure exact match and F1 in percent.

    Args:
        model: model to score.
        dataset: questions to ask.
        windows: window settings.
        name: description for the progress bar.
        progress: progress bars.
        exact: compute in float32; otherwise in the precision that OpenVINO chooses for this CPU.
        int8: see `RuntimeConfig`.
    """
    reader = Reader(
        model,
        window_config=windows,
        runtime_config=RuntimeConfig(precision="f32" if exact else None, int8=int8, cache_dir=None),
    )
    with progress(name) as bar:
        return evaluate(reader, dataset, threshold=None, on_step=bar).scores.as_dict()


def compare_speed(
    plain: Model,
    result: Model,
    questions: Sequence[Question],
    windows: WindowConfig,
    *,
    on_step: OnStep = ignore_step,
) -> dict[str, Any]:
    """Time inference of two models on the same windows, in alternating rounds, on all CPUs of the process.

    Args:
        plain: the unpruned INT8 model.
        result: the optimised INT8 model.
        questions: questions to make windows of; as many are used as the unpruned model runs in some seconds.
        windows: window settings.
        on_step: called after each run of a model.

    Returns:
        Median windows per second of ``plain`` and ``optimized``; the median and quartiles of their ratio over
        the rounds; and the settings of the measurement.
    """
    readers = {
        name: Reader(model, window_config=windows, runtime_config=RuntimeConfig(cache_dir=None))
        for name, model in (("plain", plain), ("optimized", result))
    }
    few = questions[: _affordable(readers["plain"], questions)]
    found = compare_inference(readers, few, rounds=ROUNDS, warm_ups=WARM_UPS, on_step=on_step)
    ratio = found.speed_up("optimized", "plain")
    quartiles = [round(ratio.low, 3), round(ratio.high, 3)]
    return found.as_dict({"optimized_over_plain": round(ratio.median, 3), "quartiles": quartiles})


def _affordable(plain: Reader, questions: Sequence[Question]) -> int:
    """Choose the number of questions of a round from a timed run."""
    first = Workload.of(plain, questions[:_LEAST])
    seconds = min(timed(first.infer).wall for _ in range(1 + WARM_UPS))
    return max(_LEAST, int(_LEAST * _SECONDS / seconds))


def compare_operations(
    plain: Model, result: Model, batches: Sequence[ModelInputs]
) -> dict[str, dict[str, float]]:
    """Measure milliseconds by part of the model on the same batches, for both models."""
    runtime = RuntimeConfig(cache_dir=None)
    found = {}
    for name, model in (("plain", plain), ("optimized", result)):
        times = measure_operations(Runtime(model.model, runtime), batches)
        found[name] = {part.name: round(part.milliseconds, 3) for part in times.by_part()}
    return found
