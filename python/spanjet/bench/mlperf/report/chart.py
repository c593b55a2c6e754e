"""The chart of the table: throughput, step by step."""

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from spanjet.bench.mlperf.table.table import Table
from spanjet.bench.report.plots import INK, SERIES, Plot, draw_svg
from spanjet.bench.report.table import number

__all__ = ["speed_chart"]


def speed_chart(table: Table) -> Plot:
    """Samples a second after each step, from the plain model to the last one, on a logarithmic scale."""
    names = [step.name for step in table.steps]
    rates = [step.throughput.median for step in table.steps]
    best = max(table.rows, key=lambda row: row.throughput.median)
    caption = (
        f"Throughput in the Offline scenario after each step, samples a second. {best.name}: "
        f"{number(best.throughput.median)}, {number(best.speed_up.median)} times the baseline."
    )

    def draw(axes: Axes) -> None:
        places = range(len(names))
        axes.barh(places, rates, color=SERIES["answers"], height=0.6)
        for place, rate, step in zip(places, rates, table.steps, strict=True):
            axes.annotate(
                f" {number(rate)}  ({number(step.factor.median)} times)",
                (rate, place),
                va="center",
                color=INK,
            )
        axes.set_yticks(list(places), names)
        axes.invert_yaxis()
        axes.set_xscale("log")
        axes.set_xlim(min(rates) / 2, max(rates) * 5)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.grid(visible=False)
        axes.set_xlabel("samples per second")

    rows: list[tuple[str, ...]] = [(name, number(rate)) for name, rate in zip(names, rates, strict=True)]
    svg = draw_svg("speed", "Throughput after each step", caption, draw)
    return Plot(svg, caption, ("step", "samples/s"), rows)
