"""Plot the model's time by part and operation."""

from typing import TYPE_CHECKING, Any

from spanjet.measure.operations import OperationTimes
from spanjet.measure.plot import Palette, Plot

if TYPE_CHECKING:  # Matplotlib is an extra.
    from matplotlib.axes import Axes

__all__ = ["operations_plot"]

KINDS = 2
"""Number of kinds of operations with a shade of their own; the others share one."""

SHADES = (1.0, 0.55, 0.2)
HATCHES = ("", "///", "...")  # distinguished by shade and hatching


def operations_plot(found: OperationTimes) -> Plot:
    """Plot the shares of time by part of the model, stacked by kind of operation."""
    kinds, slowest = found.by_kind(), found.by_part()[0]
    return Plot(
        name="operations",
        title="Time by operation",
        caption=(
            f"The model's time by part, in {found.batches:,} batches of one stream: {slowest.name} takes "
            f"{100 * slowest.share:.0f} %, {kinds[0].name} in all parts {100 * kinds[0].share:.0f} %. "
            f"{100 * found.idle:.1f} % of the run is outside any operation."
        ),
        header=("operation", "precision", "implementation", "nodes", "ms", "share"),
        rows=[
            (
                f"{each.part}: {each.kind}",
                each.precision,
                each.implementation,
                f"{each.nodes:,}",
                f"{each.milliseconds:,.2f}",
                f"{100 * each.share:.1f} %",
            )
            for each in found.operations
        ],
        draw=lambda axes, palette: _draw(axes, palette, _shares(found)),
    )


def _shares(found: OperationTimes) -> dict[str, dict[str, float]]:
    """Compute the percentage of all operations' time by kind and part of the model."""
    kinds = [kind.name for kind in found.by_kind()[:KINDS]]
    parts = [part.name for part in found.by_part()]
    total = sum(each.milliseconds for each in found.operations) or 1.0
    shares = {kind: dict.fromkeys(parts, 0.0) for kind in [*kinds, "all other kinds"]}
    for each in found.operations:
        name = f"{each.kind}, {each.precision}"
        shares[name if name in kinds else "all other kinds"][each.part] += 100 * each.milliseconds / total
    return shares


def _draw(axes: "Axes", palette: Palette, shares: dict[str, dict[str, float]]) -> None:
    ends = dict.fromkeys(next(iter(shares.values())), 0.0)
    for (name, widths), shade, hatch in zip(shares.items(), SHADES, HATCHES, strict=False):
        axes.barh(
            list(widths),
            list(widths.values()),
            left=list(ends.values()),
            color=palette.second,
            alpha=shade,
            hatch=hatch,
            edgecolor=palette.grid,
            linewidth=0,
            label=name,
        )
        ends = {part: end + widths[part] for part, end in ends.items()}
    for part, end in ends.items():
        place: dict[str, Any] = {"xytext": (4, 0), "textcoords": "offset points", "va": "center"}
        axes.annotate(f"{end:.1f} %", (end, part), color=palette.ink, **place)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    axes.set_xlim(0, 1.12 * max(ends.values()))
    axes.xaxis.set_major_formatter("{x:.0f} %")
    axes.set_xlabel("share of the time of all operations")
    axes.legend(loc="lower right", labelcolor=palette.ink, frameon=False)
