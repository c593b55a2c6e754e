"""The proof: accuracy on questions that nothing has seen, and speed beside the plain INT8 model."""

from collections.abc import Callable, Sequence
from typing import Any

from spanjet.bench.operations import measure_operations
from spanjet.compress.quantize.trials import Bars
from spanjet.config import RuntimeConfig, WindowConfig
from spanjet.evaluate import Question, SquadDataset, evaluate
from spanjet.measure.rounds import WARM_UPS, Spread, alternate, ratios, timed
from spanjet.measure.workload import Workload
from spanjet.model import Model
from spanjet.reader.reader import Reader
from spanjet.runtime.engine import ModelInputs, Runtime

__all__ = ["ROUNDS", "compare_operations", "compare_speed", "measure_scores"]

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
    bars: Bars,
    exact: bool = False,
    int8: bool | None = None,
) -> dict[str, Any]:
    """EM and F1 in percent.

    Args:
        model: what answers.
        dataset: what is asked.
        windows: how texts are cut.
        name: what is measured, for the bar.
        bars: shows progress.
        exact: whether the arithmetic is float32; else what OpenVINO chooses for this CPU.
        int8: see `RuntimeConfig`.
    """
    reader = Reader(
        model,
        window_config=windows,
        runtime_config=RuntimeConfig(precision="f32" if exact else None, int8=int8, cache_dir=None),
    )
    with bars(name) as bar:
        return evaluate(reader, dataset, threshold=None, progress=bar).scores.as_dict()


def compare_speed(
    plain: Model,
    result: Model,
    questions: Sequence[Question],
    windows: WindowConfig,
    *,
    on_turn: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Inference alone on the same windows, in alternating rounds, with all CPUs of this process.

    Args:
        plain: the INT8 model that nothing was cut from.
        result: what became of it.
        questions: whose windows are inferred, as many as the plain model infers in some seconds.
        windows: how they are cut.
        on_turn: called ``2 * (ROUNDS + WARM_UPS)`` times.

    Returns:
        Windows a second of ``plain`` and ``optimized``, medians; the median and the quartiles of the rounds'
        ratios; and what was run.
    """
    readers = {
        name: Reader(model, window_config=windows, runtime_config=RuntimeConfig(cache_dir=None))
        for name, model in (("plain", plain), ("optimized", result))
    }
    timed_questions = questions[: _affordable(readers["plain"], questions)]
    work = {name: _workload(reader, timed_questions) for name, reader in readers.items()}
    turns = alternate({name: each.infer for name, each in work.items()}, ROUNDS, on_turn, warm_ups=WARM_UPS)
    ratio = Spread.of(ratios(turns["plain"], turns["optimized"]))
    count = work["plain"].windows
    return {
        "unit": "windows/s",
        **{
            name: round(count / Spread.of([turn.wall for turn in each]).median, 2)
            for name, each in turns.items()
        },
        "optimized_over_plain": round(ratio.median, 3),
        "quartiles": [round(ratio.low, 3), round(ratio.high, 3)],
        "windows": count,
        "tokens": work["plain"].tokens,
        "rounds": ROUNDS,
    }


def _affordable(plain: Reader, questions: Sequence[Question]) -> int:
    """Count the questions that a round may have."""
    first = _workload(plain, questions[:_LEAST])
    seconds = min(timed(first.infer).wall for _ in range(1 + WARM_UPS))
    return max(_LEAST, int(_LEAST * _SECONDS / seconds))


def _workload(reader: Reader, questions: Sequence[Question]) -> Workload:
    return Workload(reader, [each.question for each in questions], [each.context for each in questions])


def compare_operations(
    plain: Model, result: Model, batches: Sequence[ModelInputs]
) -> dict[str, dict[str, float]]:
    """Milliseconds by part of the model, of the same batches in both models."""
    runtime = RuntimeConfig(cache_dir=None)
    found = {}
    for name, model in (("plain", plain), ("optimized", result)):
        times = measure_operations(Runtime(model.model, runtime), batches)
        found[name] = {part.name: round(part.milliseconds, 3) for part in times.by_part()}
    return found
