"""The plots of the page, as SVG whose colours are the page's, and whose text is text."""

import io
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from spanjet.bench.budgets import Budget
from spanjet.bench.latency import Latency

__all__ = ["GRID", "INK", "SERIES", "Plot", "budget_plot", "draw_svg", "latency_plot"]

# Matplotlib knows no CSS: each of these stands for a variable of the page.
INK, GRID, SERIES = "#010101", "#020202", {"answers": "#030303", "inference": "#040404"}
VARIABLES = {INK: "--ink", GRID: "--grid", SERIES["answers"]: "--answers", SERIES["inference"]: "--inference"}
NAMES = {"answers": "text to answers", "inference": "inference alone"}
STYLES: dict[str, dict[str, Any]] = {
    # Told apart by more than colour.
    "answers": {"linestyle": "-", "marker": "o"},
    "inference": {"linestyle": "--", "marker": "D", "markerfacecolor": "none"},
}
PERCENTS = (50, 90, 99)


class Plot(NamedTuple):
    """A plot, ready for the page.

    Attributes:
        svg: one ``<svg>`` element, with a title and a description for those who cannot see it.
        caption: what it shows.
        header, rows: its numbers, as a table.
    """

    svg: str
    caption: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]


def budget_plot(budgets: list[Budget], chosen: int) -> Plot:
    """Throughput against batch budget; the budget of all other measurements is marked."""

    def draw(axes: Axes) -> None:
        tokens = [budget.batch_tokens for budget in budgets]
        for side, color in SERIES.items():
            rates = [budget.rate(side) for budget in budgets]
            medians = np.array([rate.median for rate in rates])
            spread = np.abs(np.array([[rate.low for rate in rates], [rate.high for rate in rates]]) - medians)
            axes.errorbar(tokens, medians, spread, color=color, label=NAMES[side], capsize=3, **STYLES[side])
        axes.axvline(chosen, color=INK, linewidth=1, linestyle=":")
        axes.annotate(
            f" {chosen:,}: used above", (chosen, 0.03), xycoords=("data", "axes fraction"), color=INK
        )
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_locator(FixedLocator(tokens))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.tick_params(axis="x", rotation=30)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("batch budget, tokens with padding")
        axes.set_ylabel("questions per second")
        axes.legend(loc="lower left", labelcolor=INK, frameon=False)

    best = max(budgets, key=lambda budget: budget.rate().median)
    rows = [
        (
            f"{budget.batch_tokens:,}",
            *(f"{budget.rate(side).median:,.1f}" for side in SERIES),
            f"{100 * budget.padding:.1f} %",
        )
        for budget in budgets
    ]
    caption = (
        f"Throughput against batch budget, medians and quartiles of {budgets[0].questions:,} questions. "
        f"Fastest from text to answers: {best.batch_tokens:,} tokens, {best.rate().median:,.0f} questions/s."
    )
    header = ("batch budget, tokens", "text to answers, questions/s", "inference alone", "padding")
    return Plot(draw_svg("budgets", "Throughput against batch budget", caption, draw), caption, header, rows)


def latency_plot(latency: Latency) -> Plot:
    """The cumulative distribution of the time that a single question takes."""

    def draw(axes: Axes) -> None:
        for side, color in SERIES.items():
            values = np.sort(latency.milliseconds[side])
            share = np.arange(1, len(values) + 1) / len(values)
            axes.step(values, 100 * share, where="post", color=color, **{**STYLES[side], "marker": ""})
            marks = [latency.percentile(percent, side) for percent in PERCENTS]
            axes.plot(marks, PERCENTS, color=color, **{**STYLES[side], "linestyle": ""})
            axes.plot([], [], color=color, label=NAMES[side], **STYLES[side])  # the legend's line
        for percent in PERCENTS:
            axes.axhline(percent, color=GRID, linewidth=1)
            axes.annotate(f"p{percent}", (0.01, percent), xycoords=("axes fraction", "data"), color=INK)
        # The slowest of all is one accident, and would leave no room for the rest.
        axes.set_xlim(0, 1.25 * max(latency.percentile(99, side) for side in SERIES))
        axes.set_ylim(0, 104)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f} %"))
        axes.set_xlabel("milliseconds")
        axes.set_ylabel("questions that take no longer")
        axes.legend(loc="lower right", labelcolor=INK, frameon=False)

    rows = [
        (f"p{percent}", *(f"{latency.percentile(percent, side):.2f}" for side in SERIES))
        for percent in PERCENTS
    ]
    caption = (
        f"Latency of {latency.questions:,} single questions of one window, asked "
        f"{len(latency.milliseconds['answers']):,} times in all: half of the answers take at most "
        f"{latency.percentile(50):.1f} ms, 99 % at most {latency.percentile(99):.1f} ms."
    )
    header = ("share", "text to answers, ms", "inference alone, ms")
    return Plot(draw_svg("latency", "Latency of single questions", caption, draw), caption, header, rows)


def draw_svg(name: str, title: str, description: str, draw: Callable[[Axes], None]) -> str:
    """One ``<svg>`` element.

    Args:
        name: tells the plots of a page apart.
        title: what it is, for those who cannot see it.
        description: what it shows, for them too.
        draw: draws it, in the colours of this module.
    """
    with _style(name):
        figure = Figure(figsize=(7.2, 4.0), layout="constrained")
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_axisbelow(True)
        draw(axes)
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    return _embedded(file.getvalue(), name, title, description)


def _style(name: str) -> AbstractContextManager[None]:
    lines = ("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor")
    settings: dict[str, Any] = dict.fromkeys(lines, INK)
    settings |= {"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif", "font.size": 11}
    settings |= {"axes.grid": True, "axes.grid.axis": "y", "grid.color": GRID}
    context: AbstractContextManager[None] = mpl.rc_context(settings)
    return context


def _embedded(svg: str, name: str, title: str, description: str) -> str:
    """The element alone, with names of its own, the page's colours, and words for what it shows."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    for color, variable in VARIABLES.items():
        svg = svg.replace(color, f"var({variable})")
    # Fonts of the page, not those that Matplotlib has found on this machine.
    svg = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", svg)
    words = f'<title id="{name}-title">{title}</title><desc id="{name}-words">{description}</desc>'
    head = f'<svg role="img" aria-labelledby="{name}-title {name}-words"'
    return re.sub(r"^<svg([^>]*)>", lambda match: f"{head}{match[1]}>{words}", svg, count=1)
