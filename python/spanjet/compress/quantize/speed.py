"""Windows a second, of models that run in turn."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from spanjet.config import RuntimeConfig, WindowConfig
from spanjet.evaluate import Question
from spanjet.measure.rounds import Spread, alternate, ratios
from spanjet.measure.workload import Workload
from spanjet.model import Model
from spanjet.reader.reader import Reader
from spanjet.runtime.openvino import ov

__all__ = ["TURNS", "measure_speed"]

ROUNDS = 3
#: How often each model runs.
TURNS = ROUNDS + 1


def measure_speed(
    original: Model,
    int8: ov.Model,
    questions: Sequence[Question],
    windows: WindowConfig,
    *,
    on_turn: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Inference alone, in alternating rounds, with all CPUs of this process.

    Args:
        original: the model before, which runs in float32, and as OpenVINO runs it by default on this CPU.
        int8: the model after.
        questions: whose windows are inferred.
        windows: how they are cut.
        on_turn: called ``3 * TURNS`` times.

    Returns:
        Windows a second of ``float32``, ``default`` and ``int8``, medians; the median of the rounds' ratios
        of ``int8`` to each; and what was run.
    """
    models: Mapping[str, tuple[Model, RuntimeConfig]] = {
        "float32": (original, RuntimeConfig(precision="f32", cache_dir=None)),
        "default": (original, RuntimeConfig(cache_dir=None)),
        "int8": (replace(original, model=int8), RuntimeConfig(cache_dir=None)),
    }
    asked, contexts = [each.question for each in questions], [each.context for each in questions]
    work = {
        name: Workload(Reader(model, window_config=windows, runtime_config=runtime), asked, contexts)
        for name, (model, runtime) in models.items()
    }
    turns = alternate({name: each.infer for name, each in work.items()}, ROUNDS, on_turn)
    count = work["int8"].windows
    rates = {
        name: round(count / Spread.of([turn.wall for turn in each]).median, 2) for name, each in turns.items()
    }
    return {
        "unit": "windows/s",
        **rates,
        **{
            f"int8_over_{name}": round(Spread.of(ratios(turns[name], turns["int8"])).median, 3)
            for name in ("float32", "default")
        },
        "windows": count,
        "tokens": work["int8"].tokens,
        "rounds": ROUNDS,
    }
