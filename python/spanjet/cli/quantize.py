"""`spanjet quantize`: make an INT8 model of a checkpoint."""

from pathlib import Path
from typing import Annotated

import typer

from spanjet.cli.options import (
    CheckpointArgument,
    CpuOption,
    EvaluationOption,
    HeldOutOption,
    KeepBestOption,
    LicenseOption,
    OutModelOption,
    OverwriteOption,
    SeedOption,
)
from spanjet.cli.terminal.output import show
from spanjet.cli.terminal.progress import progress_bar
from spanjet.compress.quantize.config import QuantizeConfig
from spanjet.compress.quantize.quantize import quantize_checkpoint

__all__ = ["quantize"]

DataOption = Annotated[
    Path,
    typer.Option(metavar="SQUAD.json", help="Questions to calibrate with, and to hold the floor on."),
]
FloorOption = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        help="F1 at least, as a share of the float32 model's: 0.99. Layers are left in floating point to "
        "hold it.",
    ),
]
MaxRestoredOption = Annotated[
    int | None, typer.Option(min=0, help="Layers left in floating point at most. Default: half of them.")
]
FittingOption = Annotated[
    Path | None,
    typer.Option(
        "--calibrate", metavar="V2.json", help="Calibrate scores on a SQuAD v2.0 file: spanjet calibrate."
    ),
]
SamplesOption = Annotated[int, typer.Option(min=1, help="Windows to calibrate with.")]
LicenseFileOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Its text. Default: the checkpoint's LICENSE, if any.")
]
VerboseOption = Annotated[bool, typer.Option("--verbose", help="Let NNCF print.")]


def quantize(
    *,
    checkpoint: CheckpointArgument,
    data: DataOption,
    out: OutModelOption,
    floor: FloorOption = None,
    held_out: HeldOutOption = 1000,
    max_restored: MaxRestoredOption = None,
    keep_best: KeepBestOption = False,
    cpu: CpuOption = "auto",
    evaluation: EvaluationOption = None,
    fitting: FittingOption = None,
    samples: SamplesOption = 300,
    seed: SeedOption = 0,
    license_name: LicenseOption = None,
    license_file: LicenseFileOption = None,
    overwrite: OverwriteOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Make an INT8 model directory from a checkpoint; needs the extra "quantize".

    What is finished is kept in DIR.partial until DIR is there: rerun the same command to resume.
    """
    config = QuantizeConfig(
        samples=samples,
        seed=seed,
        cpu=cpu,  # type: ignore[arg-type]  # the class checks it
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
        progress=progress_bar,
        verbose=verbose,
    )
    show(card, as_json=False)
    if card["floor"] is not None and not card["floor"]["held"]:
        typer.secho("spanjet: below the floor: the best of those tried", fg=typer.colors.YELLOW, err=True)
