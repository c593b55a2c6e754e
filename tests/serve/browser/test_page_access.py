"""The page without a mouse, with a screen reader, on a small screen, and in the dark."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser
from served_page import PageUnderTest

pytest_plugins = ["page_fixtures"]

TEXT = (
    "The footbridge over the Isar was built in 1903 by the engineer Clara Höß. It is painted a deep green.\n"
    + "Its deck was of larch until 1957, when it was replaced by oak planks.\n" * 30
)
PARK = "The park by the river was laid out in 1810 by Ludwig Sckell. Its trees are old."
QUESTION = "Who built the footbridge?"
SIZES = {320: 640, 768: 1024, 1440: 900}


def check_accessible(page: PageUnderTest, state: str) -> None:
    """Axe finds nothing, and its checks of contrast, names and landmarks have run."""
    found = Axe().run(page.page, options={"resultTypes": ["violations", "passes"]}).response
    nodes = [(rule["id"], node["target"]) for rule in found["violations"] for node in rule["nodes"]]
    assert nodes == [], state
    assert {"color-contrast", "button-name"} <= {rule["id"] for rule in found["passes"]}, state


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", SIZES)
def test_axe_finds_nothing(browser: Browser, server: str, scheme: Any, width: int) -> None:
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": SIZES[width]}}
    with PageUnderTest.open(browser, server, **options) as page:
        check_accessible(page, "empty")
        page.ask(QUESTION)
        check_accessible(page, "failure")
        page.paste(TEXT)
        page.ask("What did the president of France eat?")
        check_accessible(page, "no answer")
        page.add_files(("park.md", PARK), ("bridge.txt", TEXT))
        page.ask_for_all(QUESTION)
        assert len(page.answers()) == 5
        check_accessible(page, "answers")
        page.page.click("#open-help")
        check_accessible(page, "help")
        page.page.keyboard.press("Escape")
        page.fulfil(lambda route: route.fulfill(status=401, json={}))
        page.ask(QUESTION)
        check_accessible(page, "token")


def test_structure(page: PageUnderTest) -> None:
    """Landmarks, and the roles and names that a screen reader says."""
    page.paste(PARK)
    page.ask("Who laid out the park?")
    for role in ("banner", "navigation", "main", "search"):
        assert page.page.get_by_role(role).count() == 1, role
    for name in ("Text", "Answers", "Text with answers"):
        assert page.page.get_by_role("region", name=name, exact=True).count() == 1, name
    assert page.page.get_by_role("textbox", name="Question").count() == 1
    assert page.page.locator("#summary[role=status]").inner_text().startswith("1 answer.")
    assert page.page.get_by_role("alert").count() == 1
    score = page.answers()[0]["score"]
    link = page.page.get_by_role("mark").get_by_role(
        "link", name=f"Answer 1, {score}: Ludwig Sckell", exact=True
    )
    assert link.text_content() == "Ludwig Sckell"
    assert page.page.get_by_role("listitem").get_by_role("button").count() == 1
    assert page.page.get_by_role("tabpanel", name="Pasted text 1 answer").count() == 1


def test_all_by_keyboard(page: PageUnderTest) -> None:
    keys = page.page.keyboard
    keys.press("Tab")
    assert page.text_of(":focus") == "Skip to the question"
    keys.press("Enter")
    assert page.focused() == "question"
    keys.type(QUESTION)
    order = []
    for _ in range(4):
        keys.press("Tab")
        order.append(page.focused() or page.text_of(":focus"))
    assert order == ["Ask", "tab-text-0", "add-files", "paste"]
    keys.insert_text(TEXT)
    keys.press("Control+Enter")
    page.wait()
    assert page.answers()[0]["text"] == "Clara Höß"
    keys.press("Escape")
    assert page.focused() == "question"
    keys.press("ArrowDown")
    assert page.focused() == "answer-1"


def test_keys_move_between_answers(page: PageUnderTest) -> None:
    keys = page.page.keyboard
    page.add_files(("park.md", PARK), ("bridge.txt", TEXT))
    page.ask_for_all(QUESTION)
    page.page.focus("#question")
    keys.press("ArrowDown")
    for key, place in [("ArrowDown", 2), ("n", 3), ("ArrowUp", 2), ("p", 1), ("p", 5), ("n", 1)]:
        keys.press(key)
        assert page.focused() == f"answer-{place}"
        assert page.text_of("#position") == f"{place} of 5"
    page.page.focus("#view")
    for key, place in [("n", 2), ("n", 3), ("p", 2)]:
        keys.press(key)
        assert page.focused() == "view"
        assert page.text_of("#position") == f"{place} of 5"
        assert page.text_of("#announcement").startswith(f"Answer {place}, ")
    # A link in the text has the focus, and goes when the next answer is in another file.
    page.page.focus("#view mark.current a")
    for place in (3, 4, 5):
        keys.press("n")
        assert page.focused() == "view"
        assert page.text_of("#position") == f"{place} of 5"


def test_letters_are_letters_where_one_writes(page: PageUnderTest) -> None:
    page.paste(PARK)
    page.ask_for_all("Who laid out the park?")
    page.page.focus("#question")
    page.page.keyboard.press("End")
    page.page.keyboard.type("np")
    assert page.page.input_value("#question") == "Who laid out the park?np"
    assert page.text_of("#position") == "1 of 5"
    page.page.click("#edit")
    page.page.keyboard.press("Control+End")
    page.page.keyboard.type("np")
    assert page.page.input_value("#paste") == PARK + "np"


def test_tabs_by_keyboard(page: PageUnderTest) -> None:
    page.add_files(("a.txt", PARK), ("b.txt", TEXT))
    page.page.focus("#tab-text-1")
    keys = page.page.keyboard
    for key, focused in [
        ("ArrowRight", "tab-text-2"),
        ("ArrowRight", "tab-text-0"),
        ("ArrowLeft", "tab-text-2"),
        ("Home", "tab-text-0"),
        ("Delete", "tab-text-0"),  # the pasted text stays
        ("End", "tab-text-2"),
        ("Delete", "tab-text-1"),
        ("Delete", "tab-text-0"),
    ]:
        keys.press(key)
        assert page.focused() == focused
        assert page.page.get_attribute(f"#{focused}", "aria-selected") == "true"
    assert page.tabs() == ["Pasted text"]


STOPS = """
() => {
  const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
  const { id, tagName, ariaLabel } = document.activeElement;
  return [id || ariaLabel || tagName, outlineStyle !== "none" && parseFloat(outlineWidth) >= 2];
}
"""


def test_focus_is_always_visible(page: PageUnderTest) -> None:
    page.add_files(("park.md", PARK))
    page.ask_for_all(QUESTION)
    page.page.focus(".skip >> nth=0")
    stops = {}
    for _ in range(40):
        page.page.keyboard.press("Tab")
        name, visible = page.page.evaluate(STOPS)
        if name == "BODY":
            break
        stops[name] = visible
    named = {
        "question",
        "tab-text-1",
        "remove",
        "add-files",
        "view",
        "previous",
        "copy-json",
        "top-k",
        "answer-1",
    }
    assert named <= set(stops)
    assert len(stops) > 18
    assert [name for name, visible in stops.items() if not visible] == []


PLACES = """
() => ["text-pane", "panel", "next", "results-title"].map((id) => {
  const { left, top, width, height } = document.getElementById(id).getBoundingClientRect();
  return [left, top + window.scrollY, width, height];
})
"""


@pytest.mark.parametrize("width", SIZES)
def test_nothing_moves_when_answers_come(browser: Browser, server: str, width: int) -> None:
    """Nor does the page scroll sideways."""
    with PageUnderTest.open(browser, server, viewport={"width": width, "height": SIZES[width]}) as page:
        page.paste(PARK)
        page.add_files(("a file with a long name that does not fit.txt", TEXT), ("unbroken.txt", "x" * 3000))
        page.page.evaluate("() => { window.shifts.length = 0; }")
        boxes = []
        for question in (QUESTION, "What did the president of France eat?"):
            page.ask_for_all(question)
            page.page.wait_for_timeout(100)
            boxes.append(page.page.evaluate(PLACES))
        page.fulfil(lambda route: route.abort())
        page.ask(QUESTION)
        assert boxes[0] == boxes[1]
        page.page.wait_for_timeout(100)
        assert page.page.evaluate("window.shifts") == []
        for index in range(3):
            page.page.locator("[role=tab]").nth(index).click()
            assert page.page.evaluate("document.documentElement.scrollWidth") == width


def test_layout_shifts_are_seen(page: PageUnderTest) -> None:
    page.page.evaluate("() => { document.querySelector('header').style.height = '200px'; }")
    page.page.wait_for_timeout(300)
    assert page.page.evaluate("window.shifts.length") > 0


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_reduced_motion(browser: Browser, server: str, motion: Any) -> None:
    with PageUnderTest.open(browser, server, reduced_motion=motion) as page:
        waiting = []
        page.fulfil(lambda route: waiting.append(route))  # noqa: PLW0108  (Playwright sets attributes of it)
        page.paste(TEXT)
        page.page.fill("#question", QUESTION)
        page.page.press("#question", "Enter")
        page.page.wait_for_selector(".busy")
        moving = page.page.evaluate("document.getAnimations().length")
        assert moving == (0 if motion == "reduce" else 1)


def test_dark_and_light(browser: Browser, server: str) -> None:
    seen = []
    for scheme in ("light", "dark"):
        with PageUnderTest.open(browser, server, color_scheme=scheme) as page:
            seen.append(page.page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
    light, dark = (sum(int(part) for part in color[4:-1].split(", ")) for color in seen)
    assert light > 600
    assert dark < 150
