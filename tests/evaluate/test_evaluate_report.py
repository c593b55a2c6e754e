"""The page of an evaluation: whole, by itself, with the numbers of its plots."""

import re
from typing import Any

import numpy as np
import pytest
from html_pages import Page
from spanjet.evaluate.confidence import Confidence, assess
from spanjet.evaluate.report import plots
from spanjet.evaluate.report.page import render_page


@pytest.fixture(scope="module")
def confidence() -> Confidence:
    generator = np.random.default_rng(0)
    scores = generator.random(200)
    exact = generator.random(200) < scores
    return assess(
        confidence=scores,
        exact=exact,
        f1=np.maximum(exact, 0.5),
        no_answer=1 - scores,
        answerable=generator.random(200) < 0.7,
    )


@pytest.fixture(scope="module")
def numbers(confidence: Confidence) -> dict[str, Any]:
    return {"exact": 51.25, "f1": 72.5, "total": 12345, **confidence.as_dict(), "best_f1_thresh": 0.4321}


@pytest.fixture(scope="module")
def page(confidence: Confidence, numbers: dict[str, Any]) -> str:
    return render_page(model="<a & model>", data="dev.json", numbers=numbers, confidence=confidence)


def test_page_is_whole(page: str, confidence: Confidence) -> None:
    found = Page(page)
    assert found.open == []
    text = " ".join(" ".join(found.words).split())
    assert "<a & model> on dev.json" in text
    for expected in ("12,345 questions", "51.2 %", "72.5 %", "0.4321", f"{confidence.bins.error:.4f}"):
        assert expected in text
    assert f"exact_at_coverage 50% {100 * confidence.exact.at(0.5):.2f}" in text
    assert [tag for tag, _ in found.tags].count("svg") == 2


def test_page_needs_no_other_file(page: str) -> None:
    found = Page(page)
    assert not {tag for tag, _ in found.tags} & {"script", "link", "img", "iframe"}
    links = [value for _, attributes in found.tags for name, value in attributes.items() if name == "href"]
    assert not [link for link in links if link and not link.startswith("#")]
    ids = [attributes["id"] for _, attributes in found.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))


def test_page_of_v1(confidence: Confidence, numbers: dict[str, Any]) -> None:
    values = {"exact_match": 33.375, **{key: value for key, value in numbers.items() if key != "exact"}}
    assert "33.4 %" in render_page(model="m", data="d", numbers=values, confidence=confidence)


def test_page_of_many_questions_is_small() -> None:
    scores = np.linspace(0, 1, 20000)
    many = assess(
        confidence=scores, exact=scores > 0.5, f1=scores, no_answer=1 - scores, answerable=scores > 0.2
    )
    assert len(plots.risk_coverage_plot(many).svg) < 60_000


def test_plots_say_what_they_show(confidence: Confidence) -> None:
    coverage = plots.risk_coverage_plot(confidence)
    assert [row[0] for row in coverage.rows] == [f"{percent}%" for percent in range(5, 101, 5)]
    assert coverage.rows[9] == (
        "50%",
        f"{100 * confidence.exact.at(0.5):.1f} %",
        f"{100 * confidence.f1.at(0.5):.1f} %",
    )
    assert f"{confidence.exact.area:.4f}" in coverage.caption
    reliability = plots.reliability_plot(confidence)
    assert [row[2] for row in reliability.rows] == [f"{count}" for count in confidence.bins.count]
    assert reliability.rows[0][:2] == (
        f"{confidence.bins.confidence[0]:.4f}",
        f"{confidence.bins.accuracy[0]:.4f}",
    )
    for plot in (coverage, reliability):
        # Colours of the page only, which follow the reader's light or dark.
        assert not re.findall(r"#0[1-9]0[1-9]0[1-9]", plot.svg)
        assert "var(--first)" in plot.svg
