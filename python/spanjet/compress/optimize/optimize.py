"""Optimise a checkpoint: find the INT8 model that this CPU runs fastest under an accuracy floor.

Heads and units are pruned by their measured time on this machine and by the loss of answer quality: see
`OptimizationRun` for the stages. Only SQuAD-like questions are needed, and no torch. Their contexts are split
into those to fit weights to, those to search with, and held-out ones to measure F1 on.

Each stage's result is cached under everything it depends on: the same call after an interruption resumes
where that one stopped, and gives the same model, bit for bit; one with another floor or budget reuses the
results it shares.
"""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spanjet.compress.card import describe_quantization, describe_scores, describe_tools, rounded
from spanjet.compress.data import QuestionFile
from spanjet.compress.optimize.card import describe_optimization
from spanjet.compress.optimize.config import OptimizeConfig
from spanjet.compress.optimize.pareto_builder import ParetoBuilder
from spanjet.compress.optimize.run import OptimizationRun
from spanjet.compress.optimize.time_estimate import Plan
from spanjet.compress.optimize.verify import compare_operations, compare_speed, measure_scores
from spanjet.compress.quantize.embeddings import describe_tables, table_bytes
from spanjet.compress.quantize.ptq import import_nncf
from spanjet.compress.search.pareto import choose
from spanjet.measure.progress import Progress, no_progress
from spanjet.model import Model, write_model_directory
from spanjet.model.directory import COMPANIONS, GRAPH
from spanjet.model.weights import SAFETENSORS
from spanjet.runtime.machine import peak_megabytes, reset_peak
from spanjet.storage import beside, check_free, staged

__all__ = ["optimize_checkpoint"]


def optimize_checkpoint(
    checkpoint: str | os.PathLike[str],
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    config: OptimizeConfig | None = None,
    work: str | os.PathLike[str] | None = None,
    export: str | os.PathLike[str] | None = None,
    evaluation: str | os.PathLike[str] | None = None,
    held_out_data: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    license_name: str | None = None,
    progress: Progress = no_progress,
    on_plan: Callable[[Plan], None] = lambda _plan: None,
) -> dict[str, Any]:
    """Find the fastest architecture that holds an accuracy floor, write it in INT8 and return its card.

    Args:
        checkpoint: a checkpoint of the BERT family, as `Network.load` takes it.
        data: SQuAD file to fit and train on; never use it to evaluate the result.
        out: model directory to create.
        config: target, data and effort of the search; default: ``OptimizeConfig()``.
        work: directory for intermediate results, which is kept; default: ``OUT.stages``.
        export: directory to write the float32 checkpoint of the result to as well; None: not written.
        evaluation: SQuAD file to measure F1 and exact match on, before and after; None: not measured.
        held_out_data: SQuAD file to measure F1 and the floor on, on ``config.held_out`` of its questions;
            its contexts are used for nothing else. None: questions of ``data``. Of a checkpoint that was
            trained on ``data``, those are texts that it knows, and a pruned network has forgotten some of
            them: the floor is then stricter than on new texts.
        overwrite: replace existing directories at ``out`` and ``export``.
        license_name: SPDX identifier of the weights' licence, for the card.
        progress: progress bars.
        on_plan: called with the plan before the run starts.

    Raises:
        ImportError: NNCF is not installed.
        FileExistsError: ``out`` or ``export`` exists and may not be replaced, or ``work`` is not such a
            directory.
        BlockingIOError: another process uses ``work``.
        OSError: a file is missing or cannot be read or written.
        ValueError: a file is malformed, the architecture cannot be pruned, there are too few questions, or no
            architecture holds the floor.
    """
    began = time.monotonic()
    reset_peak()
    outputs = _Outputs.checked(out, export, overwrite=overwrite)
    import_nncf()
    work = beside(outputs.model, ".stages") if work is None else Path(work)
    outputs.check_others(work)
    config = config or OptimizeConfig()
    run = OptimizationRun.load(
        checkpoint,
        data,
        work,
        evaluation=evaluation,
        held_out_data=held_out_data,
        config=config,
        progress=progress,
    )
    with run.stages.locked():
        on_plan(run.plan)
        result, network, made = _make(run)
        card = {"license": license_name, **made, "run": _describe_run(run.plan, began), **describe_tools()}
        return outputs.write(result, network, card)


