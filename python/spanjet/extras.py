"""Import the packages of optional extras."""

from importlib import import_module
from typing import Any

__all__ = ["import_extra"]


def import_extra(module: str, *, extra: str, purpose: str) -> Any:
    """Import a module that an optional extra installs.

    Args:
        module: full name of the module.
        extra: name of the extra.
        purpose: what needs which package, for the message: "Parquet needs pyarrow".

    Raises:
        ImportError: it is not installed; the message is one line that names the extra.
    """
    try:
        return import_module(module)
    except ImportError as error:
        cause = "" if isinstance(error, ModuleNotFoundError) else f" ({error})"
        raise ImportError(f"{purpose}: pip install 'spanjet[{extra}]'{cause}", name=error.name) from error
