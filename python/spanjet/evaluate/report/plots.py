"""Draw risk-coverage curves and reliability diagrams."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from spanjet.bench.report.plots import INK, SERIES, Plot, draw_svg
from spanjet.evaluate.confidence import Confidence

__all__ = ["reliability_plot", "risk_coverage_plot"]

# The colours of the page, told apart by more than colour.
_EXACT: dict[str, Any] = {"color": SERIES["answers"], "linestyle": "-"}
_F1: dict[str, Any] = {"color": SERIES["inference"], "linestyle": "--"}
# Points of a curve that the page's table lists, and that are drawn: no screen shows more.
_ROWS, _POINTS = 20, 500


def risk_coverage_plot(confidence: Confidence) -> Plot:
    """Plot the quality of the most confident answers against their share of the questions."""

    def draw(axes: Axes) -> None:
        for curve, label, style in ((confidence.exact, "exact match", _EXACT), (confidence.f1, "F1", _F1)):
            points = np.unique(np.linspace(0, len(curve.accuracy) - 1, _POINTS).astype(int))
            axes.plot(curve.coverage[points], curve.accuracy[points], label=label, **style)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.02)
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.set_xlabel("questions answered, the most confident first")
        axes.set_ylabel("right answers among them")
        axes.legend(loc="lower left", labelcolor=INK, frameon=False)

    shares = [number / _ROWS for number in range(1, _ROWS + 1)]
    rows: list[tuple[str, ...]] = [
        (
            f"{share:.0%}",
            f"{100 * confidence.exact.at(share):.1f} %",
            f"{100 * confidence.f1.at(share):.1f} %",
        )
        for share in shares
    ]
    caption = (
        f"Selective reading: of the half of the questions that the scores are surest of, "
        f"{100 * confidence.exact.at(0.5):.1f} % are exactly right; of all, "
        f"{100 * confidence.exact.at(1.0):.1f} %. Area under the risk-coverage curve "
        f"{confidence.exact.area:.4f}."
    )
    header = ("coverage", "exact match", "F1")
    svg = draw_svg("coverage", "Right answers against coverage", caption, draw)
    return Plot(svg, caption, header, rows)


def reliability_plot(confidence: Confidence) -> Plot:
    """Plot the share of right answers against their mean score, in bins of equally many answers."""
    bins = confidence.bins

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=":", label="a perfect score")
        axes.plot(bins.confidence, bins.accuracy, marker="o", label="exact match", **_EXACT)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.02)
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.set_xlabel("mean score of the bin")
        axes.set_ylabel("exact matches in the bin")
        axes.legend(loc="upper left", labelcolor=INK, frameon=False)

    rows: list[tuple[str, ...]] = [
        (f"{mean:.4f}", f"{share:.4f}", f"{count:,}")
        for mean, share, count in zip(bins.confidence, bins.accuracy, bins.count, strict=True)
    ]
    caption = (
        f"Calibration: how many of the best spans are exactly right against what their score claims, in "
        f"{len(rows)} bins of equally many. The mean distance is the expected calibration error, "
        f"{bins.error:.4f}."
    )
    header = ("mean score", "exact match", "questions")
    return Plot(draw_svg("reliability", "Reliability of scores", caption, draw), caption, header, rows)
