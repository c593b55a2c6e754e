"""Render the self-contained HTML page of an evaluation."""

from collections.abc import Iterator, Mapping
from typing import Any

from spanjet.evaluate.confidence import Confidence
from spanjet.evaluate.report.plots import reliability_plot, risk_coverage_plot
from spanjet.evaluate.squad import exact_match
from spanjet.measure.html import render
from spanjet.runtime.cpu import describe_machine

__all__ = ["render_page"]

_TEMPLATE = "evaluation.html.j2"
_SHARES = ("ece", "brier", "auc", "aurc")


def render_page(*, model: str, data: str, numbers: Mapping[str, Any], confidence: Confidence) -> str:
    """Render the HTML page.

    Args:
        model: name of the model.
        data: name of the data file.
        numbers: the output of `spanjet eval --json`.
        confidence: the curves to plot.

    Raises:
        ImportError: the extra ``report`` is not installed.
    """
    return render(
        _TEMPLATE,
        {
            "model": model,
            "data": data,
            "questions": numbers["total"],
            "machine": describe_machine(),
            "numbers": [
                (f"{exact_match(numbers):.1f} %", "exact match"),
                (f"{numbers['f1']:.1f} %", "F1"),
                (f"{confidence.bins.error:.3f}", "expected calibration error"),
                (f"{100 * confidence.exact.at(0.5):.1f} %", "exact match, the surest half"),
            ],
            "rows": list(_rows(numbers)),
            "plots": [risk_coverage_plot(confidence), reliability_plot(confidence)],
        },
        package=__package__,
    )


def _rows(numbers: Mapping[str, Any], outer: str = "") -> Iterator[tuple[str, str]]:
    for name, value in numbers.items():
        if isinstance(value, Mapping):
            yield from _rows(value, f"{outer}{name} ")
        elif isinstance(value, float):
            small = name in _SHARES or name.endswith("thresh")
            yield f"{outer}{name}", f"{value:.4f}" if small else f"{value:,.2f}"
        else:
            yield f"{outer}{name}", f"{value:,}"
