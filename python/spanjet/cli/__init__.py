"""Define the `spanjet` command, whose subcommands are modules loaded on demand."""

from typing import Annotated

import typer

from spanjet import __version__
from spanjet.cli.terminal.commands import STYLE, Commands

__all__ = ["app"]

app = typer.Typer(cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False, **STYLE)


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
