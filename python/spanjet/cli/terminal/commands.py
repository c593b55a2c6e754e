"""Load commands by name, and report their errors in one line."""

import sys
import warnings
from importlib import import_module
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from spanjet.cli.terminal.errors import show_error, show_warning
from spanjet.cli.terminal.signals import orderly_end
from spanjet.cli.terminal.streams import flushed_output, open_streams

__all__ = ["COMMANDS", "STYLE", "Commands", "RunByDefault"]

COMMANDS = {
    "answer": "Answer the questions of a file.",
    "ask": "Answer a question about a text.",
    "bench": "Measure throughput, latency, memory, operations, and the time spent outside the model.",
    "calibrate": "Calibrate scores and the no-answer threshold, and store them in the model's card.",
    "eval": "Measure exact match, F1 and calibration on a SQuAD or MRQA file.",
    "info": "Show versions, this CPU, and a model's parameters, execution and card.",
    "mlperf": 'Run MLPerf Inference, BERT on SQuAD v1.1, with LoadGen; needs the extra "mlperf".',
    "optimize": 'Find the fastest architecture under an accuracy floor; needs the extra "quantize".',
    "quantize": 'Quantize a checkpoint to an INT8 model directory; needs the extra "quantize".',
    "search": "Find the best answers to a question in files.",
    "serve": 'Answer questions over HTTP; needs the extra "serve".',
    "tune": "Find the fastest batch settings for this machine, and save them for all readers.",
}
"""First line of each command's help, so that listing commands loads none of them."""

MODULES = {"eval": "evaluate"}
"""Modules of `spanjet.cli` by command, if they differ in name."""


STYLE: dict[str, Any] = {
    "add_completion": False,
    # Plain text: Rich cuts the names of options in narrow terminals.
    "rich_markup_mode": None,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
"""What the applications of all commands have in common."""


class Commands(TyperGroup):
    """Command group that loads commands on demand and reports their errors in one line.

    The exit code is 2 for errors in the user's input and 1 for failures of the machine or installation.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # The short help is not cut off, as the help would be.
        listed = {name: TyperCommand(name, short_help=text) for name, text in COMMANDS.items()}
        self.commands.update(listed)

    def main(self, *arguments: Any, **options: Any) -> NoReturn:
        """Run the command line; the exit code is that of the program."""
        open_streams()
        cause: Exception | None = None
        try:
            with warnings.catch_warnings(), orderly_end(), flushed_output():
                warnings.showwarning = show_warning  # type: ignore[assignment]
                code = super().main(*arguments, **{**options, "standalone_mode": False})
        except BrokenPipeError:
            code = 1
        except (ValueError, OSError, typer.TyperException) as error:
            cause, code = error, 2
        except ImportError as error:
            cause, code = error, 1
        except RuntimeError as error:
            if type(error) is not RuntimeError:
                raise  # a bug, such as endless recursion
            cause, code = error, 1
        if cause is not None:
            show_error(cause)
        sys.exit(code)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Resolve a command's name, and load the command."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command if name is None else _load(name), rest


class RunByDefault(TyperGroup):
    """Command group with the default command ``run``: `spanjet GROUP MODEL …`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for command in self.commands.values():
            # The first paragraph, which would be cut off otherwise.
            command.short_help = " ".join((command.help or "").partition("\n\n")[0].split())

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert ``run`` if the first argument is not a command's name."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["run", *args]
        return super().parse_args(ctx, args)


def _load(name: str) -> Any:
    """Load a command from the function or Typer application that bears its module's name."""
    module = MODULES.get(name, name)
    command = getattr(import_module(f"spanjet.cli.{module}"), module)
    if not isinstance(command, typer.Typer):
        application = typer.Typer(**STYLE)
        application.command(name)(command)
        command = application
    return typer.main.get_command(command)
