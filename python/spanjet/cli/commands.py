"""Load commands by name, and report their errors in one line."""

import warnings
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from spanjet.cli.terminal.errors import show_error, show_warning

__all__ = ["COMMANDS", "Commands", "RunByDefault"]

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
    "tune": "Find the fastest batch settings for this machine, and save them for all readers.",
}
"""First line of each command's help, so that listing commands loads none of them."""

MODULES = {"eval": "evaluate"}
"""Modules of `spanjet.cli` by command, if they differ in name."""


class Commands(TyperGroup):
    """Command group that loads commands on demand and reports their errors in one line.

    The exit code is 2 for errors in the user's input and 1 for failures of the machine or installation.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands.update({name: TyperCommand(name, help=text) for name, text in COMMANDS.items()})

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Resolve a command's name, and load the command."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command if name is None else _load(name), rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command, and turn its errors into one line and an exit code."""
        cause: Exception
        try:
            with warnings.catch_warnings():
                warnings.showwarning = show_warning  # type: ignore[assignment]
                return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except (ValueError, OSError) as error:
            cause, code = error, 2
        except ImportError as error:
            cause, code = error, 1
        except RuntimeError as error:
            if type(error) is not RuntimeError:
                raise  # typer's own signals
            cause, code = error, 1
        show_error(cause)
        raise typer.Exit(code)


class RunByDefault(TyperGroup):
    """Command group with the default command ``run``: `spanjet GROUP MODEL …`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert ``run`` if the first argument is not a command's name."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["run", *args]
        return super().parse_args(ctx, args)


def _load(name: str) -> Any:
    """Load a command from the function or Typer application that its module exports."""
    module = import_module(f"spanjet.cli.{MODULES.get(name, name)}")
    exported = module.__all__[-1]
    command = getattr(module, exported)
    if not isinstance(command, typer.Typer):
        application = typer.Typer(add_completion=False)
        application.command(name)(command)
        command = application
    return typer.main.get_command(command)
