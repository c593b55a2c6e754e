"""Print a benchmark's result: a table on a terminal, lines of tab-separated values when piped."""

import sys
from itertools import groupby

from spanjet.bench.report.table import written
from spanjet.bench.result import BenchResult, Measurement
from spanjet.cli.terminal.printable import printable
from spanjet.cli.terminal.tables import show_table

__all__ = ["PIPED_COLUMNS", "show_bench"]

COLUMNS = ("measure", "median", "quartiles", "unit")
PIPED_COLUMNS = ("section", "measure", "median", "low", "high", "unit")


def show_bench(result: BenchResult) -> None:
    """Print the table."""
    rows = result.rows()
    if not sys.stdout.isatty():
        for cells in (PIPED_COLUMNS, *map(_piped, rows)):
            print("\t".join(map(printable, cells)))
        return
    shown: list[tuple[str, ...]] = []
    sections: list[int] = []
    for section, group in groupby(rows, key=lambda row: row.section):
        sections.append(len(shown))
        shown.append((section, "", "", ""))
        shown += [(f"  {name}", *cells) for name, *cells in written(list(group))]
    show_table(COLUMNS, shown, left=(0, 3), kept=sections)
    machine = result.machine
    print(f"{result.data}; {machine['processor']}, {machine['cpus']} CPUs, load {machine['load']}")


def _piped(row: Measurement) -> tuple[str, ...]:
    values = (row.value, row.low, row.high)
    return (row.section, row.name, *("" if value is None else f"{value:.6g}" for value in values), row.unit)
