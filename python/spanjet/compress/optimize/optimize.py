"""A checkpoint to the INT8 model that this CPU runs fastest under an accuracy floor."""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spanjet.compress.card import describe_scores, describe_source, describe_tools
from spanjet.compress.latency.profile import LatencySettings
from spanjet.compress.optimize.card import describe_optimization
from spanjet.compress.optimize.config import OptimizeConfig
from spanjet.compress.optimize.pareto_builder import ParetoBuilder
from spanjet.compress.optimize.run import Run, counter
from spanjet.compress.optimize.time_estimate import Plan, plan_run, probe
from spanjet.compress.optimize.verify import ROUNDS, compare_operations, compare_speed, measure_scores
from spanjet.compress.prune.network import Network
from spanjet.compress.quantize.ptq import METHOD, import_nncf
from spanjet.compress.quantize.run import SquadFile
from spanjet.compress.quantize.trials import Bars, no_bars
from spanjet.compress.search.pareto import choose
from spanjet.compress.stages import Stages
from spanjet.measure.memory import peak_megabytes, reset_peak
from spanjet.measure.rounds import WARM_UPS
from spanjet.model import Model, write_model_directory
from spanjet.model.directory import COMPANIONS, GRAPH
from spanjet.model.shards import SINGLE
from spanjet.storage import check_free, staged

__all__ = ["optimize_checkpoint"]

# Questions whose windows are timed for the plan.
_PROBED = 8


def optimize_checkpoint(
    checkpoint: str | os.PathLike[str],
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    config: OptimizeConfig | None = None,
    work: str | os.PathLike[str] | None = None,
    export: str | os.PathLike[str] | None = None,
    evaluation: str | os.PathLike[str] | None = None,
    latency: LatencySettings | None = None,
    overwrite: bool = False,
    license_name: str | None = None,
    bars: Bars = no_bars,
    on_plan: Callable[[Plan], None] = lambda _plan: None,
) -> dict[str, Any]:
    """Make an INT8 model directory of a checkpoint, with fewer heads and units where they are missed least.

    What is removed is chosen by the time that it takes on this machine and by what the answers lose: see
    `compress.optimize.run.Run` for the stages. Nothing but SQuAD-like questions is needed, and no torch:
    they are divided by contexts: some to fit weights to, some to search with, and some on which F1
    is measured and nothing else is done.

    Each stage's result is kept in ``work``, known by all that it depends on: the same call after an
    interruption goes on where that one stopped, and gives the same model, bit for bit; one with another floor
    or budget takes what is there.

    Args:
        checkpoint: a checkpoint of the BERT family, as `Network.load` takes it.
        data: SQuAD file to learn from and to hold the floor on; never one to measure on afterwards.
        out: the directory to make.
        config: what is searched for; default: ``OptimizeConfig()``.
        work: directory for the stages; default: ``OUT.stages``. It stays there.
        export: where the float32 checkpoint of the result is written too; None: nowhere.
        evaluation: SQuAD file to measure F1 and EM on at last, before and after; None: not measured.
        latency: how much is measured for the latency table; default: ``LatencySettings()``.
        overwrite: whether directories at ``out`` and ``export`` are replaced.
        license_name: the weights' licence, an SPDX identifier, for the card.
        bars: shows progress, one bar for each part.
        on_plan: called with the plan before the work begins.

    Returns:
        The card that was written.

    Raises:
        ImportError: NNCF is not installed.
        FileExistsError: ``out`` or ``export`` exists and may not be replaced, or ``work`` is something else.
        BlockingIOError: another process works in ``work``.
        OSError: a file is missing or cannot be read or written.
        ValueError: a file is malformed, the architecture's layers cannot be cut, there are too few questions,
            or no architecture holds the floor.
    """
    began = time.monotonic()
    reset_peak()
    out = Path(out)
    check_free(out, mark=GRAPH, overwrite=overwrite)
    if export is not None:
        check_free(Path(export), mark=SINGLE, overwrite=overwrite)
    import_nncf()
    config = OptimizeConfig() if config is None else config
    network = Network.load(checkpoint)
    run = Run(
        network=network,
        source=describe_source(network.loaded()),
        data=SquadFile.load(data),
        config=config,
        stages=Stages(out.with_name(f"{out.name}.stages") if work is None else Path(work)),
        bars=bars,
        latency=LatencySettings() if latency is None else latency,
    )
    evaluated = None if evaluation is None else SquadFile.load(evaluation)
    with run.stages.locked():
        found = probe(run.reader, run.reader.model.model, run.material.search[:_PROBED])
        plan = plan_run(found, config, layers=len(network.shapes))
        on_plan(plan)
        result, best, values = _make(run, evaluated)
        card = {
            "name": out.name,
            "license": license_name,
            "source": run.source,
            **values,
            "run": {
                "planned_seconds": round(plan.seconds),
                "seconds": round(time.monotonic() - began),
                "peak_megabytes": peak_megabytes(),
            },
            **describe_tools(),
        }
        if export is not None:
            with staged(Path(export), mark=SINGLE, overwrite=overwrite) as stage:
                shutil.copytree(best, stage, dirs_exist_ok=True)
        companions = {name: best / name for name in COMPANIONS if (best / name).is_file()}
        return write_model_directory(out, result.model, card=card, companions=companions, overwrite=overwrite)


def _make(run: Run, evaluated: SquadFile | None) -> tuple[Model, Path, dict[str, Any]]:
    """The chosen INT8 model, the directory of its float32 network, and what the card says of them."""
    points = ParetoBuilder(run)
    front = points.front()
    chosen = choose(front, run.config.budget, keep_best=run.config.keep_best)
    result = run.builder.int8(chosen.shapes)
    scores = {
        "float32": points.start,
        "plain": points.scores(run.network.shapes),
        "optimized": points.scores(chosen.shapes),
    }
    described = describe_optimization(run, front, chosen, scores)
    with run.bars("speed") as bar:
        questions = run.material.held_out.questions
        steps = counter(bar, 2 * (ROUNDS + WARM_UPS))
        speed = compare_speed(points.plain, result, questions, run.windows, on_turn=steps)
    return (
        result,
        run.builder.checkpoint(chosen.shapes),
        {
            "optimization": described,
            "quantization": {
                "method": METHOD,
                "cpu": run.config.quantization().target,
                "overflow_fix": run.half_range,
                "windows": asdict(run.windows),
            },
            "evaluation": None if evaluated is None else _evaluate(points, result, evaluated),
            "speed": speed,
            "operations": compare_operations(points.plain, result, points.stopwatch.batches),
        },
    )


def _evaluate(points: ParetoBuilder, result: Model, file: SquadFile) -> dict[str, Any]:
    """Scores of the start in float32, of the plain INT8 model and of the result on another file."""
    run = points.run
    models = {
        "float32": (run.network.loaded(), True),
        "plain": (points.plain, False),
        "optimized": (result, False),
    }
    scores = {
        name: measure_scores(
            model,
            file.dataset,
            run.windows,
            name=f"{name} on {file.path.name}",
            bars=run.bars,
            exact=exact,
            int8=None if exact else run.int8,
        )
        for name, (model, exact) in models.items()
    }
    return describe_scores(file.path, run.windows, scores, questions=len(file.dataset))
