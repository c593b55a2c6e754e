"""What a command prints when it warns, and prints and returns when it fails."""

import warnings
from typing import Any

import typer
from typer.core import TyperGroup

__all__ = ["Commands", "show_error"]


class Commands(TyperGroup):
    """Ends what goes wrong with one line: code 2 for the user's input, 1 for the machine's part."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        cause: Exception
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _show_warning  # type: ignore[assignment]
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


def _show_warning(message: Warning | str, *_: Any) -> None:
    """Print a warning on a line of its own, without the place in the source that Python adds."""
    typer.secho(f"spanjet: {' '.join(str(message).split())}", fg=typer.colors.YELLOW, err=True)


def show_error(error: Exception) -> None:
    """Print an error as one line on standard error."""
    text = str(error)
    if isinstance(error, OSError) and error.filename is not None and error.strerror is not None:
        text = f"{error.filename}: {error.strerror}"
    message = " ".join(text.split()) or type(error).__name__
    typer.secho(f"spanjet: {message}", fg=typer.colors.RED, err=True)
