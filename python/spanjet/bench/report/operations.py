"""The plot of where the model's time goes."""

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from spanjet.bench.operations import OperationTimes
from spanjet.bench.report.plots import GRID, INK, SERIES, Plot, draw_svg

__all__ = ["operations_plot"]

KINDS = 2
"""Kinds of operations with a shade of their own; the others share one."""

SHADES = (1.0, 0.55, 0.2)
HATCHES = ("", "///", "...")  # told apart by more than shade


def operations_plot(found: OperationTimes) -> Plot:
    """Shares of the operations' time by part of the model, each divided by kind of operation."""
    kinds = [kind.name for kind in found.by_kind()[:KINDS]]
    parts = found.by_part()
    total = sum(part.milliseconds for part in parts) or 1.0
    shares = {part.name: [0.0] * (KINDS + 1) for part in parts}
    for each in found.operations:
        name = f"{each.kind}, {each.precision}"
        place = kinds.index(name) if name in kinds else KINDS
        shares[each.part][place] += 100 * each.milliseconds / total

    def draw(axes: Axes) -> None:
        left = [0.0] * len(parts)
        for place, name in enumerate([*kinds, "all other kinds"]):
            widths = [shares[part.name][place] for part in parts]
            axes.barh(
                [part.name for part in parts],
                widths,
                left=left,
                color=SERIES["inference"],
                alpha=SHADES[place],
                hatch=HATCHES[place],
                edgecolor=GRID,
                linewidth=0,
                label=name,
            )
            left = [start + width for start, width in zip(left, widths, strict=True)]
        for part, end in zip(parts, left, strict=True):
            axes.annotate(
                f"{end:.1f} %",
                (end, part.name),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                color=INK,
            )
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.grid(visible=True, axis="x")
        axes.set_xlim(0, 1.12 * max(left))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f} %"))
        axes.set_xlabel("share of the time of all operations")
        axes.legend(loc="lower right", labelcolor=INK, frameon=False)

    slowest = parts[0]
    caption = (
        f"Where the model's time goes, in {found.batches:,} batches of one stream: {slowest.name} takes "
        f"{100 * slowest.share:.0f} %, {kinds[0]} in all parts {100 * found.by_kind()[0].share:.0f} %. "
        f"Between operations passes {100 * found.idle:.1f} % of the run."
    )
    rows: list[tuple[str, ...]] = [
        (
            f"{each.part}: {each.kind}",
            each.precision,
            each.implementation,
            f"{each.nodes:,}",
            f"{each.milliseconds:,.2f}",
            f"{100 * each.share:.1f} %",
        )
        for each in found.operations
    ]
    header = ("operation", "precision", "implementation", "nodes", "ms", "share")
    return Plot(draw_svg("operations", "Time by operation", caption, draw), caption, header, rows)
