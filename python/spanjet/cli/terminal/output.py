"""What commands print and write."""

import json
from pathlib import Path
from typing import Any

import typer

from spanjet.cli.terminal.tables import show_values

__all__ = ["print_json", "show", "write_json"]


def show(values: dict[str, Any], *, as_json: bool) -> None:
    """Print names and values, as JSON or for people."""
    if as_json:
        print_json(values)
    else:
        show_values(values)


def print_json(value: Any) -> None:
    """Print a value as one line of JSON."""
    typer.echo(json.dumps(value, ensure_ascii=False))


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON."""
    path.write_text(f"{json.dumps(value, ensure_ascii=False, indent=1)}\n", encoding="utf-8")
