"""The README and the pages tell the truth: their Python code runs, and their links lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
WITH_CODE = {"README.md", "coming-from.md", "files.md", "guide.md"}


def blocks(page: Path) -> list[re.Match[str]]:
    """The Python code of a page."""
    text = page.read_text(encoding="utf-8")
    return list(re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


def test_pages_with_code_are_known() -> None:
    assert {page.name for page in PAGES if blocks(page)} == WITH_CODE


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name in WITH_CODE], ids=lambda page: page.name
)
def test_code_runs(page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A page's code runs from top to bottom, in an empty directory."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    names: dict[str, object] = {}
    for block in blocks(page):
        lines_before = block.string.count("\n", 0, block.start(1))
        # Line numbers of the page in tracebacks.
        code = compile("\n" * lines_before + block[1], str(page), "exec")
        exec(code, names)  # noqa: S102  (our own pages)


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
