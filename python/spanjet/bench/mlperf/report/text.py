"""Write the table on a terminal, as tab-separated values, and in Markdown."""

import sys
from collections.abc import Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as Grid

from spanjet.bench.mlperf.report.cells import COLUMNS, STEP_COLUMNS, notes, row_cells, step_cells
from spanjet.bench.mlperf.table.table import Table

__all__ = ["markdown", "show"]


def show(table: Table) -> None:
    """Print everything: aligned on a terminal, else separated by tabs."""
    parts = _parts(table)
    if not sys.stdout.isatty():
        for _, header, rows in parts:
            sys.stdout.writelines("\t".join(cells) + "\n" for cells in (header, *rows))
            sys.stdout.write("\n")
        sys.stdout.writelines(f"{note}\n" for note in notes(table))
        return
    console = Console(highlight=False, markup=False)
    for title, header, rows in parts:
        grid = Grid(*header, title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
        for column in grid.columns[1:]:
            column.justify = "right"
        for cells in rows:
            grid.add_row(*cells)
        console.print(grid)
    for note in notes(table):
        console.print(note)


def markdown(table: Table) -> str:
    """Write everything as one text of Markdown."""
    lines: list[str] = []
    for title, header, rows in _parts(table):
        rule = ["---", *["---:"] * (len(header) - 1)]
        lines += [f"## {title}", "", *(_line(cells) for cells in (header, rule, *rows)), ""]
    return "\n".join([*lines, *(f"{note}\n" for note in notes(table))])


def _parts(table: Table) -> list[tuple[str, Sequence[str], list[tuple[str, ...]]]]:
    """List titles, headers and rows."""
    return [
        ("MLPerf Inference, BERT on SQuAD v1.1", COLUMNS, [row_cells(row) for row in table.rows]),
        ("How the speed-up divides", STEP_COLUMNS, step_cells(table)),
        ("Configuration Details", ("", "value"), list(table.configuration.items())),
    ]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"
