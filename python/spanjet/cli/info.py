"""`spanjet info`: versions, the machine, a model's card."""

from pathlib import Path
from typing import Annotated

import typer

from spanjet.cli.options import JsonOption
from spanjet.cli.terminal.output import show
from spanjet.model.directory import BUNDLED_MODEL

__all__ = ["info"]


def info(
    *,
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="Model directory, checkpoint or hub id. Default: the bundled model.",
            show_default=False,
        ),
    ] = BUNDLED_MODEL,
    as_json: JsonOption = False,
) -> None:
    """Show versions, this CPU, and a model: what it is made of, how it is computed here, and its card."""
    from spanjet.compress.quantize.model_info import describe_execution, describe_model  # noqa: PLC0415
    from spanjet.model import load_model  # noqa: PLC0415  (OpenVINO: 200 ms)
    from spanjet.runtime.cpu import describe_machine, inference_paths  # noqa: PLC0415

    loaded = load_model(model)
    about = {"directory": str(loaded.path), **describe_model(loaded), "here": describe_execution(loaded)}
    machine = {**describe_machine(), "arithmetic": inference_paths()}
    show({**machine, "model": {**about, "card": loaded.card}}, as_json=as_json)
