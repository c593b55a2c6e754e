"""Implement `spanjet info`: show versions, this machine and a model."""

from pathlib import Path
from typing import Annotated

import typer

from spanjet.cli.options import JsonOption
from spanjet.cli.terminal.output import show
from spanjet.model import load_model
from spanjet.model.directory import BUNDLED_MODEL
from spanjet.model.model_info import describe_execution, describe_model
from spanjet.runtime.cpu import describe_machine, inference_paths

__all__ = ["info"]


def info(
    *,
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="Model directory, checkpoint or hub id ORG/NAME. Default: the bundled model.",
            show_default=False,
        ),
    ] = BUNDLED_MODEL,
    as_json: JsonOption = False,
) -> None:
    """Show versions, this CPU, and a model's parameters, execution and card."""
    loaded = load_model(model)
    about = {"directory": str(loaded.path), **describe_model(loaded), "here": describe_execution(loaded)}
    machine = {**describe_machine(), "arithmetic": inference_paths()}
    show({**machine, "model": {**about, "card": loaded.card}}, as_json=as_json)
