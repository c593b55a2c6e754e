"""Render the self-contained HTML report of an optimised model."""

from pathlib import Path
from typing import Any

from spanjet.compress.optimize.card import read_card
from spanjet.compress.report.plots import all_plots
from spanjet.evaluate import exact_match
from spanjet.measure.html import check_report_extra, render
from spanjet.measure.plot import write_png
from spanjet.storage import replace_file

__all__ = ["render_page", "write_page"]

TEMPLATE = "page.html.j2"


def write_page(model: Path, out: Path, *, png: Path | None = None) -> None:
    """Write the HTML report, and optionally its plots as one PNG.

    Args:
        model: model directory that `optimize_checkpoint` wrote.
        out: path of the HTML file.
        png: path of the PNG; None: not written.

    Raises:
        ImportError: the extra ``report`` is not installed.
        OSError: a file cannot be read or written.
        ValueError: the directory's card is not of an optimised model.
    """
    check_report_extra()
    card = read_card(model)
    replace_file(out, render_page(card).encode())
    if png is not None:
        write_png(all_plots(card), png)


def render_page(card: dict[str, Any]) -> str:
    """Render the HTML report from a model card.

    Raises:
        ImportError: the extra ``report`` is not installed.
    """
    found = card["optimization"]
    values = {
        "card": card,
        "found": found,
        "numbers": _highlights(card),
        "scores": _scores(card),
        "plots": all_plots(card),
        "settings": {name: "none" if value is None else value for name, value in found["settings"].items()},
        "machine": {**card["machine"], **card["versions"]},
        "errors": [f"{100 * error:+.1f} %" for error in found["latency"]["errors"]],
    }
    return render(TEMPLATE, values, package=__package__)


def _highlights(card: dict[str, Any]) -> list[tuple[str, str]]:
    """Choose the headline numbers of the report, with their labels."""
    speed, held_out = card["speed"], card["optimization"]["held_out"]
    share = held_out["optimized"]["f1"] / held_out["float32"]["f1"]
    return [
        (f"{speed['optimized_over_plain']:.2f}", "times the plain INT8 model's speed"),
        (f"{share:.1%}", "of the original model's F1"),
        (f"{speed['optimized']:,.1f}", "windows per second"),
        (f"{card['run']['seconds'] / 60:.0f} min", "of optimisation, in the last run"),
    ]


def _scores(card: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """List the table rows of scores: data, model, F1 and exact match."""
    rows = []
    for scores in (card["optimization"]["held_out"], card["evaluation"]):
        for name in ("float32", "plain", "optimized") if scores else ():
            f1, exact = (f"{value:.2f}" for value in (scores[name]["f1"], exact_match(scores[name])))
            rows.append((f"{scores['data']}, {scores['questions']:,} questions", name, f1, exact))
    return rows
