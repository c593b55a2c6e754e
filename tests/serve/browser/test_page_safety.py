"""Nothing in a text, a file's name or a response is executed; nothing is asked of other servers."""

from functools import partial

import pytest
from playwright.sync_api import Browser, Route
from served_page import PageUnderTest

pytest_plugins = ["page_fixtures"]

ATTACKS = (
    "<script>window.attacked = 1</script>",
    "<img src=x onerror='window.attacked = 1'>",
    "<svg onload='window.attacked = 1'></svg>",
    "<a href='javascript:window.attacked = 1'>x</a>",
    "</textarea></mark><iframe srcdoc='<script>parent.attacked = 1</script>'></iframe>",
    "${window.attacked = 1}{{window.attacked = 1}}",
)
TEXT = f"The bridge {' '.join(ATTACKS)} was built by {ATTACKS[1]} Clara {ATTACKS[0]} Höß. {' '.join(ATTACKS)}"


MAKE = "const made = document.createElement("


def check_harmless(page: PageUnderTest) -> None:
    page.page.wait_for_timeout(100)
    assert page.page.evaluate("window.attacked") is None
    assert (
        page.page.locator("main :is(script, img, svg, iframe, object, embed, [onerror], [onload])").count()
        == 0
    )
    assert (
        page.page.locator("main a").evaluate_all("(links) => links.map(({ protocol }) => protocol)")
        == ["http:"] * page.page.locator("main a").count()
    )


def test_texts_and_names_are_text(page: PageUnderTest) -> None:
    page.paste(TEXT)
    names = [f"{attack.replace('/', '_')}.txt" for attack in ATTACKS]
    page.add_files(*((name, TEXT) for name in names))
    page.ask_for_all(f"Who built {ATTACKS[0]} it?")
    assert len(page.answers()) == 5
    assert page.tabs()[1].startswith(names[0])
    for rank in range(5):
        page.page.click(f"#answer-{rank + 1}")
        assert page.page.locator("#view").evaluate("(view) => view.textContent") == TEXT
        check_harmless(page)


def refuse(message: str, route: Route) -> None:
    route.fulfill(status=422, json={"error": message})


def test_responses_are_text(page: PageUnderTest) -> None:
    page.paste("A text.")
    for attack in ATTACKS:
        page.fulfil(partial(refuse, attack))
        page.ask("Who?")
        assert page.text_of("#failure") == attack
        check_harmless(page)


def test_a_file_that_is_refused(page: PageUnderTest) -> None:
    page.add_files((f"{ATTACKS[1]}.txt", b"\xff"))
    assert page.text_of("#failure").startswith(f"{ATTACKS[1]}.txt is not UTF-8.")
    check_harmless(page)


@pytest.mark.parametrize(
    "script",
    [
        f"{MAKE}'script'); made.textContent = 'window.attacked = 1'; document.body.append(made);",
        "document.body.insertAdjacentHTML('beforeend', \"<img src=x onerror='window.attacked = 1'>\");",
        "document.body.insertAdjacentHTML('beforeend', \"<p style='color: red'>x</p>\");",
        "new Image().src = 'http://127.0.0.1:1/leak';",
        "fetch('http://127.0.0.1:1/leak').catch(() => {});",
        f"{MAKE}'form'); made.action = '/'; document.body.append(made); made.submit();",
        f"{MAKE}'base'); made.href = 'http://127.0.0.1:1/'; document.head.append(made);",
    ],
)
def test_the_policy_is_in_force(browser: Browser, server: str, script: str) -> None:
    """It blocks what a flaw of the page might let through."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(server)
    blocked = page.evaluate(
        f"""() => new Promise((resolve) => {{
          document.addEventListener("securitypolicyviolation", (event) => resolve(event.violatedDirective));
          setTimeout(() => resolve(null), 2000);
          {script}
        }})"""
    )
    assert blocked is not None
    assert page.evaluate("window.attacked") is None
    context.close()


def test_the_page_cannot_be_framed(browser: Browser, server: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.set_content(f"<iframe src='{server}'></iframe>")
    page.wait_for_timeout(500)
    assert [frame.url for frame in page.frames[1:]] != [f"{server}/"]
    context.close()


def test_nothing_is_stored(page: PageUnderTest) -> None:
    page.paste("The bridge was built by Clara.")
    page.ask("Who built the bridge?")
    assert len(page.answers()) == 1
    script = "[localStorage.length, sessionStorage.length, document.cookie]"
    assert page.page.evaluate(script) == [0, 0, ""]
    assert page.page.url.count("?") == 0


def test_the_openapi_page(browser: Browser, server: str) -> None:
    """It comes from this server alone."""
    with PageUnderTest.open(browser, server) as page:
        page.page.click("text=API")
        page.page.wait_for_selector("code:text('POST /v1/search')")
        assert page.page.url == f"{server}/docs"
