"""Draw plots as SVG in the colours of a page, with a table of their numbers, or as PNG on white."""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:  # Matplotlib is an extra and takes half a second to import.
    from matplotlib.axes import Axes

__all__ = ["PAGE", "PAPER", "Palette", "Plot", "write_png"]


class Palette(NamedTuple):
    """Colours of lines and text, the grid, and two series."""

    ink: str
    grid: str
    first: str
    second: str


# Matplotlib does not know CSS: each of these is a placeholder for a variable of the page.
PAGE = Palette("#010101", "#020202", "#030303", "#040404")
PAPER = Palette("#1d2330", "#dde1e8", "#1f5fbf", "#a84300")
VARIABLES = {color: f"--{name}" for name, color in PAGE._asdict().items()}


@dataclass(frozen=True, kw_only=True)
class Plot:
    """Plot with its title, caption and numbers.

    Attributes:
        name: unique name on the page.
        title: title of the plot.
        caption: summary of the plot in words.
        header, rows: table of its numbers.
        draw: function that draws it on axes, in the colours of a palette.
    """

    name: str
    title: str
    caption: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    draw: "Callable[[Axes, Palette], None]"

    @property
    def svg(self) -> str:
        """``<svg>`` element, with title and description for screen readers.

        Raises:
            ImportError: the extra ``report`` is not installed.
        """
        file = io.StringIO()
        _save([self], file, PAGE, name=self.name, format="svg", transparent=True, metadata={"Date": None})
        return _embedded(file.getvalue(), self)


def write_png(plots: Sequence[Plot], path: Path) -> None:
    """Write plots to one PNG, one below the other, with their titles.

    Raises:
        ImportError: the extra ``report`` is not installed.
        OSError: the file cannot be written.
    """
    _save(plots, path, PAPER, titles=True, format="png", dpi=150)


def _save(
    plots: Sequence[Plot],
    file: Any,
    palette: Palette,
    *,
    name: str = "",
    titles: bool = False,
    **options: Any,
) -> None:
    import matplotlib as mpl  # noqa: PLC0415  (an extra)
    from matplotlib.figure import Figure  # noqa: PLC0415  (an extra)

    lines = ("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor")
    settings: dict[Any, Any] = dict.fromkeys(lines, palette.ink)
    settings |= {"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif", "font.size": 11}
    settings |= {"axes.grid": True, "axes.grid.axis": "y", "grid.color": palette.grid}
    with mpl.rc_context(settings):
        figure = Figure(figsize=(7.2, 4.0 * len(plots)), layout="constrained")
        for place, plot in enumerate(plots, 1):
            axes = figure.add_subplot(len(plots), 1, place)
            axes.spines[["top", "right"]].set_visible(False)
            axes.set_axisbelow(True)
            if titles:
                axes.set_title(plot.title, loc="left")
            plot.draw(axes, palette)
        figure.savefig(file, **options)


def _embedded(svg: str, plot: Plot) -> str:
    """Extract the SVG element, with unique ids, the page's colours, and a title and description."""
    name = plot.name
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    for color, variable in VARIABLES.items():
        svg = svg.replace(color, f"var({variable})")
    # Fonts of the page, not those that Matplotlib found on this machine.
    svg = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", svg)
    words = f'<title id="{name}-title">{escape(plot.title)}</title>'
    words += f'<desc id="{name}-words">{escape(plot.caption)}</desc>'
    head = f'<svg role="img" aria-labelledby="{name}-title {name}-words"'
    return re.sub(r"^<svg([^>]*)>", lambda match: f"{head}{match[1]}>{words}", svg, count=1)
