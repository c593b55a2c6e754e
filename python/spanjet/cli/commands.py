"""Find commands by their names and end their errors with one line."""

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
    "calibrate": "Fit a model's scores to probabilities and keep the calibration in its card.",
    "eval": "Measure exact match, F1 and calibration on a SQuAD or MRQA file.",
    "info": "Show versions, this CPU, and a model: its parts, how it is computed here, and its card.",
    "mlperf": 'Run MLPerf Inference, BERT on SQuAD v1.1, with LoadGen; needs the extra "mlperf".',
    "optimize": 'Find the fastest architecture under an accuracy floor; needs the extra "quantize".',
    "quantize": 'Make an INT8 model directory from a checkpoint; needs the extra "quantize".',
    "search": "Find the best answers to a question in files.",
    "tune": "Find the fastest batch settings for this machine; readers use them from then on.",
}
"""The commands and the first lines of their help, so that listing them loads none of them."""

MODULES = {"eval": "evaluate"}
"""The modules of `spanjet.cli` that are not named as their commands."""


class Commands(TyperGroup):
    """Load a command when it is called, and end what goes wrong in it with one line.

    The exit code is 2 for the user's input and 1 for the machine's part.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands.update({name: TyperCommand(name, help=text) for name, text in COMMANDS.items()})

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Put the command itself in the place of its name and help."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command if name is None else _load(name), rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
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
    """Take `spanjet GROUP MODEL …` as `spanjet GROUP run MODEL …`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put ``run`` before arguments that begin with no command's name."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["run", *args]
        return super().parse_args(ctx, args)


def _load(name: str) -> Any:
    """Make a command of the function, or of the Typer application, that its module exports."""
    module = import_module(f"spanjet.cli.{MODULES.get(name, name)}")
    exported = module.__all__[-1]
    command = getattr(module, exported)
    if not isinstance(command, typer.Typer):
        application = typer.Typer(add_completion=False)
        application.command(name)(command)
        command = application
    return typer.main.get_command(command)
