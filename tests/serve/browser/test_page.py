"""Asking on the page: answers in the list and, at the right characters, in the texts."""

import json
import random
import re
from typing import Any

import pytest
from playwright.sync_api import Browser
from served_page import PageUnderTest, percent, shown
from spanjet import Reader

pytest_plugins = ["page_fixtures"]

BRIDGE = (
    "The footbridge over the Isar was built in 1903 by the engineer Clara Höß. It is painted a deep green."
)
PARK = "# Park\n\nThe park by the river was laid out in 1810 by Ludwig Sckell. Its trees are old."
QUESTION = "Who built the footbridge?"

TEXTS = {
    "latin": BRIDGE,
    "emoji": f"🚂🛤️👩🏽‍🔧 {BRIDGE} 🎉 The 🌉 was paid for by the town 👍🏿. The mill 🏭 paid the other half.",
    "right to left": "الجسر فوق النهر بناه المهندس كريم عام 1903. It was built by Karim. גשר ישן מאוד.",
    "combining marks": "It was built by Jose\u0301 Nu\u0301n\u0303ez. Zo\u0308e A\u030angs owns it.",
    "upper planes": "𝄞𝄢 The bridge 𐍈 was built by 𠮷田 Yoshida in 1931. 𠮷 is not 吉.",
    "Windows lines": f"Title\r\n\r\n{BRIDGE}\r\nIts cost was 41,000 marks.\r\n",
    "old Mac lines": f"Title\r\r{BRIDGE}\rIts cost was 41,000 marks.\r",
    "mixed lines": f"\rA\n\r\nB\n\r{BRIDGE}\u2028It\u0085stands\x0bthere.\x0c\r\n\r\r\n",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_marks_are_at_the_answers_of_a_file(page: PageUnderTest, bundled: Reader, text: str) -> None:
    question = "Who built it?"
    expected = list(bundled.search(question, [("notes.txt", text)], threshold=None))
    assert len(expected) > 2
    page.add_files(("notes.txt", text))
    page.ask_for_all(question)
    page.check_answers(expected)
    page.check_marks(text, expected)


def test_a_pasted_text(page: PageUnderTest, bundled: Reader) -> None:
    page.paste(TEXTS["emoji"])
    page.ask(QUESTION)
    found = bundled.search(QUESTION, [TEXTS["emoji"]])
    assert found[0].text == "Clara Höß"
    page.check_answers(list(found))
    page.check_marks(TEXTS["emoji"], list(found))
    assert page.text_of("#summary") == f"1 answer. Not in this text: {percent(found.no_answer)} likely."
    assert page.focused() == "question"


def test_pasted_line_breaks_count_one_character(page: PageUnderTest, bundled: Reader) -> None:
    page.page.evaluate("(text) => { document.getElementById('paste').value = text; }", TEXTS["Windows lines"])
    page.ask(QUESTION)
    text = shown(TEXTS["Windows lines"])
    expected = list(bundled.search(QUESTION, [text]))
    page.check_answers(expected)
    page.check_marks(text, expected)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(page: PageUnderTest, bundled: Reader, encoding: str) -> None:
    text = TEXTS["emoji"]
    page.add_files(("notes.txt", text.encode(encoding)))
    page.ask(QUESTION)
    page.check_answers(list(bundled.search(QUESTION, [text])))


def test_no_answer(page: PageUnderTest, bundled: Reader) -> None:
    question = "What did the president of France eat?"
    found = bundled.search(question, [BRIDGE])
    assert len(found) == 0
    page.paste(BRIDGE)
    page.ask(question)
    assert page.text_of("#summary") == f"Not in this text: {percent(found.no_answer)} likely."
    assert page.answers() == []
    assert page.page.is_disabled("#next")
    assert page.page.is_visible("#paste")
    page.page.check("#unlikely")
    page.wait()
    expected = list(bundled.search(question, [BRIDGE], threshold=None))
    page.check_answers(expected)
    page.check_marks(BRIDGE, expected)
    assert f"Not in this text: {percent(found.no_answer)} likely." in page.text_of("#summary")
    assert page.focused() == "unlikely"


def test_number_of_answers(page: PageUnderTest, bundled: Reader) -> None:
    page.paste(BRIDGE)
    page.ask_for_all(QUESTION)
    for count in (1, 10):
        page.page.select_option("#top-k", str(count))
        page.wait()
        page.check_answers(list(bundled.search(QUESTION, [BRIDGE], top_k=count, threshold=None)))


def files() -> dict[str, str]:
    return {
        "park.md": PARK,
        "עברית.txt": f"גשר. {BRIDGE}".replace("Clara Höß", "Karl Ritter"),
        "same.txt": BRIDGE,
    }


def test_several_files_are_searched_together(page: PageUnderTest, bundled: Reader) -> None:
    page.paste("🌉 The old bridge was built by Anna Berg.")
    page.add_files(*files().items())
    page.add_files(("same.txt", "Nothing is said here."))
    page.ask_for_all(QUESTION)
    named = [*files().items(), ("same.txt", "Nothing is said here.")]
    passages: list[Any] = ["🌉 The old bridge was built by Anna Berg.", *named]
    found = bundled.search(QUESTION, passages, threshold=None)
    page.check_answers(list(found), named=True)
    assert f"Not in these 5 texts: {percent(found.no_answer)} likely." in page.text_of("#summary")
    texts = [passage if isinstance(passage, str) else passage[1] for passage in passages]
    assert len({answer.passage for answer in found}) > 2
    for rank, answer in enumerate(found):
        page.page.click(f"#answer-{rank + 1}")
        tabs = page.page.locator("[role=tab]")
        assert tabs.nth(answer.passage).get_attribute("aria-selected") == "true"
        inside = [other for other in found if other.passage == answer.passage]
        page.check_marks(texts[answer.passage], inside)
        assert [mark["text"] for mark in page.marks() if mark["current"]] == [answer.text]
        name = answer.passage_id or "Pasted text"
        count = "1 answer" if len(inside) == 1 else f"{len(inside)} answers"
        assert page.tabs()[answer.passage] == f"{name} {count}"


def test_a_removed_file_is_not_searched(page: PageUnderTest, bundled: Reader) -> None:
    page.add_files(*files().items())
    page.page.click("role=tab[name='same.txt']")
    page.page.click("#remove")
    assert page.tabs() == ["Pasted text", "park.md", "עברית.txt"]
    page.ask(QUESTION)
    remaining = [item for item in files().items() if item[0] != "same.txt"]
    page.check_answers(list(bundled.search(QUESTION, remaining)), named=True)


def test_next_and_previous(page: PageUnderTest) -> None:
    page.add_files(*files().items())
    page.ask_for_all(QUESTION)
    texts = [answer["text"] for answer in page.answers()]
    seen = []
    for _ in range(6):
        seen.append(next(answer["text"] for answer in page.answers() if answer["current"]))
        marks = [mark for mark in page.marks() if mark["current"]]
        assert [mark["text"] for mark in marks] == [seen[-1]]
        page.page.click("#next")
    assert seen == [*texts, texts[0]]
    assert page.text_of("#position") == "2 of 5"
    page.page.click("#previous")
    page.page.click("#previous")
    assert page.text_of("#position") == "5 of 5"
    assert page.text_of("#announcement").startswith("Answer 5, ")


def test_a_mark_leads_to_its_answer(page: PageUnderTest) -> None:
    page.paste(BRIDGE)
    page.ask_for_all(QUESTION)
    for mark in page.marks():
        page.page.click(f"#view a[aria-label='{mark['name']}']")
        rank = int(mark["name"].split()[1].strip(","))
        assert page.text_of("#position") == f"{rank} of 5"
        assert page.answers()[rank - 1]["current"]


@pytest.mark.parametrize("clipboard", [True, False], ids=["clipboard", "plain HTTP"])
def test_citations(page: PageUnderTest, bundled: Reader, *, clipboard: bool) -> None:
    page.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.paste("Nothing is said here.")
    page.add_files(("emoji 🚂.txt", TEXTS["emoji"]))
    page.ask(QUESTION)
    passages: list[Any] = ["Nothing is said here.", ("emoji 🚂.txt", TEXTS["emoji"])]
    answer = bundled.search(QUESTION, passages)[0]
    assert answer.passage == 1
    if not clipboard:  # as on a page that does not come over HTTPS or from this machine
        page.page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.page.click("#copy-json")
    page.page.wait_for_selector("#notice:text('Copied')")
    assert json.loads(copied(page)) == answer.to_citation()
    page.page.click("#next")
    page.page.click("#copy-quote")
    page.page.wait_for_selector("#notice:text('Copied')")
    assert page.focused() == "copy-quote"
    place = f"{answer.start}–{answer.end}"  # noqa: RUF001  (the page's dash)
    assert copied(page) == f"“Clara Höß” (emoji 🚂.txt, characters {place})"


def copied(page: PageUnderTest) -> str:
    """The clipboard, as it comes out when it is pasted somewhere else."""
    other = page.page.context.new_page()
    other.set_content("<textarea></textarea>")
    other.focus("textarea")
    other.keyboard.press("Control+V")
    text: str = other.input_value("textarea")
    other.close()
    return text


def test_an_answer_leads_to_its_text_on_a_small_screen(browser: Browser, server: str) -> None:
    """There, the texts are above the answers."""
    with PageUnderTest.open(browser, server, viewport={"width": 320, "height": 500}) as page:
        page.add_files(*files().items())
        page.ask_for_all(QUESTION)
        page.page.click("#answer-5")
        mark = page.page.locator("mark.current")
        assert mark.text_content() == page.answers()[4]["text"]
        box = mark.bounding_box()
        assert box is not None
        assert 0 < box["y"] < 500 - box["height"]


def test_an_edited_text_loses_its_answers(page: PageUnderTest) -> None:
    page.paste(BRIDGE)
    page.ask(QUESTION)
    page.page.click("#edit")
    assert page.focused() == "paste"
    assert len(page.answers()) == 1
    page.page.click("#answer-1")
    assert [mark["text"] for mark in page.marks()] == ["Clara Höß"]
    page.page.click("#edit")
    page.page.keyboard.type("x")
    assert page.answers() == []
    assert page.text_of("#summary") == "The texts have changed: ask again."
    assert page.page.input_value("#paste").count("x") == 1
    assert page.focused() == "paste"


def found_at(text: str, start: int, end: int, score: float) -> dict[str, Any]:
    """An answer of the server in the only text."""
    place = {"start": start, "end": end, "sentence_start": start, "sentence_end": end}
    return {"text": text[start:end], "score": score, "passage": 0, "passage_id": None, **place}


def test_overlapping_answers(page: PageUnderTest) -> None:
    """A server may be set to give answers that overlap."""
    text = "👍 one two three four"
    spans = [(2, 9, 0.5), (6, 15, 0.3), (2, 5, 0.1)]
    answers = [found_at(text, start, end, score) for start, end, score in spans]
    page.fulfil(lambda route: route.fulfill(json={"answers": answers, "no_answer": 0.1}))
    page.paste(text)
    page.ask("Which?")
    assert [mark["text"] for mark in page.marks()] == ["one", " ", "two", " three"]
    assert page.page.locator("#view").evaluate("(view) => view.textContent") == text
    current = []
    for _ in spans:
        current.append("".join(mark["text"] for mark in page.marks() if mark["current"]))
        page.page.click("#next")
    assert current == ["one two", "two three", "one"]


def blocks(text: str) -> float:
    """How many blocks a text has at most; they are of 4,096 UTF-16 code units, at least."""
    return 1 + len(text.encode("utf-16-le")) / 2 / 4096


def test_a_long_text(page: PageUnderTest, bundled: Reader) -> None:
    """200 kB: the right characters, and few nodes.

    Most of it is in words of more than 100 letters, which are one token each: the model is not on trial.
    """
    generator = random.Random(1)
    words = ["river", "🚂", "co\u0301digo", "مدينة", "tower,", "👩🏽‍🔧", "the", "key " + "naïveté𐍈" * 14]
    parts = [" ".join(generator.choices(words, k=8)) + "." for _ in range(1300)]
    parts.insert(1000, BRIDGE)
    text = "\r\n".join(parts)
    assert len(text.encode()) > 200_000
    assert len(bundled.prepare(text)) < 25_000
    page.add_files(("long.txt", text))
    page.ask(QUESTION)
    expected = list(bundled.search(QUESTION, [text]))
    assert expected[0].text == "Clara Höß"
    page.check_answers(expected)
    page.check_marks(text, expected)
    nodes = page.page.locator("#view").evaluate("(view) => view.querySelectorAll('*').length")
    assert nodes <= blocks(text) + 2 * len(expected)
    mark, view = page.page.locator("mark.current").bounding_box(), page.page.locator("#view").bounding_box()
    assert mark is not None
    assert view is not None
    assert view["y"] < mark["y"] < view["y"] + view["height"]


def test_far_answers_come_into_sight(page: PageUnderTest) -> None:
    """What was not seen yet has estimated heights."""
    generator = random.Random(3)
    lines = ["word " * generator.randrange(60) for _ in range(6000)]
    text = "\n".join(lines)
    starts = generator.sample([place.start() for place in re.finditer("word", text)], 20)
    found = [found_at(text, start, start + 4, 0.04) for start in starts]
    page.fulfil(lambda route: route.fulfill(json={"answers": found, "no_answer": 0.1}))
    page.add_files(("long.txt", text))
    page.ask("Where?")
    pane = page.page.locator("#view").bounding_box()
    assert pane is not None
    for _ in starts:
        mark = page.page.locator("mark.current").bounding_box()
        assert mark is not None
        assert pane["y"] < mark["y"] < pane["y"] + pane["height"] - mark["height"]
        page.page.click("#next")
        page.page.wait_for_timeout(20)


FILL = """
async ([text, spans]) => {
  const { utf16Indices } = await import("/static/offsets.js");
  const { fillMarked } = await import("/static/marked-text.js");
  const view = document.createElement("div");
  const placed = spans.map(([start, end], index) => {
    const [first, last] = utf16Indices(text, [start, end]);
    return { first, last, id: `${index}`, name: "" };
  });
  const marks = fillMarked(view, text, placed);
  const marked = [...marks.values()].map((parts) => parts.map(({ textContent }) => textContent).join(""));
  return [view.textContent, view.childElementCount, marked];
}
"""


def test_random_spans(page: PageUnderTest) -> None:
    """Long, short and overlapping ones, over many lines of all kinds and over blocks."""
    generator = random.Random(5)
    letters = ["a", "é", "e\u0301", "𠮷", "🚂", "א", " "]
    for _ in range(20):
        lines = ["".join(generator.choices(letters, k=generator.randrange(90))) for _ in range(400)]
        text = "".join(line + generator.choice(["\n", "\r\n", "\r", "\n\r"]) for line in lines)
        ends = [place for place in range(len(text) + 1) if text[place - 1 : place + 1] != "\r\n"]
        spans = []
        for most in [9000, *[300] * 10, *[5] * 10]:
            first = generator.randrange(len(ends) - 1)
            length = generator.randrange(most)
            spans.append((ends[first], ends[min(first + 1 + length, len(ends) - 1)]))
        whole, count, marked = page.page.evaluate(FILL, [text, spans])
        assert whole == shown(text)
        assert marked == [shown(text[start:end]) for start, end in spans]
        assert 1 < count <= blocks(text)


TIMES = """
async ([text, answer]) => {
  const { placed } = await import("/static/answers.js");
  const { fillMarked } = await import("/static/marked-text.js");
  const times = [];
  for (let round = 0; round < 7; round += 1) {
    const began = performance.now();
    const answers = placed({ answers: [answer] }, [{ name: null, text, id: "text-0" }]);
    const view = document.getElementById("view");
    view.hidden = false;
    fillMarked(view, text, answers);
    view.querySelector("mark").getBoundingClientRect(); // with its layout
    view.scrollHeight;
    times.push(performance.now() - began);
  }
  return times.sort((a, b) => a - b);
}
"""


def test_marking_a_long_text_is_quick(page: PageUnderTest) -> None:
    text = ("Emoji 🚂, combining e\u0301, and مدينة in a line of some words.\r\n" * 20_000)[:900_000]
    assert len(text.encode()) > 1_000_000
    text += BRIDGE
    start = text.index("Clara")
    times = page.page.evaluate(TIMES, [text, found_at(text, start, start + 5, 0.5)])
    size = len(text.encode()) / 1000
    print(f"marking {size:.0f} kB: median {times[3]:.0f} ms, {times[0]:.0f} to {times[-1]:.0f}")
    assert times[3] < 500


def test_offsets_of_random_texts(page: PageUnderTest) -> None:
    """UTF-16 indices against Python's own encoder."""
    generator = random.Random(7)
    letters = ["a", "é", "e\u0301", "\r", "\n", "漢", "𠮷", "🚂", "\u200d", "\ufe0f", "א", "\ud800", "\udc00"]
    cases = []
    for _ in range(400):
        text = "".join(generator.choices(letters, k=generator.randrange(30)))
        # A lone surrogate before another one is a pair in JavaScript.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
        cases.append((text, [generator.randint(0, len(text)) for _ in range(5)]))
    script = """async (cases) => {
      const { utf16Indices } = await import("/static/offsets.js");
      return cases.map(([text, offsets]) => utf16Indices(text, offsets));
    }"""
    expected = [
        [len(text[:offset].encode("utf-16-le", "surrogatepass")) // 2 for offset in offsets]
        for text, offsets in cases
    ]
    assert page.page.evaluate(script, cases) == expected
