"""What the page says, and does, when something goes wrong or takes long."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, Route
from served_page import PageUnderTest, serving

pytest_plugins = ["page_fixtures"]

TEXT = "The footbridge over the Isar was built in 1903 by the engineer Clara Höß."
QUESTION = "Who built the footbridge?"
TOKEN = "open-sesame"  # noqa: S105  (of the tests' own server)


def answer_with(status: int, body: Any = None, **headers: str) -> Callable[[Route], None]:
    content = body if isinstance(body, str) else json.dumps(body)
    return lambda route: route.fulfill(status=status, body=content, headers=headers)


def test_nothing_to_ask(page: PageUnderTest) -> None:
    page.ask(QUESTION)
    assert page.text_of("#failure") == "There is no text to ask. Paste one, or add files."
    page.paste(TEXT)
    page.ask("  ")
    assert page.text_of("#failure") == "There is no question."
    assert page.focused() == "question"
    page.ask(QUESTION)
    assert page.text_of("#failure") == ""
    assert [answer["text"] for answer in page.answers()] == ["Clara Höß"]


def test_a_text_that_the_server_refuses(page: PageUnderTest) -> None:
    """Half a character, which no file has, but a paste may."""
    page.page.evaluate("() => { document.getElementById('paste').value = 'Built by \\ud83d Clara.'; }")
    page.ask(QUESTION)
    said = page.text_of("#failure")
    assert said.startswith("the pasted text: ")
    assert "surrogate" in said
    assert page.page.is_hidden("#retry")


def test_a_text_that_is_too_large(browser: Browser) -> None:
    with serving("--max-body", "10000") as server, PageUnderTest.open(browser, server) as page:
        page.paste("x " * 10_000)
        page.ask(QUESTION)
        assert page.text_of("#failure").startswith("That is more than the server accepts. ")
        assert "10000 bytes" in page.text_of("#failure")
        assert page.page.is_hidden("#retry")


def test_a_busy_server(page: PageUnderTest) -> None:
    page.fulfil(answer_with(429, {"error": "overloaded"}, **{"Retry-After": "3"}))
    page.paste(TEXT)
    page.ask(QUESTION)
    assert page.text_of("#failure") == "The server is busy. Try again in 3 seconds."
    page.page.unroute("**/v1/search")
    page.page.click("#retry")
    page.wait()
    assert page.text_of("#failure") == ""
    assert [answer["text"] for answer in page.answers()] == ["Clara Höß"]


def test_an_interrupted_connection(page: PageUnderTest) -> None:
    page.paste(TEXT)
    page.ask(QUESTION)
    assert len(page.answers()) == 1
    page.page.context.set_offline(True)
    page.ask("When was it built?")
    assert page.text_of("#failure") == "The server cannot be reached. Is spanjet serve running?"
    assert page.answers() == []
    assert page.page.input_value("#paste") == TEXT
    page.page.context.set_offline(False)
    page.page.click("#retry")
    page.wait()
    assert [answer["text"] for answer in page.answers()] == ["1903"]


def test_a_server_that_has_stopped(browser: Browser) -> None:
    with ExitStack() as stack:
        with serving() as server:
            page = stack.enter_context(PageUnderTest.open(browser, server))
        page.paste(TEXT)
        page.ask(QUESTION)
        assert page.text_of("#failure") == "The server cannot be reached. Is spanjet serve running?"


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (504, {"error": "no answer within 30 s"}, "The server did not answer in time. no answer within 30 s"),
        (500, "<h1>oh</h1>", "The server failed (500). "),
        (503, {"error": "shutting down"}, "The server is starting or stopping. shutting down"),
        (
            422,
            {"error": "passages.0.text: too short", "detail": []},
            "the pasted text: too short",
        ),
        (200, "not JSON", "The server's response has no answers."),
        (200, {"answers": None}, "The server's response has no answers."),
    ],
)
def test_other_failures(page: PageUnderTest, status: int, body: Any, said: str) -> None:
    page.fulfil(answer_with(status, body))
    page.paste(TEXT)
    page.ask(QUESTION)
    assert page.text_of("#failure") == said.strip()
    assert page.page.is_visible("#retry") == (status != 422)


@pytest.mark.parametrize(("start", "end", "passage"), [(0, 5, 0), (900, 905, 0), (4, 14, 1)])
def test_answers_that_do_not_fit_are_not_shown(
    page: PageUnderTest, start: int, end: int, passage: int
) -> None:
    found = {"text": "footbridge", "start": start, "end": end, "score": 0.5, "passage": passage}
    found |= {"sentence_start": 0, "sentence_end": end}
    page.fulfil(answer_with(200, {"answers": [found], "no_answer": 0.2}))
    page.paste(TEXT)
    page.ask(QUESTION)
    assert page.text_of("#failure").startswith("The page cannot show the answers: ")
    assert page.answers() == []


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        (
            "latin.txt",
            "Höß".encode("latin-1"),
            "latin.txt is not UTF-8. Convert it: iconv -f ENCODING -t UTF-8",
        ),
        ("paper.pdf", b"%PDF-1.7\n\xff", "paper.pdf is not text but a PDF."),
        (
            "letter.docx",
            b"PK\x03\x04\x00",
            "letter.docx is not text but a zip archive, such as .docx or .xlsx.",
        ),
        ("binary.txt", b"ab\x00cd", "binary.txt is not text: it holds zero bytes."),
        ("half.txt", "\ufeffab".encode("utf-16-le") + b"\x00", "half.txt is not UTF-16. Convert it: "),
        ("empty.txt", b" \n", "empty.txt is empty."),
    ],
)
def test_files_that_are_not_text(page: PageUnderTest, name: str, data: bytes, said: str) -> None:
    page.add_files((name, data), ("good.txt", TEXT))
    page.page.wait_for_selector("#failure:not(:empty)")
    assert page.text_of("#failure").startswith(said)
    assert page.tabs() == ["Pasted text", "good.txt"]
    page.ask(QUESTION)
    assert [answer["text"] for answer in page.answers()] == ["Clara Höß"]


DROP = """
(names) => {
  const transfer = new DataTransfer();
  for (const name of names) transfer.items.add(new File(["The bridge was built by " + name], name));
  const over = new DragEvent("dragover", { dataTransfer: transfer, bubbles: true, cancelable: true });
  const drop = new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true });
  const target = document.getElementById("view").parentElement;
  return [target.dispatchEvent(over), document.documentElement.className, target.dispatchEvent(drop)];
}
"""


def test_dropped_files(page: PageUnderTest) -> None:
    """The browser does not open them in place of the page."""
    assert page.page.evaluate(DROP, ["a.txt", "b.md"]) == [False, "dropping", False]
    page.page.wait_for_selector("role=tab[name='b.md']")
    assert page.tabs() == ["Pasted text", "a.txt", "b.md"]
    assert page.page.evaluate("document.documentElement.className") == ""


PASTE = """
(name) => {
  const clipboardData = new DataTransfer();
  clipboardData.items.add(new File(["The bridge was built by Clara."], name));
  const paste = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true });
  return document.getElementById("paste").dispatchEvent(paste);
}
"""


def test_a_pasted_file(page: PageUnderTest) -> None:
    assert page.page.evaluate(PASTE, "copied.txt") is False
    page.page.wait_for_selector("role=tab[name='copied.txt']")
    assert page.text_of("#view") == "The bridge was built by Clara."


def test_a_question_that_is_cut(page: PageUnderTest) -> None:
    page.paste(TEXT)
    page.ask(QUESTION + " Please say it in so many words." * 20)
    assert "likely. But the question has " in page.text_of("#summary")


class Slow:
    """Searches that are not answered until `release`."""

    def __init__(self, page: PageUnderTest) -> None:
        self.waiting: list[Route] = []
        page.fulfil(lambda route: self.waiting.append(route))  # noqa: PLW0108  (Playwright sets attributes of it)

    def release(self) -> None:
        for route in self.waiting:
            route.continue_()


def test_a_new_question_aborts_the_running_one(page: PageUnderTest) -> None:
    aborted = []
    page.page.on("requestfailed", lambda request: aborted.append(json.loads(request.post_data)["question"]))
    slow = Slow(page)
    page.paste(TEXT)
    for question in (QUESTION, "When was it built?"):
        page.page.fill("#question", question)
        page.page.press("#question", "Enter")
    page.page.wait_for_selector(".busy")
    assert page.text_of("#summary") == "Asking …"
    assert page.page.is_visible("#stop")
    slow.release()
    page.wait()
    assert aborted == [QUESTION]
    assert [answer["text"] for answer in page.answers()] == ["1903"]
    assert page.page.locator(".busy").count() == 0


@pytest.mark.parametrize("way", ["Escape", "button", "edit"])
def test_stopping(page: PageUnderTest, way: str) -> None:
    Slow(page)
    page.paste(TEXT)
    page.page.fill("#question", QUESTION)
    page.page.press("#question", "Enter")
    page.page.wait_for_selector(".busy")
    with page.page.expect_event("requestfailed"):
        if way == "Escape":
            page.page.press("#question", "Escape")
        elif way == "button":
            page.page.click("#stop")
        else:
            page.page.type("#paste", "x")
    page.wait()
    changed = "The texts have changed: ask again."
    assert page.text_of("#summary") == (changed if way == "edit" else "Stopped.")
    assert page.text_of("#failure") == ""
    assert page.page.is_hidden("#stop")


def test_a_token(browser: Browser) -> None:
    with serving(token=TOKEN) as server, PageUnderTest.open(browser, server) as page:
        page.paste(TEXT)
        page.ask(QUESTION)
        assert page.text_of("#sign-in-failure") == "The server asks for a token."
        assert page.focused() == "token"
        page.page.fill("#token", "wrong")
        page.page.press("#token", "Enter")
        page.page.wait_for_selector("#sign-in-failure:text('does not accept')")
        page.page.fill("#token", TOKEN)
        page.page.press("#token", "Enter")
        page.page.wait_for_selector("#answers button")
        assert page.page.is_hidden("#sign-in")
        assert page.page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
        page.page.reload()  # the tab keeps it
        page.paste(TEXT)
        page.ask(QUESTION)
        assert [answer["text"] for answer in page.answers()] == ["Clara Höß"]


def test_a_token_is_not_given(browser: Browser) -> None:
    with serving(token=TOKEN) as server, PageUnderTest.open(browser, server) as page:
        page.paste(TEXT)
        for way in ("Cancel", "Escape"):
            page.ask(QUESTION)
            if way == "Cancel":
                page.page.click("#sign-in >> text=Cancel")
            else:
                page.page.press("#token", "Escape")
            page.page.wait_for_selector("#sign-in", state="hidden")
            assert page.text_of("#failure") == "The server asks for a token."
            assert page.answers() == []
