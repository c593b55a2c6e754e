"""`spanjet quantize`: an INT8 model out of a checkpoint."""

from pathlib import Path
from typing import Annotated, Any

import typer

from spanjet.cli.terminal.output import show
from spanjet.cli.terminal.tables import progress_bar

__all__ = ["quantize"]


def quantize(
    *,
    checkpoint: Annotated[
        str, typer.Argument(metavar="MODEL", help="Checkpoint directory, or an id of the Hugging Face hub.")
    ],
    data: Annotated[
        Path,
        typer.Option(metavar="SQUAD.json", help="Questions to calibrate with, and to hold the floor on."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Directory of the INT8 model.")],
    floor: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="F1 at least, as a share of the float32 model's: 0.99. Layers are left in floating point to "
            "hold it.",
        ),
    ] = None,
    held_out: Annotated[
        int, typer.Option(min=1, help="Questions, never calibrated with, that the floor is measured on.")
    ] = 1000,
    max_restored: Annotated[
        int | None, typer.Option(min=0, help="Layers left in floating point at most. Default: half of them.")
    ] = None,
    keep_best: Annotated[
        bool, typer.Option("--keep-best", help="Write the best model even if it is below the floor.")
    ] = False,
    cpu: Annotated[
        str,
        typer.Option(
            metavar="auto|vnni|any",
            help="What it is to run on; any: also CPUs without VNNI, with 7-bit weights. auto: as this one.",
        ),
    ] = "auto",
    evaluation: Annotated[
        Path | None, typer.Option("--eval", metavar="SQUAD.json", help="Measure EM and F1 before and after.")
    ] = None,
    fitting: Annotated[
        Path | None,
        typer.Option(
            "--calibrate", metavar="V2.json", help="Calibrate scores on a SQuAD v2.0 file: spanjet calibrate."
        ),
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Windows to calibrate with.")] = 300,
    seed: Annotated[int, typer.Option(min=0, help="Chooses the windows, and what is held out.")] = 0,
    license_name: Annotated[
        str | None, typer.Option("--license", metavar="SPDX", help="Licence of the weights, for the card.")
    ] = None,
    license_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its text. Default: the checkpoint's LICENSE, if any.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the directory.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Let NNCF print.")] = False,
) -> None:
    """Make an INT8 model directory from a checkpoint; needs the extra "quantize".

    What is finished is kept in DIR.partial until DIR is there: when interrupted, give the same command again.
    """
    from spanjet.compress.quantize.quantize import quantize_checkpoint  # noqa: PLC0415  (OpenVINO and NNCF: seconds)

    config = _config(
        samples=samples,
        seed=seed,
        cpu=cpu,
        floor=floor,
        held_out=held_out,
        max_restored=max_restored,
        keep_best=keep_best,
    )
    card = quantize_checkpoint(
        checkpoint,
        data,
        out,
        config=config,
        evaluation=evaluation,
        fitting=fitting,
        overwrite=overwrite,
        license_name=license_name,
        license_file=license_file,
        bars=progress_bar,
        verbose=verbose,
    )
    show(card, as_json=False)
    if card["floor"] is not None and not card["floor"]["held"]:
        typer.secho("spanjet: below the floor: the best of those tried", fg=typer.colors.YELLOW, err=True)


def _config(**options: Any) -> Any:
    """The settings that options of unchecked types stand for; the class checks them."""
    from spanjet.compress.quantize.config import QuantizeConfig  # noqa: PLC0415

    return QuantizeConfig(**options)
