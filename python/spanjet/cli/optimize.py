"""Implement `spanjet optimize`: find a faster architecture for a checkpoint."""

from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from spanjet.cli.options import (
    CheckpointArgument,
    CpuOption,
    EmbeddingPrecisionOption,
    EvaluationOption,
    HeldOutDataOption,
    HeldOutOption,
    JsonOption,
    KeepBestOption,
    LicenseOption,
    OutModelOption,
    OverwriteOption,
    SeedOption,
)
from spanjet.cli.terminal.commands import STYLE, RunByDefault
from spanjet.cli.terminal.errors import show_warning
from spanjet.cli.terminal.output import show
from spanjet.cli.terminal.progress import progress_bar
from spanjet.compress.optimize.config import OptimizeConfig
from spanjet.compress.optimize.optimize import optimize_checkpoint
from spanjet.compress.optimize.reproduce import repeat_measurements
from spanjet.compress.optimize.time_estimate import Plan
from spanjet.compress.report.page import write_page
from spanjet.storage import beside, check_writable

__all__ = ["optimize"]

optimize = typer.Typer(cls=RunByDefault, no_args_is_help=True, **STYLE)

DataOption = Annotated[
    Path,
    typer.Option(metavar="TRAIN.json", help="SQuAD file to train on, and to hold questions out of."),
]
FloorOption = Annotated[
    float, typer.Option(metavar="SHARE", help="Minimum F1 as a share of the float32 checkpoint's.")
]
BudgetOption = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE", help="Maximum time as a share of the plain INT8 model's, in place of --floor."
    ),
]
TrialsOption = Annotated[
    int, typer.Option(min=0, metavar="N", help="Number of candidates tried for each budget.")
]
SamplesOption = Annotated[
    int, typer.Option(min=8, metavar="N", help="Number of windows to fit weights and ranges to.")
]
TrainingOption = Annotated[
    int,
    typer.Option(
        min=0,
        metavar="N",
        help="Number of windows to train the pruned model on; 0: fit layer by layer instead.",
    ),
]
HoursOption = Annotated[
    float | None,
    typer.Option(
        metavar="H",
        help="Hours that the run may take: what the search leaves is spent on longer trainings. "
        "Default: no such trainings.",
    ),
]
WorkOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Directory of intermediate results, which runs with other floors reuse. Default: OUT.stages.",
    ),
]
ExportOption = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Also write the pruned float32 checkpoint, for further training."),
]


@optimize.callback()
def main() -> None:
    """Find the fastest architecture under an accuracy floor; needs the extra "quantize".

    spanjet optimize MODEL --data TRAIN.json -o DIR is short for spanjet optimize run MODEL ...
    """


@optimize.command("run")
def run(
    *,
    checkpoint: CheckpointArgument,
    data: DataOption,
    out: OutModelOption,
    floor: FloorOption = 0.99,
    budget: BudgetOption = None,
    trials: TrialsOption = 24,
    samples: SamplesOption = 256,
    training: TrainingOption = 2048,
    hours: HoursOption = None,
    held_out: HeldOutOption = 1000,
    held_out_data: HeldOutDataOption = None,
    seed: SeedOption = 0,
    cpu: CpuOption = "auto",
    embedding_precision: EmbeddingPrecisionOption = "auto",
    work: WorkOption = None,
    export: ExportOption = None,
    evaluation: EvaluationOption = None,
    keep_best: KeepBestOption = False,
    license_name: LicenseOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Find the fastest architecture that holds the floor, and write it as an INT8 model directory.

    Rerun the same command to resume; a run with another floor or budget reuses what was found before.
    """
    config = OptimizeConfig(
        floor=floor,
        budget=budget,
        trials=trials,
        samples=samples,
        training=training,
        hours=hours,
        held_out=held_out,
        seed=seed,
        cpu=cpu,  # type: ignore[arg-type]  # the class checks it
        embedding_precision=embedding_precision,  # type: ignore[arg-type]  # the class checks it
        keep_best=keep_best,
    )
    optimize_with_progress = partial(optimize_checkpoint, progress=progress_bar, on_plan=_show_plan)
    card = optimize_with_progress(
        checkpoint,
        data,
        out,
        config=config,
        work=work,
        export=export,
        evaluation=evaluation,
        held_out_data=held_out_data,
        overwrite=overwrite,
        license_name=license_name,
    )
    _show_result(card)


@optimize.command("report")
def report(
    *,
    model: Annotated[
        Path, typer.Argument(metavar="DIR", help="Model directory that spanjet optimize wrote.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="HTML page to write. Default: DIR.html."),
    ] = None,
    png: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the plots as one PNG picture.")
    ] = None,
) -> None:
    """Plot the Pareto front, the chosen point and the layers that remain; needs the extra "report"."""
    out = beside(model, ".html") if out is None else out
    for path in (out, png):
        if path is not None:
            check_writable(path)
    write_page(model, out, png=png)


@optimize.command("verify")
def verify(
    *,
    model: Annotated[
        Path, typer.Argument(metavar="DIR", help="Model directory that spanjet optimize wrote.")
    ],
    data: Annotated[
        Path, typer.Option(metavar="TRAIN.json", help="SQuAD file that the model was optimised with.")
    ],
    held_out_data: Annotated[
        Path | None,
        typer.Option(
            metavar="SQUAD.json",
            help="SQuAD file that the model was optimised with as its own.",
        ),
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            "--start",
            metavar="MODEL",
            help="Checkpoint that the model was made of, to compare speeds with it in INT8.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Repeat the measurements of a model's card: F1 on its held-out questions, and windows per second."""
    found = repeat_measurements(
        model, data, checkpoint=checkpoint, held_out_data=held_out_data, progress=progress_bar
    )
    show(found, as_json=as_json)
    if not found["repeated"]:
        raise typer.Exit(1)


def _show_plan(plan: Plan) -> None:
    """Print the stages and their estimated times on standard error."""
    for step in plan.steps:
        typer.echo(f"  {_clock(step.seconds):>8}  {step.name}", err=True)
    typer.echo(f"  {_clock(plan.seconds):>8}  in all, less what is there from before", err=True)


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def _show_result(card: dict[str, Any]) -> None:
    """Print the summary of a card, and a warning if the floor is not held."""
    show(_summary(card), as_json=False)
    if not card["optimization"]["held"]:
        show_warning("below the floor: the best of those tried")


def _summary(card: dict[str, Any]) -> dict[str, Any]:
    """Summarise a card for display."""
    found = card["optimization"]
    layers = found["layers"]
    return {
        "name": card["name"],
        "layers": {
            str(index): ", ".join(f"{count} {name}" for name, count in each.items())
            for index, each in enumerate(layers)
        },
        "held_out": found["held_out"],
        "evaluation": card["evaluation"],
        "speed": card["speed"],
        "seconds": card["run"]["seconds"],
        "peak_megabytes": card["run"]["peak_megabytes"],
    }
