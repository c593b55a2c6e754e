"""`spanjet quantize`: an INT8 model out of a checkpoint."""

from pathlib import Path
from typing import Annotated

import typer

from spanjet.cli.output import show
from spanjet.terminal import progress_bar

__all__ = ["quantize"]


def quantize(
    *,
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="Hugging Face checkpoint directory.")
    ],
    data: Annotated[Path, typer.Option(metavar="SQUAD.json", help="Questions to calibrate with.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Directory of the INT8 model.")],
    evaluation: Annotated[
        Path | None, typer.Option("--eval", metavar="SQUAD.json", help="Measure EM and F1 before and after.")
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Windows to calibrate with.")] = 300,
    seed: Annotated[int, typer.Option(help="Chooses the windows.")] = 0,
    license_name: Annotated[
        str | None, typer.Option("--license", metavar="SPDX", help="Licence of the weights, for the card.")
    ] = None,
    license_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its text. Default: the checkpoint's LICENSE, if any.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the directory.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Let NNCF print.")] = False,
) -> None:
    """Make an INT8 model directory from a checkpoint; needs the extra "quantize"."""
    import spanjet.telemetry  # noqa: F401, PLC0415
    from spanjet.optimize.quantize import quantize_checkpoint  # noqa: PLC0415  (OpenVINO and NNCF: seconds)

    with progress_bar("quantize") as progress:
        card = quantize_checkpoint(
            checkpoint,
            data,
            out,
            evaluation=evaluation,
            samples=samples,
            seed=seed,
            overwrite=overwrite,
            license_name=license_name,
            license_file=license_file,
            progress=progress,
            verbose=verbose,
        )
    show(card, as_json=False)
