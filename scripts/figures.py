"""Draw the figures of the documentation from the JSON files beside them: ``python -m scripts.figures``."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spanjet.measure.plot import Palette, Plot

from scripts.site_pages import ROOT

if TYPE_CHECKING:  # Matplotlib is an extra.
    from matplotlib.axes import Axes

__all__ = ["FIGURES", "draw", "read"]

FOLDER = ROOT / "docs" / "figures"

# As a picture, an SVG does not see the page's style sheet: it follows the system, as the site does.
_STYLE = """<style>
svg { --ink: #1d2330; --grid: #dde1e8; --first: #1f5fbf; --second: #a84300; }
@media (prefers-color-scheme: dark) {
svg { --ink: #e3e6ee; --grid: #454a5a; --first: #8ab4f8; --second: #ffb077; } }
text { font-family: system-ui, sans-serif; }
</style>"""


def read(name: str) -> dict[str, Any]:
    """Read the numbers of a figure."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def draw(name: str) -> str:
    """Return a figure as an SVG document, in light or dark colours as the system has them."""
    svg = FIGURES[name](name, read(name)).svg
    return re.sub(r"(<svg[^>]*>)", lambda match: match[1] + _STYLE, svg, count=1)


def _front(name: str, data: dict[str, Any]) -> Plot:
    points = data["points"]

    def paint(axes: "Axes", palette: Palette) -> None:
        kinds = ((False, "heads and units removed", "o"), (True, "tokens too, which is gone since", "D"))
        for pruned, label, marker in kinds:
            chosen = [each for each in points if each["token_pruning"] is pruned]
            speeds = [each["speed"] for each in chosen]
            spread = [
                [each["speed"] - each["quartiles"][0] for each in chosen],
                [each["quartiles"][1] - each["speed"] for each in chosen],
            ]
            look: dict[str, Any] = {"color": palette.second if pruned else palette.first, "linestyle": ""}
            axes.errorbar(
                speeds, [each["f1"] for each in chosen], xerr=spread, marker=marker, label=label, **look
            )
        axes.set_xlim(0.9, 2.1)
        axes.set_ylim(76.5, 79)
        axes.set_xlabel("windows a second over the plain INT8 model, with quartiles")
        axes.set_ylabel(f"F1, {data['f1']}")
        axes.legend(loc="lower left", labelcolor=palette.ink, frameon=False)

    listed = "; ".join(f"{each['speed']:.2f} times as fast, F1 {each['f1']}" for each in points)
    return Plot(
        name=name,
        title="Speed against F1",
        caption=f"{data['model']}, F1 of {data['f1']}: {listed}.",
        header=("options", "speed", "F1"),
        rows=[(each["options"], f"{each['speed']:.2f}", f"{each['f1']}") for each in points],
        draw=paint,
    )


def _risk_coverage(name: str, data: dict[str, Any]) -> Plot:
    def paint(axes: "Axes", palette: Palette) -> None:
        for key, label, color, line in (
            ("exact_match", "exact match", palette.first, "-"),
            ("f1", "F1", palette.second, "--"),
        ):
            axes.plot(data["coverage"], data[key], label=label, color=color, linestyle=line)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 102)
        axes.xaxis.set_major_formatter("{x:.0%}")
        axes.set_xlabel("questions answered, the most confident first")
        axes.set_ylabel("exact match and F1 of these, %")
        axes.legend(loc="lower left", labelcolor=palette.ink, frameon=False)

    rows = list(zip(data["coverage"], data["exact_match"], data["f1"], strict=True))
    exact = {share: found for share, found, _ in rows}
    return Plot(
        name=name,
        title="Accuracy against coverage",
        caption=(
            f"{data['data']['questions']:,} questions, a span always: exact match is {exact[0.1]:.1f} % on "
            f"the most confident tenth, {exact[0.5]:.1f} % on half and {exact[1.0]:.1f} % on all."
        ),
        header=("coverage", "exact match", "F1"),
        rows=[(f"{share:.0%}", f"{one:.1f} %", f"{two:.1f} %") for share, one, two in rows],
        draw=paint,
    )


def _bars(name: str, data: dict[str, Any]) -> Plot:
    bars = sorted(data["bars"], key=lambda bar: bar["value"])

    def paint(axes: "Axes", palette: Palette) -> None:
        for place, bar in enumerate(bars):
            own = bar["own"]
            look: dict[str, Any] = {"color": palette.first} if own else {"facecolor": "none", "hatch": "//"}
            axes.barh(place, bar["value"], 0.65, edgecolor=palette.first if own else palette.second, **look)
            text: dict[str, Any] = {"xytext": (5, 0), "textcoords": "offset points", "va": "center"}
            axes.annotate(f"{bar['value']}", (bar["value"], place), color=palette.ink, **text)
        axes.set_yticks(range(len(bars)), [bar["name"] for bar in bars])
        axes.grid(visible=False)
        axes.set_xlabel(data["unit"])

    listed = "; ".join(f"{bar['name']} {bar['value']}" for bar in reversed(bars))
    return Plot(
        name=name,
        title=data["title"],
        caption=f"{data['title']}: {listed}. {data['conditions']}.",
        header=("", data["unit"]),
        rows=[(bar["name"], f"{bar['value']}") for bar in bars],
        draw=paint,
    )


FIGURES: dict[str, Callable[[str, dict[str, Any]], Plot]] = {
    "engines": _bars,
    "front": _front,
    "risk-coverage": _risk_coverage,
    "tokenizing": _bars,
}


def main(folder: Path = FOLDER) -> None:
    """Draw all figures."""
    for name in FIGURES:
        (folder / f"{name}.svg").write_text(f"{draw(name)}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
