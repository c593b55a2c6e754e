"""Draw the figures of the documentation: ``python -m scripts.figures``.

Bars are of the benchmarks' own files in ``benches/measured``, curves of the JSON files beside the figures.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from spanjet.measure.plot import Palette, Plot

from scripts.site_pages import ROOT

if TYPE_CHECKING:  # Matplotlib is an extra.
    from matplotlib.axes import Axes

__all__ = ["FIGURES", "draw", "read"]

FOLDER = ROOT / "docs" / "figures"
MEASURED = ROOT / "benches" / "measured"

# As a picture, an SVG does not see the page's style sheet: it follows the system, as the site does.
_STYLE = """<style>
svg { --ink: #1d2330; --grid: #dde1e8; --first: #1f5fbf; --second: #a84300; }
@media (prefers-color-scheme: dark) {
svg { --ink: #e3e6ee; --grid: #454a5a; --first: #8ab4f8; --second: #ffb077; } }
text { font-family: system-ui, sans-serif; }
</style>"""


def read(name: str) -> dict[str, Any]:
    """Read the numbers of a figure."""
    if name in _BARS:
        file, numbers = _BARS[name]
        return numbers(json.loads((MEASURED / file).read_text(encoding="utf-8")))
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def _bar(name: str, value: float) -> dict[str, Any]:
    """Make the bar of a speed, rounded to three digits."""
    return {"name": name, "value": float(f"{value:.3g}"), "own": name.startswith("spanjet")}


def _tokenizing(measured: dict[str, Any]) -> dict[str, Any]:
    """Take the median speeds of tokenizing from `benches.peers`."""

    def bars() -> Iterator[dict[str, Any]]:
        for entry in measured["entries"]:
            offsets = {"ids": "", "ids + offsets": ", with offsets"}.get(entry["work"])
            if offsets is None or (entry["text"], entry["threads"]) != ("SQuAD", 1):
                continue
            # Offsets of peers that do not count in characters of the text are no offsets here.
            if entry["warm"] and (not offsets or entry["offsets_equal"] == 1):
                version = "" if entry["contestant"] == "spanjet" else f" {entry['version']}"
                yield _bar(
                    f"{entry['contestant']}{version}{offsets}", entry["amount"] / median(entry["warm"])
                )

    return {
        "page": "benchmarks.md",
        "title": "Tokenizing SQuAD paragraphs, MB a second",
        "unit": "MB/s",
        "conditions": "Warm, one thread of an AMD EPYC Zen 5; only spanjet and tokenizers give offsets",
        "bars": list(bars()),
    }


def _engines(measured: dict[str, Any]) -> dict[str, Any]:
    """Take the median speed of each engine's best setting in each arithmetic from `benches.engine`."""
    questions = int(measured["about"]["questions"].split()[0].replace(",", ""))

    def bars() -> Iterator[dict[str, Any]]:
        for engine in measured["engines"]:
            best: dict[str, float] = {}
            for line in engine["settings"]:
                # OpenVINO computes in bfloat16 by itself where the processor has it.
                exact = engine["engine"] == "transformers" and "bfloat16" not in line["setting"]
                kind = "INT8" if engine["weights"] == "INT8" else "FP32" if exact else "bf16"
                if line["turns"]:
                    speed = questions / median(turn["wall"] for turn in line["turns"])
                    best[kind] = max(speed, best.get(kind, 0.0))
            version = "" if engine["engine"] == "spanjet" else f" {engine['version']}"
            yield from (_bar(f"{engine['engine']}{version}, {kind}", speed) for kind, speed in best.items())

    return {
        "page": "benchmarks.md",
        "title": "Text to answers, questions a second",
        "unit": "questions/s",
        "conditions": f"MiniLM-L6, {questions:,} questions of SQuAD dev, 2 threads of an AMD EPYC Zen 5",
        "bars": list(bars()),
    }


_BARS: dict[str, tuple[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "engines": ("engine.json", _engines),
    "tokenizing": ("peers.json", _tokenizing),
}


def draw(name: str) -> str:
    """Return a figure as an SVG document, in light or dark colours as the system has them."""
    svg = FIGURES[name](name, read(name)).svg
    return re.sub(r"(<svg[^>]*>)", lambda match: match[1] + _STYLE, svg, count=1)


def _front(name: str, data: dict[str, Any]) -> Plot:
    points = data["points"]

    def paint(axes: "Axes", palette: Palette) -> None:
        kinds = ((False, "heads and units removed", "o"), (True, "tokens too (token pruning)", "D"))
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
            f"{data['data']['questions']:,} questions, always answering: exact match is {exact[0.1]:.1f} % "
            f"on the most confident tenth, {exact[0.5]:.1f} % on half and {exact[1.0]:.1f} % on all."
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
            axes.annotate(f"{bar['value']:g}", (bar["value"], place), color=palette.ink, **text)
        axes.set_yticks(range(len(bars)), [bar["name"] for bar in bars])
        axes.grid(visible=False)
        axes.set_xlabel(data["unit"])

    listed = "; ".join(f"{bar['name']} {bar['value']:g}" for bar in reversed(bars))
    return Plot(
        name=name,
        title=data["title"],
        caption=f"{data['title']}: {listed}. {data['conditions']}.",
        header=("", data["unit"]),
        rows=[(bar["name"], f"{bar['value']:g}") for bar in bars],
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
