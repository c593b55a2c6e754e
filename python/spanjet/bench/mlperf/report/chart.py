"""Plot the throughput after each step of the speed-up."""

from typing import TYPE_CHECKING

from spanjet.bench.mlperf.table.table import Table
from spanjet.bench.report.table import number
from spanjet.measure.plot import Palette, Plot

if TYPE_CHECKING:  # Matplotlib is an extra.
    from matplotlib.axes import Axes

__all__ = ["speed_chart"]


def speed_chart(table: Table) -> Plot:
    """Plot the samples per second after each step, on a logarithmic scale."""
    names = [step.name for step in table.steps]
    rates = [step.throughput.median for step in table.steps]
    best = max(table.rows, key=lambda row: row.throughput.median)

    def draw(axes: "Axes", palette: Palette) -> None:
        places = range(len(names))
        axes.barh(places, rates, color=palette.first, height=0.6)
        for place, rate, step in zip(places, rates, table.steps, strict=True):
            text = f" {number(rate)}  ({number(step.factor.median)} times)"
            axes.annotate(text, (rate, place), va="center", color=palette.ink)
        axes.set_yticks(list(places), names)
        axes.invert_yaxis()
        axes.set_xscale("log")
        axes.set_xlim(min(rates) / 2, max(rates) * 5)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
        axes.grid(visible=False)
        axes.set_xlabel("samples per second")

    return Plot(
        name="speed",
        title="Throughput after each step",
        caption=(
            f"Throughput in the Offline scenario after each step, samples a second. {best.name}: "
            f"{number(best.throughput.median)}, {number(best.speed_up.median)} times the baseline."
        ),
        header=("step", "samples/s"),
        rows=[(name, number(rate)) for name, rate in zip(names, rates, strict=True)],
        draw=draw,
    )
