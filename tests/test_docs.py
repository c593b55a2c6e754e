"""The README and the pages tell the truth: their Python code runs, and their links lead somewhere."""

import re
from pathlib import Path

import pytest
from pages import PAGES, blocks, run_code

WITH_CODE = {"README.md", "coming-from.md", "files.md", "guide.md", "long-texts.md", "serving.md"}
# Run by the tests of the packages that it needs: make test-integrations.
OF_INTEGRATIONS = {"distributed.md", "haystack.md", "rag.md"}


def test_pages_with_code_are_known() -> None:
    assert {page.name for page in PAGES if list(blocks(page))} == WITH_CODE | OF_INTEGRATIONS


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name in WITH_CODE], ids=lambda page: page.name
)
def test_code_runs(page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A page's code runs from top to bottom, in an empty directory."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    run_code(page)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name in OF_INTEGRATIONS], ids=lambda page: page.name
)
def test_code_of_integrations_compiles(page: Path) -> None:
    for _, code in blocks(page):
        compile(code, str(page), "exec")


def test_links_lead_somewhere() -> None:
    links = [
        (page, link)
        for page in PAGES
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not link.startswith("http")
    ]
    assert len(links) > 15
    assert [(page.name, link) for page, link in links if not (page.parent / link).exists()] == []


def test_the_readme_is_short() -> None:
    assert len(PAGES[0].read_text(encoding="utf-8").splitlines()) <= 100
