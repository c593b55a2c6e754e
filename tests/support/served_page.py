"""The page of `spanjet serve` in a browser, as its tests use it."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page
from spanjet import PassageAnswer

WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => {
  window.violations.push(`${violatedDirective} ${blockedURI}`);
});
window.shifts = [];
new PerformanceObserver((list) => {
  for (const { value, sources } of list.getEntries()) {
    const names = sources.map(({ node }) => node?.id || node?.className || node?.nodeName);
    window.shifts.push(`${value} ${names}`);
  }
}).observe({ type: "layout-shift", buffered: true });
"""

MARKS = """
(view) => [...view.querySelectorAll("mark")].map((mark) => {
  const range = document.createRange();
  range.setStart(view, 0);
  range.setEndBefore(mark);
  const name = mark.querySelector("a").getAttribute("aria-label");
  const current = mark.classList.contains("current");
  return { text: mark.textContent, before: range.toString(), current, name };
})
"""

ANSWERS = """
(list) => [...list.querySelectorAll("button")].map((button) => ({
  text: button.querySelector(".answer").textContent,
  score: button.querySelector(".score").textContent,
  sentence: button.querySelector(".sentence").textContent,
  place: button.querySelector(".offsets").textContent,
  file: button.querySelector(".file")?.textContent ?? null,
  current: button.getAttribute("aria-current") === "true",
}))
"""


@contextmanager
def serving(*options: str, token: str = "") -> Iterator[str]:
    """Address of a server that runs `spanjet serve`; at the end it must stop in order."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-c", "from spanjet.cli import app; app()"]
    command += ["serve", "--port", str(port), "--no-access-log", *options]
    address = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, env=os.environ | {"SPANJET_TOKEN": token}) as server:
        try:
            _wait_until_ready(server, address)
            yield address
        finally:
            server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0


def _wait_until_ready(server: subprocess.Popen[bytes], address: str) -> None:
    for _ in range(600):
        assert server.poll() is None, "the server did not start"
        try:
            with urllib.request.urlopen(f"{address}/v2/health/ready", timeout=5):  # noqa: S310  (http)
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(address)


def shown(text: str) -> str:
    """The text as the page shows it: each line break is one line feed."""
    return re.sub("\r\n?", "\n", text)


def percent(probability: float) -> str:
    """A probability in the page's words."""
    if probability < 0.001:
        return "<0.1%"
    if probability > 0.99:
        return ">99%"
    return f"{100 * probability:.{1 if probability < 0.0995 else 0}f}%"


class PageUnderTest:
    """The open page.

    Attributes:
        page: Playwright's page.
        log: errors of the console and of scripts.
        requests: addresses of all requests.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.log: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.log.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.log.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    @classmethod
    @contextmanager
    def open(cls, browser: Browser, address: str, **options: Any) -> Iterator["PageUnderTest"]:
        """Open the page; at the end, no script failed, nothing was blocked, and no other server was asked.

        Args:
            browser: the browser.
            address: the server's address.
            options: options of the browser's context, such as ``color_scheme``.
        """
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        context.add_init_script(WATCH)
        page = cls(context.new_page())
        try:
            page.page.goto(address)
            yield page
            assert page.page.evaluate("window.violations") == []
            # The browser itself writes down responses that are errors.
            assert [line for line in page.log if not line.startswith("Failed to load resource")] == []
            assert {"/".join(url.split("/")[:3]) for url in page.requests} == {address}
        finally:
            context.close()

    def paste(self, text: str) -> None:
        """Type over the pasted text."""
        self.page.fill("#paste", text)

    def add_files(self, *files: tuple[str, bytes | str]) -> None:
        """Choose files, by name and content."""
        count = len(self.tabs())
        chosen: Any = [
            {
                "name": name,
                "mimeType": "text/plain",
                "buffer": data.encode() if isinstance(data, str) else data,
            }
            for name, data in files
        ]
        self.page.set_input_files("#files", chosen)
        self.page.wait_for_function(
            "(count) => document.querySelectorAll('[role=tab]').length > count"
            " || document.getElementById('failure').textContent",
            arg=count,
        )

    def ask(self, question: str) -> None:
        """Ask by the keyboard, and wait for the end of it."""
        self.page.fill("#question", question)
        self.page.press("#question", "Enter")
        self.wait()

    def ask_for_all(self, question: str) -> None:
        """Ask for unlikely answers too."""
        self.page.check("#unlikely")
        self.wait()
        self.ask(question)

    def wait(self) -> None:
        """Wait for the running request."""
        self.page.wait_for_selector("#answers[aria-busy=false]", state="attached", timeout=120_000)

    def answers(self) -> list[dict[str, Any]]:
        """The answers in the list."""
        found: list[dict[str, Any]] = self.page.locator("#answers").evaluate(ANSWERS)
        return found

    def marks(self) -> list[dict[str, Any]]:
        """The marks in the text that is shown."""
        found: list[dict[str, Any]] = self.page.locator("#view").evaluate(MARKS)
        return found

    def tabs(self) -> list[str]:
        """The words on the tabs."""
        return [" ".join(text.split()) for text in self.page.locator("[role=tab]").all_text_contents()]

    def text_of(self, selector: str) -> str:
        """The words of an element."""
        text: str = self.page.locator(selector).inner_text()
        return text

    def focused(self) -> str:
        """Id of the element that has the focus."""
        name: str = self.page.evaluate("document.activeElement.id")
        return name

    def check_answers(self, expected: list[PassageAnswer], *, named: bool = False) -> None:
        """The list shows these answers."""
        assert self.answers() == [
            {
                "text": answer.text,
                "score": percent(answer.score),
                "sentence": answer.sentence,
                "place": f"{answer.start}–{answer.end}",  # noqa: RUF001  (the page's dash)
                "file": (answer.passage_id or "Pasted text") if named else None,
                "current": rank == 0,
            }
            for rank, answer in enumerate(expected)
        ]

    def check_marks(self, text: str, expected: list[PassageAnswer]) -> None:
        """Exactly these answers are marked in the text, which is shown whole."""
        in_order = sorted(expected, key=lambda answer: answer.start)
        assert [(mark["before"], mark["text"]) for mark in self.marks()] == [
            (shown(text[: answer.start]), shown(answer.text)) for answer in in_order
        ]
        assert self.page.locator("#view").evaluate("(view) => view.textContent") == shown(text)

    def fulfil(self, respond: Callable[[Any], None]) -> None:
        """Answer searches in place of the server."""
        self.page.route("**/v1/search", respond)
