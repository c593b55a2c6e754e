"""The README and the pages tell the truth: their code runs, and their links lead somewhere."""

import re
from pathlib import Path

import pytest
from page_links import ALL_PAGES, headings, links
from pages import PAGES, ROOT, blocks, commands, run_code, run_command

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
    """In an empty directory, one after the other; "…" stands for numbers that differ."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert len(commands(page)) > 2
    for line, output in commands(page):
        expected = r"\S+".join(map(re.escape, output.split("…")))
        printed = run_command(line)
        assert re.fullmatch(expected, printed), f"{line}\n{printed}"


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


def test_the_oldest_versions_are_those_that_are_allowed() -> None:
    """The bounds of pyproject.toml, without those of other people's pipelines, in the table of versions."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    requirements = text[text.index("\ndependencies = [") : text.index("\nhaystack = [")]
    allowed = dict(re.findall(r'"([A-Za-z0-9_-]+)>=([0-9.]+)', requirements))
    shown = {}
    for row in re.findall(
        r"^\| (.+?) \| (.+?) \|", (ROOT / "docs/versions.md").read_text(encoding="utf-8"), re.M
    ):
        names = re.sub(r" \(.*\)", "", row[0]).lower().replace("loadgen", "mlcommons-loadgen").split(", ")
        shown |= dict(zip(names, re.findall(r"\d+(?:\.\d+)+", row[1]), strict=False))
    assert len(allowed) >= 18
    for name, bound in allowed.items():
        assert re.fullmatch(rf"{re.escape(bound)}(\.0)*", shown[name.lower()]), name


def test_the_readme_is_short() -> None:
    assert len(PAGES[0].read_text(encoding="utf-8").splitlines()) <= 100


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_are_short(page: Path) -> None:
    assert len(page.read_text(encoding="utf-8").splitlines()) <= 200
