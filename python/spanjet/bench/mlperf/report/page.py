"""Render the self-contained HTML page of the comparison table."""

from spanjet.bench.mlperf.report.cells import COLUMNS, STEP_COLUMNS, notes, row_cells, step_cells
from spanjet.bench.mlperf.report.chart import speed_chart
from spanjet.bench.mlperf.table.table import Table
from spanjet.measure.html import render

__all__ = ["render_table"]

TEMPLATE = "table.html.j2"


def render_table(table: Table) -> str:
    """Render the HTML page.

    Raises:
        ImportError: the extra ``report`` is not installed.
    """
    values = {
        "configuration": table.configuration,
        "tables": [
            ("Models", COLUMNS, [row_cells(row) for row in table.rows]),
            ("How the speed-up divides", STEP_COLUMNS, step_cells(table)),
        ],
        "plot": speed_chart(table),
        "notes": notes(table),
    }
    return render(TEMPLATE, values, package=__package__)
