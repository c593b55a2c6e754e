"""`spanjet optimize`: a faster architecture out of a checkpoint."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from spanjet.cli.terminal.output import check_writable, print_json, show
from spanjet.cli.terminal.tables import progress_bar

if TYPE_CHECKING:
    from spanjet.compress.optimize.time_estimate import Plan

__all__ = ["commands"]

_DEFAULT = "run"


class _WithDefault(TyperGroup):
    """Commands of which one needs no name: what does not begin with a command's name is for that one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the name in."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)


commands = typer.Typer(cls=_WithDefault, no_args_is_help=True)

DataOption = Annotated[
    Path,
    typer.Option(metavar="TRAIN.json", help="SQuAD file to learn from and to hold the floor on."),
]


@commands.callback()
def main() -> None:
    """Find the architecture that this CPU runs fastest under an accuracy floor; needs the extra "quantize".

    spanjet optimize MODEL --data TRAIN.json -o DIR is short for spanjet optimize run MODEL ...
    """


@commands.command(_DEFAULT)
def run(
    *,
    checkpoint: Annotated[
        str, typer.Argument(metavar="MODEL", help="Checkpoint directory, or an id of the Hugging Face hub.")
    ],
    data: DataOption,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Directory of the INT8 model.")],
    floor: Annotated[
        float, typer.Option(metavar="SHARE", help="F1 at least, as a share of the checkpoint's in float32.")
    ] = 0.99,
    budget: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Instead: time at most, as a share of the plain INT8 model's."),
    ] = None,
    trials: Annotated[int, typer.Option(min=0, help="Candidates that are tried for each budget.")] = 24,
    samples: Annotated[int, typer.Option(min=8, help="Windows to fit weights and ranges to.")] = 256,
    training: Annotated[
        int,
        typer.Option(min=0, help="Windows to train what is left on; 0: fit its layers one after another."),
    ] = 2048,
    held_out: Annotated[
        int, typer.Option(min=1, help="Questions, used for nothing else, that F1 is measured on.")
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Chooses questions and candidates.")] = 0,
    cpu: Annotated[
        str,
        typer.Option(metavar="auto|vnni|any", help="What it is to run on; see spanjet quantize."),
    ] = "auto",
    work: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keeps what was found, also for other floors. Default: OUT.stages."),
    ] = None,
    export: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also write the float32 checkpoint, to train further.")
    ] = None,
    evaluation: Annotated[
        Path | None, typer.Option("--eval", metavar="SQUAD.json", help="Measure EM and F1 before and after.")
    ] = None,
    keep_best: Annotated[
        bool, typer.Option("--keep-best", help="Write the best model even if it is below the floor.")
    ] = False,
    license_name: Annotated[
        str | None, typer.Option("--license", metavar="SPDX", help="Licence of the weights, for the card.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the directories.")] = False,
) -> None:
    """Find the fastest architecture that holds the floor, and write it as an INT8 model directory.

    When interrupted, give the same command again: it goes on where it stopped. With another floor or budget,
    it takes what was found before.
    """
    from spanjet.compress.optimize.optimize import optimize_checkpoint  # noqa: PLC0415  (OpenVINO and NNCF: seconds)

    config = _config(
        floor=floor,
        budget=budget,
        trials=trials,
        samples=samples,
        training=training,
        held_out=held_out,
        seed=seed,
        cpu=cpu,
        keep_best=keep_best,
    )
    card = optimize_checkpoint(
        checkpoint,
        data,
        out,
        config=config,
        work=work,
        export=export,
        evaluation=evaluation,
        overwrite=overwrite,
        license_name=license_name,
        bars=progress_bar,
        on_plan=_show_plan,
    )
    show(_summary(card), as_json=False)
    if not card["optimization"]["held"]:
        typer.secho("spanjet: below the floor: the best of those tried", fg=typer.colors.YELLOW, err=True)


@commands.command("report")
def report(
    *,
    model: Annotated[Path, typer.Argument(metavar="DIR", help="What spanjet optimize wrote.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="The page. Default: DIR.html.")
    ] = None,
    png: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The plots as one picture. Default: none.")
    ] = None,
) -> None:
    """Draw the front, the chosen point and what is left of each layer; needs the extra "report"."""
    from spanjet.compress.report.page import write_page  # noqa: PLC0415

    out = model.with_name(f"{model.resolve().name}.html") if out is None else out
    for path in (out, png):
        if path is not None:
            check_writable(path)
    write_page(model, out, png=png)


@commands.command("verify")
def verify(
    *,
    model: Annotated[Path, typer.Argument(metavar="DIR", help="What spanjet optimize wrote.")],
    data: DataOption,
    checkpoint: Annotated[
        str | None,
        typer.Option("--start", metavar="MODEL", help="The checkpoint: speed is compared with it in INT8."),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Repeat the measurements of the card: F1 on its held-out questions, and windows a second."""
    from spanjet.compress.optimize.reproduce import repeat_measurements  # noqa: PLC0415

    found = repeat_measurements(model, data, checkpoint=checkpoint, bars=progress_bar)
    if json_:
        print_json(found)
    else:
        show(found, as_json=False)
    if not found["repeated"]:
        raise typer.Exit(1)


def _config(**options: Any) -> Any:
    """The settings that options of unchecked types stand for; the class checks them."""
    from spanjet.compress.optimize.config import OptimizeConfig  # noqa: PLC0415

    return OptimizeConfig(**options)


def _show_plan(plan: "Plan") -> None:
    """Print the stages and their estimated times on standard error."""
    for step in plan.steps:
        typer.echo(f"  {_clock(step.seconds):>8}  {step.name}", err=True)
    typer.echo(f"  {_clock(plan.seconds):>8}  in all, less what is there from before", err=True)


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def _summary(card: dict[str, Any]) -> dict[str, Any]:
    """What a person wants to know first; the rest is in the card."""
    found = card["optimization"]
    layers = found["layers"]
    return {
        "name": card["name"],
        "layers": {
            str(index): f"{each['heads']} heads, {each['units']} units" for index, each in enumerate(layers)
        },
        "held_out": found["held_out"],
        "evaluation": card["evaluation"],
        "speed": card["speed"],
        "seconds": card["run"]["seconds"],
        "peak_megabytes": card["run"]["peak_megabytes"],
    }
