"""Render a benchmark's result as a self-contained HTML page."""

from itertools import groupby
from pathlib import Path

from spanjet.bench.report.latency_plot import latency_plot
from spanjet.bench.report.operations_plot import operations_plot
from spanjet.bench.report.table import number, written
from spanjet.bench.result import BenchResult
from spanjet.measure.html import render

__all__ = ["render_page"]


def render_page(result: BenchResult) -> str:
    """Render the HTML page.

    Raises:
        ImportError: the extra ``report`` is not installed.
    """
    plots = []
    if result.latency is not None:
        plots.append(latency_plot(result.latency))
    if result.operations is not None and result.operations.operations:
        plots.append(operations_plot(result.operations))
    model = result.settings["model"]
    values = {
        "model": model["name"] or Path(model["directory"]).name,
        "result": result,
        "warnings": result.warnings(),
        "numbers": _highlights(result),
        "sections": [
            (section, written(list(rows)))
            for section, rows in groupby(result.rows(), key=lambda row: row.section)
        ],
        "plots": plots,
        "settings": {
            f"{group}.{name}": value
            for group, values in result.settings.items()
            for name, value in values.items()
        },
    }
    return render("page.html.j2", values, package=__package__)


def _highlights(result: BenchResult) -> list[tuple[str, str]]:
    """Choose the headline numbers of the page, with their labels."""
    throughput = result.throughput
    found = [
        (number(throughput.rate(throughput.questions).median), "questions per second"),
        (number(throughput.ratio().median), "of the speed of inference alone"),
    ]
    if result.latency is not None:
        found.append((f"{number(result.latency.percentile(50))} ms", "single question, median"))
    if result.peak_megabytes is not None:
        found.append((f"{number(result.peak_megabytes)} MB", "peak memory"))
    return found
