"""Print a benchmark's result: a table on a terminal, tab-separated values when piped."""

import sys
from itertools import groupby

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from spanjet.bench.result import BenchResult, Measurement

__all__ = ["number", "quartiles", "show"]

COLUMNS = ("measure", "median", "quartiles", "unit")
PIPED_COLUMNS = ("section", "measure", "median", "low", "high", "unit")


def number(value: float) -> str:
    """Format a measurement with its significant digits."""
    size = abs(value)
    decimals = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 2 else 3
    return f"{value:,.{decimals}f}"


def quartiles(row: Measurement) -> str:
    """Format the lower and upper quartile; "" if there are none."""
    return "" if row.low is None or row.high is None else f"{number(row.low)} to {number(row.high)}"


def show(result: BenchResult) -> None:
    """Print the table to standard output."""
    rows = result.rows()
    if not sys.stdout.isatty():
        sys.stdout.writelines("\t".join(cells) + "\n" for cells in [PIPED_COLUMNS, *map(_piped, rows)])
        return
    table = Table(*COLUMNS, box=SIMPLE_HEAD, pad_edge=False)
    for column in table.columns:
        column.no_wrap = True
    for column in table.columns[1:3]:
        column.justify = "right"
    for section, group in groupby(rows, key=lambda row: row.section):
        table.add_row(Text(section, style="bold"))
        for row in group:
            table.add_row(f"  {row.name}", number(row.value), quartiles(row), row.unit)
    console = Console(highlight=False, markup=False)
    console.print(table)
    machine = result.machine
    console.print(f"{result.data}; {machine['processor']}, {machine['cpus']} CPUs, load {machine['load']}")


def _piped(row: Measurement) -> tuple[str, ...]:
    values = (row.value, row.low, row.high)
    return (row.section, row.name, *("" if value is None else f"{value:.6g}" for value in values), row.unit)
