"""The headings and links of all pages of the documentation site."""

import re
import unicodedata
from pathlib import Path

from pages import PAGES, ROOT

from scripts.command_reference import command_reference
from scripts.site_pages import PAGES_OUTSIDE

ALL_PAGES = [*PAGES, *(ROOT / source for source in PAGES_OUTSIDE.values())]


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as the site makes them; those of the commands are generated."""
    text = page.read_text(encoding="utf-8")
    if page.name == "commands.md":
        text += command_reference()
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return {_slug(title) for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


def _slug(title: str) -> str:
    title = re.sub(r"\[([^\]]*)\]\([^)]*\)|`", r"\1", title)
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())


def links(page: Path) -> list[tuple[str, str]]:
    """The files, pictures included, and anchors that a page links to; "": the page itself, or no anchor."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", text)
    return [(file, anchor) for file, anchor in found if not file.startswith("http")]
