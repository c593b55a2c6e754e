"""The `spanjet` command: one module for each of its commands."""

from typing import Annotated

import typer

from spanjet import __version__
from spanjet.cli import (
    answer,
    ask,
    bench,
    calibrate,
    evaluate,
    info,
    mlperf,
    optimize,
    quantize,
    search,
    tune,
)
from spanjet.cli.terminal.errors import Commands

__all__ = ["app"]

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"spanjet {__version__}")
        raise typer.Exit


@app.callback()
def main(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Read answers out of text, exactly and fast, on CPUs."""


app.command("answer")(answer.answer)
app.command("ask")(ask.ask)
app.command("bench")(bench.bench)
app.command("calibrate")(calibrate.calibrate)
app.command("eval")(evaluate.evaluate)
app.command("info")(info.info)
app.add_typer(mlperf.mlperf, name="mlperf")
app.add_typer(optimize.commands, name="optimize")
app.command("quantize")(quantize.quantize)
app.command("search")(search.search)
app.command("tune")(tune.tune)
