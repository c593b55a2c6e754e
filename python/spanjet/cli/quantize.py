"""Implement `spanjet quantize`: quantize a checkpoint to INT8."""

from pathlib import Path
from typing import Annotated

import typer

from spanjet.cli.options import (
    CheckpointArgument,
    CpuOption,
    EmbeddingPrecisionOption,
    EvaluationOption,
    KeepBestOption,
    LicenseOption,
    OutModelOption,
    OverwriteOption,
    SeedOption,
)
from spanjet.cli.terminal.errors import show_warning
from spanjet.cli.terminal.output import show
from spanjet.cli.terminal.progress import progress_bar
from spanjet.compress.quantize.config import QuantizeConfig
from spanjet.compress.quantize.quantize import quantize_checkpoint

__all__ = ["quantize"]

DataOption = Annotated[
    Path,
    typer.Option(
        metavar="SQUAD.json", help="SQuAD file with questions to calibrate with and to check the floor on."
    ),
]
FloorOption = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        help="Minimum F1 as a share of the float32 model's, such as 0.99; layers are kept in floating point "
        "until it holds.",
    ),
]
MaxRestoredOption = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="N",
        help="With --floor: maximum number of layers in floating point. Default: half of them.",
    ),
]
FittingOption = Annotated[
    Path | None,
    typer.Option(
        "--calibrate",
        metavar="V2.json",
        help="Also calibrate the scores on a SQuAD v2.0 file, as spanjet calibrate does.",
    ),
]
SamplesOption = Annotated[int, typer.Option(min=1, metavar="N", help="Number of windows to calibrate with.")]
LicenseFileOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Text of the licence. Default: the checkpoint's LICENSE, if any."),
]
VerboseOption = Annotated[bool, typer.Option("--verbose", help="Show the output of NNCF.")]


def quantize(
    *,
    checkpoint: CheckpointArgument,
    data: DataOption,
    out: OutModelOption,
    floor: FloorOption = None,
    held_out: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="With --floor: number of questions held out to measure F1 on."),
    ] = 1000,
    max_restored: MaxRestoredOption = None,
    keep_best: KeepBestOption = False,
    cpu: CpuOption = "auto",
    embedding_precision: EmbeddingPrecisionOption = "auto",
    evaluation: EvaluationOption = None,
    fitting: FittingOption = None,
    samples: SamplesOption = 300,
    seed: SeedOption = 0,
    license_name: LicenseOption = None,
    license_file: LicenseFileOption = None,
    overwrite: OverwriteOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Quantize a checkpoint to an INT8 model directory; needs the extra "quantize".

    Until DIR is written, finished steps are kept in DIR.partial: rerun the same command to resume.
    """
    config = QuantizeConfig(
        samples=samples,
        seed=seed,
        cpu=cpu,  # type: ignore[arg-type]  # the class checks it
        embedding_precision=embedding_precision,  # type: ignore[arg-type]  # the class checks it
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
        show_warning("below the floor: the best of those tried")
