"""Hooks of MkDocs: pages from outside of ``docs/``, and the generated reference of the command line."""

from typing import Any

from mkdocs.structure.files import File, Files

from scripts.command_reference import command_reference
from scripts.site_pages import PAGES_OUTSIDE, ROOT, site_links

MARKER = "<!-- the commands -->"


def on_files(files: Files, config: Any) -> Files:
    """Add the pages whose files are not in ``docs/``."""
    for page, source in PAGES_OUTSIDE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Adapt links to the site, and fill in the reference of the commands."""
    if page.file.src_uri == "commands.md":
        if MARKER not in markdown:
            raise ValueError(f"docs/commands.md: has no line {MARKER}; expected one where the commands go")
        markdown = markdown.replace(MARKER, command_reference())
    return site_links(markdown, page.file.src_uri)
