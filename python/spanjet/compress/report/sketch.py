"""A plot that can be drawn on a page, in its colours, and on a picture of its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spanjet.bench.report.plots import GRID, INK, SERIES, Plot, draw_svg

__all__ = ["Palette", "Sketch", "bars", "write_picture"]


class Palette(NamedTuple):
    """Colours of lines and text, of the grid, and of two series."""

    ink: str
    grid: str
    first: str
    second: str


# A page has the colours of its reader's choice, which these stand for; a picture has ones for white paper.
_PAGE = Palette(INK, GRID, SERIES["answers"], SERIES["inference"])
_PAPER = Palette("#1d2330", "#dde1e8", "#1f5fbf", "#a84300")


@dataclass(frozen=True, kw_only=True)
class Sketch:
    """What a plot shows, and how it is drawn.

    Attributes:
        name: tells the plots of a page apart.
        title, caption: what it is, and what it shows.
        header, rows: its numbers, as a table.
        draw: draws it.
    """

    name: str
    title: str
    caption: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    draw: Callable[[Axes, Palette], None]

    def plot(self) -> Plot:
        """For a page."""
        svg = draw_svg(self.name, self.title, self.caption, lambda axes: self.draw(axes, _PAGE))
        return Plot(svg, self.caption, self.header, self.rows)


def write_picture(sketches: Sequence[Sketch], path: Path) -> None:
    """All plots, one below the other, as PNG."""
    figure = Figure(figsize=(7.2, 4.0 * len(sketches)), layout="constrained")
    for place, sketch in enumerate(sketches, 1):
        axes = figure.add_subplot(len(sketches), 1, place)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color=_PAPER.grid)
        axes.set_axisbelow(True)
        axes.set_title(sketch.title, loc="left", color=_PAPER.ink)
        sketch.draw(axes, _PAPER)
    figure.savefig(path, format="png", dpi=150)


def bars(axes: Axes, groups: Mapping[str, Sequence[float]], palette: Palette) -> None:
    """Two bars for each place, told apart by more than colour, and their legend."""
    for side, (name, values) in enumerate(groups.items()):
        places = [index + 0.4 * side - 0.2 for index in range(len(values))]
        color = palette.second if side else palette.first
        look: dict[str, Any] = {"facecolor": "none", "hatch": "//"} if side else {"facecolor": color}
        axes.bar(places, values, 0.36, edgecolor=color, label=name, **look)
    axes.legend(labelcolor=palette.ink, frameon=False)
