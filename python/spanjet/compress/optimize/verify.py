"""Verify a model: accuracy on unseen questions, and speed beside the plain INT8 model."""

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
# Seconds of a round of the plain model at most, about, but for this many questions; the first that are timed
# show how many that is.
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
    """Measure EM and F1 in percent.

    Args:
        model: what answers.
        dataset: what is asked.
        windows: how texts are cut.
        name: what is measured, for the bar.
        progress: shows a bar.
        exact: whether the arithmetic is float32; else what OpenVINO chooses for this CPU.
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
    """Time inference alone on the same windows, in alternating rounds, with all CPUs of this process.

    Args:
        plain: the INT8 model that nothing was cut from.
        result: what became of it.
        questions: whose windows are inferred, as many as the plain model infers in some seconds.
        windows: how they are cut.
        on_step: called after each run.

    Returns:
        Windows a second of ``plain`` and ``optimized``, medians; the median and the quartiles of the rounds'
        ratios; and what was run.
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
    """Choose how many questions a round may have."""
    first = Workload.of(plain, questions[:_LEAST])
    seconds = min(timed(first.infer).wall for _ in range(1 + WARM_UPS))
    return max(_LEAST, int(_LEAST * _SECONDS / seconds))


def compare_operations(
    plain: Model, result: Model, batches: Sequence[ModelInputs]
) -> dict[str, dict[str, float]]:
    """Measure milliseconds by part of the model, of the same batches in both models."""
    runtime = RuntimeConfig(cache_dir=None)
    found = {}
    for name, model in (("plain", plain), ("optimized", result)):
        times = measure_operations(Runtime(model.model, runtime), batches)
        found[name] = {part.name: round(part.milliseconds, 3) for part in times.by_part()}
    return found
