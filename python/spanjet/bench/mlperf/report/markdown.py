"""Render the comparison table in Markdown."""

from collections.abc import Iterable, Sequence

from spanjet.bench.mlperf.report.cells import COLUMNS, STEP_COLUMNS, notes, row_cells, step_cells
from spanjet.bench.mlperf.table.table import Table

__all__ = ["markdown", "parts"]


def markdown(table: Table) -> str:
    """Render all parts and notes as one Markdown document."""
    lines: list[str] = []
    for title, header, rows in parts(table):
        rule = ["---", *["---:"] * (len(header) - 1)]
        lines += [f"## {title}", "", *(_line(cells) for cells in (header, rule, *rows)), ""]
    return "\n".join([*lines, *(f"{note}\n" for note in notes(table))])


def parts(table: Table) -> list[tuple[str, Sequence[str], list[tuple[str, ...]]]]:
    """List the parts of the table as title, header and rows."""
    return [
        ("MLPerf Inference, BERT on SQuAD v1.1", COLUMNS, [row_cells(row) for row in table.rows]),
        ("How the speed-up divides", STEP_COLUMNS, step_cells(table)),
        ("Configuration Details", ("", "value"), list(table.configuration.items())),
    ]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"
