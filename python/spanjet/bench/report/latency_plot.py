"""Plot the latency of single questions."""

from typing import TYPE_CHECKING, Any

import numpy as np

from spanjet.bench.latency import Latency
from spanjet.measure.plot import Palette, Plot

if TYPE_CHECKING:  # Matplotlib is an extra.
    from matplotlib.axes import Axes

__all__ = ["latency_plot"]

NAMES = {"answers": "text to answers", "inference": "inference alone"}
STYLES: dict[str, dict[str, Any]] = {
    # Distinguished by colour and line style.
    "answers": {"linestyle": "-", "marker": "o"},
    "inference": {"linestyle": "--", "marker": "D", "markerfacecolor": "none"},
}
PERCENTS = (50, 90, 99)


def latency_plot(latency: Latency) -> Plot:
    """Plot the cumulative distribution of the latency of a single question."""

    def draw(axes: "Axes", palette: Palette) -> None:
        for side, color in zip(NAMES, (palette.first, palette.second), strict=True):
            values = np.sort(latency.milliseconds[side])
            share = np.arange(1, len(values) + 1) / len(values)
            axes.step(values, 100 * share, where="post", color=color, **{**STYLES[side], "marker": ""})
            marks = [latency.percentile(percent, side) for percent in PERCENTS]
            axes.plot(marks, PERCENTS, color=color, **{**STYLES[side], "linestyle": ""})
            axes.plot([], [], color=color, label=NAMES[side], **STYLES[side])  # the legend's line
        for percent in PERCENTS:
            axes.axhline(percent, color=palette.grid, linewidth=1)
            axes.annotate(
                f"p{percent}", (0.01, percent), xycoords=("axes fraction", "data"), color=palette.ink
            )
        # The slowest one is an outlier that would squeeze the rest.
        axes.set_xlim(0, 1.25 * max(latency.percentile(99, side) for side in NAMES))
        axes.set_ylim(0, 104)
        axes.yaxis.set_major_formatter("{x:.0f} %")
        axes.set_xlabel("milliseconds")
        axes.set_ylabel("share of questions")
        axes.legend(loc="lower right", labelcolor=palette.ink, frameon=False)

    return Plot(
        name="latency",
        title="Latency of single questions",
        caption=(
            f"Latency of {latency.questions:,} single questions of one window, asked "
            f"{len(latency.milliseconds['answers']):,} times in all: the median is "
            f"{latency.percentile(50):.1f} ms, the 99th percentile {latency.percentile(99):.1f} ms."
        ),
        header=("share", "text to answers, ms", "inference alone, ms"),
        rows=[
            (f"p{percent}", *(f"{latency.percentile(percent, side):.2f}" for side in NAMES))
            for percent in PERCENTS
        ],
        draw=draw,
    )
