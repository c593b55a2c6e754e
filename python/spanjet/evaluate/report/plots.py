"""Plot risk-coverage curves and reliability diagrams."""

from typing import TYPE_CHECKING

import numpy as np

from spanjet.evaluate.confidence import Confidence
from spanjet.measure.plot import Palette, Plot

if TYPE_CHECKING:  # Matplotlib is an extra.
    from matplotlib.axes import Axes

__all__ = ["reliability_plot", "risk_coverage_plot"]

# Maximum number of points of a curve in the page's table and in the plot, beyond which no screen shows more.
_ROWS, _POINTS = 20, 500


def risk_coverage_plot(confidence: Confidence) -> Plot:
    """Plot accuracy against coverage: the most confident answers against their share of the questions."""

    def draw(axes: "Axes", palette: Palette) -> None:
        # Distinguished by colour and line style.
        for curve, label, color, line in (
            (confidence.exact, "exact match", palette.first, "-"),
            (confidence.f1, "F1", palette.second, "--"),
        ):
            points = np.unique(np.linspace(0, len(curve.accuracy) - 1, _POINTS).astype(int))
            axes.plot(
                curve.coverage[points], curve.accuracy[points], label=label, color=color, linestyle=line
            )
        _label(axes, "questions answered, the most confident first", "right answers among them")
        axes.legend(loc="lower left", labelcolor=palette.ink, frameon=False)

    half, whole = (100 * confidence.exact.at(share) for share in (0.5, 1.0))
    return Plot(
        name="coverage",
        title="Accuracy against coverage",
        caption=(
            f"Selective prediction: exact match is {half:.1f} % on the most confident half of the questions, "
            f"and {whole:.1f} % on all. Area under the risk-coverage curve "
            f"{confidence.exact.area:.4f}."
        ),
        header=("coverage", "exact match", "F1"),
        rows=[
            (f"{share:.0%}", *(f"{100 * each.at(share):.1f} %" for each in (confidence.exact, confidence.f1)))
            for share in (number / _ROWS for number in range(1, _ROWS + 1))
        ],
        draw=draw,
    )


def reliability_plot(confidence: Confidence) -> Plot:
    """Plot a reliability diagram: accuracy against mean score, in equal-mass bins."""
    bins = confidence.bins

    def draw(axes: "Axes", palette: Palette) -> None:
        axes.plot([0, 1], [0, 1], color=palette.ink, linewidth=1, linestyle=":", label="perfect calibration")
        axes.plot(bins.confidence, bins.accuracy, marker="o", label="exact match", color=palette.first)
        _label(axes, "mean score of the bin", "exact matches in the bin")
        axes.legend(loc="upper left", labelcolor=palette.ink, frameon=False)

    return Plot(
        name="reliability",
        title="Reliability of scores",
        caption=(
            f"Calibration: exact match of the best spans against their mean score, in {len(bins.count)} "
            f"equal-mass bins. The expected calibration error is {bins.error:.4f}."
        ),
        header=("mean score", "exact match", "questions"),
        rows=[
            (f"{mean:.4f}", f"{share:.4f}", f"{count:,}")
            for mean, share, count in zip(bins.confidence, bins.accuracy, bins.count, strict=True)
        ],
        draw=draw,
    )


def _label(axes: "Axes", across: str, up: str) -> None:
    """Label the axes and format both as percentages."""
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.set_xlabel(across)
    axes.set_ylabel(up)
