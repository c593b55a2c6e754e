"""Optimise a checkpoint: the INT8 model that this CPU runs fastest under an accuracy floor.

What is removed is chosen by the time that it takes on this machine and by what the answers lose: see
`OptimizationRun` for the stages. Nothing but SQuAD-like questions is needed, and no torch: they are divided
by contexts into those that weights are fitted to, those that are searched with, and those on which F1 is
measured and nothing else is done.

Each stage's result is kept, known by all that it depends on: the same call after an interruption goes on
where that one stopped, and gives the same model, bit for bit; one with another floor or budget takes what is
there.
"""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spanjet.compress.card import describe_quantization, describe_scores, describe_tools
from spanjet.compress.data import QuestionFile
from spanjet.compress.optimize.card import describe_optimization
from spanjet.compress.optimize.config import OptimizeConfig
from spanjet.compress.optimize.pareto_builder import ParetoBuilder
from spanjet.compress.optimize.run import OptimizationRun
from spanjet.compress.optimize.time_estimate import Plan, plan_run, probe
from spanjet.compress.optimize.verify import compare_operations, compare_speed, measure_scores
from spanjet.compress.quantize.ptq import import_nncf
from spanjet.compress.search.pareto import choose
from spanjet.measure.memory import peak_megabytes, reset_peak
from spanjet.measure.progress import Progress, no_progress
from spanjet.model import Model, write_model_directory
from spanjet.model.directory import COMPANIONS, GRAPH
from spanjet.model.safetensors import SINGLE
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
    overwrite: bool = False,
    license_name: str | None = None,
    progress: Progress = no_progress,
    on_plan: Callable[[Plan], None] = lambda _plan: None,
) -> dict[str, Any]:
    """Find the fastest architecture that holds an accuracy floor, write it in INT8, and return its card.

    Args:
        checkpoint: a checkpoint of the BERT family, as `Network.load` takes it.
        data: SQuAD file to learn from and to hold the floor on; never one to measure on afterwards.
        out: the directory to make.
        config: what is searched for; default: ``OptimizeConfig()``.
        work: directory for the stages' results; default: ``OUT.stages``. It stays there.
        export: where the float32 checkpoint of the result is written too; None: nowhere.
        evaluation: SQuAD file to measure F1 and EM on at last, before and after; None: not measured.
        overwrite: whether directories at ``out`` and ``export`` are replaced.
        license_name: the weights' licence, an SPDX identifier, for the card.
        progress: shows a bar for each part.
        on_plan: called with the plan before the work begins.

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
    outputs = _Outputs.checked(out, export, overwrite=overwrite)
    import_nncf()
    work = outputs.model.with_name(f"{outputs.model.name}.stages") if work is None else work
    config = config or OptimizeConfig()
    run = OptimizationRun.load(checkpoint, data, work, evaluation, config=config, progress=progress)
    with run.stages.locked():
        plan = _plan(run)
        on_plan(plan)
        result, network, made = _make(run)
        card = {"license": license_name, **made, "run": _describe_run(plan, began), **describe_tools()}
        return outputs.write(result, network, card)


@dataclass(frozen=True)
class _Outputs:
    """The directories that are written, and whether they may be replaced."""

    model: Path
    export: Path | None
    overwrite: bool

    @classmethod
    def checked(
        cls, out: str | os.PathLike[str], export: str | os.PathLike[str] | None, *, overwrite: bool
    ) -> "_Outputs":
        """Check that both may be written, before the work for them is done."""
        outputs = cls(Path(out), None if export is None else Path(export), overwrite)
        check_free(outputs.model, mark=GRAPH, overwrite=overwrite)
        if outputs.export is not None:
            check_free(outputs.export, mark=SINGLE, overwrite=overwrite)
        return outputs

    def write(self, result: Model, network: Path, card: dict[str, Any]) -> dict[str, Any]:
        """Write the INT8 model and the float32 network that it was made of, and return the card."""
        if self.export is not None:
            with staged(self.export, mark=SINGLE, overwrite=self.overwrite) as stage:
                shutil.copytree(network, stage, dirs_exist_ok=True)
        return write_model_directory(
            self.model,
            result.model,
            card={"name": self.model.name, **card},
            companions={name: network / name for name in COMPANIONS if (network / name).is_file()},
            overwrite=self.overwrite,
        )


def _plan(run: OptimizationRun) -> Plan:
    """Estimate the time of the stages from a short probe."""
    found = probe(run.reader, run.reader.model.model, run.splits.search[:_PROBED])
    return plan_run(found, run.config, layers=len(run.network.shapes))


def _describe_run(plan: Plan, began: float) -> dict[str, Any]:
    return {
        "planned_seconds": round(plan.seconds),
        "seconds": round(time.monotonic() - began),
        "peak_megabytes": peak_megabytes(),
    }


def _make(run: OptimizationRun) -> tuple[Model, Path, dict[str, Any]]:
    """Make the chosen INT8 model, the directory of its float32 network, and what the card says of them."""
    points = ParetoBuilder(run)
    front = points.front()
    chosen = choose(front, run.config.budget, keep_best=run.config.keep_best)
    result = run.builder.int8(chosen.shapes)
    scores = {
        "float32": points.start,
        "plain": points.scores(run.network.shapes),
        "optimized": points.scores(chosen.shapes),
    }
    card = {
        "source": run.source,
        "optimization": describe_optimization(run, front, chosen, scores),
        "quantization": describe_quantization(run.windows, run.config.quantization()),
        "evaluation": None if run.evaluation is None else _evaluate(points, result, run.evaluation),
        "speed": _compare_speed(run, points.plain, result),
        "operations": compare_operations(points.plain, result, points.timer.batches),
    }
    return result, run.builder.checkpoint(chosen.shapes), card


def _compare_speed(run: OptimizationRun, plain: Model, result: Model) -> dict[str, Any]:
    with run.progress("speed") as bar:
        return compare_speed(plain, result, run.splits.held_out.questions, run.windows, on_step=bar)


def _evaluate(points: ParetoBuilder, result: Model, file: QuestionFile) -> dict[str, Any]:
    """Measure the start in float32, the plain INT8 model and the result on another file."""
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
            progress=run.progress,
            exact=exact,
            int8=None if exact else run.int8,
        )
        for name, (model, exact) in models.items()
    }
    return describe_scores(file.path, run.windows, scores, questions=len(file.dataset))
