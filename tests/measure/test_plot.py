"""Plots for pages and for pictures."""

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from html_pages import Page
from spanjet.measure import plot


@pytest.fixture(scope="module")
def drawn() -> plot.Plot:
    def draw(axes: Any, palette: plot.Palette) -> None:
        axes.plot([1, 2], [3, 4], color=palette.first, label="one")
        axes.plot([1, 2], [4, 3], color=palette.second, label="two")
        axes.legend(labelcolor=palette.ink)

    return plot.Plot(
        name="lines",
        title="Two <lines>",
        caption="Up & down.",
        header=("x", "y"),
        rows=[("1", "3")],
        draw=draw,
    )


def test_colours_are_the_page_s(drawn: plot.Plot) -> None:
    svg = drawn.svg
    assert not any(color in svg for color in plot.VARIABLES)
    assert all(f"var({variable})" in svg for variable in plot.VARIABLES.values())
    # Black on a dark page would not be seen.
    assert not re.search(r"(fill|stroke): ?(#000000|black)", svg)
    assert "<text" in svg
    style = files("spanjet.measure").joinpath("base.html.j2").read_text(encoding="utf-8")
    assert all(style.count(f"{variable}: #") == 2 for variable in plot.VARIABLES.values()), "light and dark"


def test_a_plot_is_one_element_with_names_of_its_own(drawn: plot.Plot) -> None:
    page = Page(drawn.svg)
    assert page.open == []
    assert page.tags[0][0] == "svg"
    ids = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert all(str(each).startswith("lines-") for each in ids)
    assert page.words[:2] == ["Two <lines>", "Up & down."]
    assert drawn.svg == drawn.svg, "the same every time"


def test_a_picture_has_all_plots(drawn: plot.Plot, tmp_path: Path) -> None:
    sizes = []
    for count in (1, 2):
        plot.write_png([drawn] * count, tmp_path / "plots.png")
        data = (tmp_path / "plots.png").read_bytes()
        assert data.startswith(b"\x89PNG")
        sizes.append(int.from_bytes(data[20:24], "big"))
    assert sizes == [600, 1200]
