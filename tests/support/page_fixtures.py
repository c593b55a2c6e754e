"""A browser, a server on a port of its own, and the page in it."""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright
from served_page import PageUnderTest, serving
from spanjet import Reader

NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium of the system's packages."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.exit(f"Chromium is missing (tried {', '.join(NAMES)}): apt-get install chromium", returncode=3)
    # Chromium's sandbox does not start as root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def bundled() -> Reader:
    """The bundled reader."""
    return Reader()


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Address of a server that has time on a slow machine."""
    with serving("--timeout", "240") as address:
        yield address


@pytest.fixture
def page(browser: Browser, server: str) -> Iterator[PageUnderTest]:
    """The page, newly opened; at the end nothing may have gone wrong unseen."""
    with PageUnderTest.open(browser, server) as page:
        yield page