@dataclass(frozen=True)
class _Outputs:
    """Output directories, and permission to replace them."""

    model: Path
    export: Path | None
    overwrite: bool

    @classmethod
    def checked(
        cls, out: str | os.PathLike[str], export: str | os.PathLike[str] | None, *, overwrite: bool
    ) -> "_Outputs":
        """Check that both directories can be written, before the run starts."""
        outputs = cls(beside(Path(out), ""), None if export is None else Path(export), overwrite)
        check_free(outputs.model, mark=GRAPH, overwrite=overwrite)
        if outputs.export is not None:
            check_free(outputs.export, mark=SAFETENSORS, overwrite=overwrite)
        return outputs

    def check_others(self, work: Path) -> None:
        """Check that the two directories and that of the stages are three.

        Raises:
            ValueError: two are the same.
        """
        others = {"export": self.export, "work": work}
        for name, path in others.items():
            if path is not None and path.resolve() == self.model.resolve():
                raise ValueError(f"{name} is {path}, which is also the output; expected another directory")
        if self.export is not None and self.export.resolve() == work.resolve():
            raise ValueError(f"export is {self.export}, which is also work; expected another directory")

    def write(self, result: Model, network: Path, card: dict[str, Any]) -> dict[str, Any]:
        """Write the INT8 model and its float32 checkpoint, and return the card."""
        if self.export is not None:
            with staged(self.export, mark=SAFETENSORS, overwrite=self.overwrite) as stage:
                shutil.copytree(network, stage, dirs_exist_ok=True)
        return write_model_directory(
            self.model,
            result.model,
            card={"name": self.model.name, **card},
            companions={name: network / name for name in COMPANIONS if (network / name).is_file()},
            overwrite=self.overwrite,
        )


def _describe_run(plan: Plan, began: float) -> dict[str, Any]:
    return {
        "planned_seconds": round(plan.seconds),
        "seconds": round(time.monotonic() - began),
        "peak_megabytes": peak_megabytes(),
    }


def _make(run: OptimizationRun) -> tuple[Model, Path, dict[str, Any]]:
    """Run all stages; return the chosen INT8 model, its float32 checkpoint directory and its card."""
    points = ParetoBuilder(run)
    front = points.front()
    chosen = choose(front, run.config.budget, keep_best=run.config.keep_best)
    embeddings, tried = points.choose_embeddings(chosen, front.least)
    result = points.int8(chosen.shapes, embeddings, chosen.windows)
    scores = {
        "float32": points.start,
        "plain": points.scores(run.network.shapes),
        "optimized": tried[embeddings],
    }
    network = run.network.build()
    card = {
        "source": run.source,
        "optimization": {
            **describe_optimization(run, front, chosen, scores),
            "embeddings": [
                {"embeddings": each, "embedding_bytes": table_bytes(network, each), **rounded(found)}
                for each, found in tried.items()
            ],
        },
        "quantization": describe_quantization(
            run.windows, run.config.quantization(), describe_tables(network, embeddings)
        ),
        "evaluation": None if run.evaluation is None else _evaluate(points, result, run.evaluation),
        "speed": _compare_speed(run, points.plain, result),
        "operations": compare_operations(points.plain, result, points.timer.batches),
    }
    return result, run.builder.checkpoint(chosen.shapes, chosen.windows), card


def _compare_speed(run: OptimizationRun, plain: Model, result: Model) -> dict[str, Any]:
    with run.progress("speed") as bar:
        return compare_speed(plain, result, run.splits.held_out.questions, run.windows, on_step=bar)


def _evaluate(points: ParetoBuilder, result: Model, file: QuestionFile) -> dict[str, Any]:
    """Score the original in float32, the unpruned INT8 model and the result on the evaluation file."""
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
