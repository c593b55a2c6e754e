"""The README and the pages tell the truth: their code runs, and their links lead somewhere."""

from pathlib import Path

import pytest
from page_links import ALL_PAGES, headings, links
from pages import PAGES, blocks, commands, run_code, run_command, shows

WITH_CODE = {
    "README.md",
    "cards.md",
    "coming-from.md",
    "engine.md",
    "files.md",
    "get-started.md",
    "guide.md",
    "index.md",
    "long-texts.md",
    "passages.md",
    "serving.md",
    "settings.md",
}
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


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.name)
def test_commands_print_what_the_page_says(
    page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In an empty directory, one after the other."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert len(commands(page)) > 2
    for line, output in commands(page):
        printed = run_command(line)
        assert shows(output, printed), f"{line}\n{printed}"


def test_links_lead_somewhere() -> None:
    found = [(page, *link) for page in ALL_PAGES for link in links(page)]
    assert len(found) > 100
    lost = [
        f"{page.name}: {file}#{anchor}"
        for page, file, anchor in found
        if not (page.parent / file).exists()
        or (anchor and anchor not in headings(page.parent / file if file else page))
    ]
    assert lost == []


def test_the_readme_is_short() -> None:
    assert len(PAGES[0].read_text(encoding="utf-8").splitlines()) <= 100


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_are_short(page: Path) -> None:
    assert len(page.read_text(encoding="utf-8").splitlines()) <= 200
