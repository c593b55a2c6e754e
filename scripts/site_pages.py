"""Map files of the repository to pages of the documentation site, and the links between them."""

import os
import re
from pathlib import Path, PurePosixPath

__all__ = ["PAGES_OUTSIDE", "ROOT", "site_links"]

ROOT = Path(__file__).parents[1]

PAGES_OUTSIDE = {
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "recipes.md": "recipes/README.md",
    "security-policy.md": "SECURITY.md",
}
"""Pages of the site whose files are not in ``docs/``, with those files."""

_LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s#]+)(#[^)]*)?\)")
_PAGE_OF = {source: page for page, source in PAGES_OUTSIDE.items()}


def site_links(markdown: str, page: str) -> str:
    """Make links that hold in the repository hold on the site.

    A link to a file that the site does not have is replaced by its text.

    Args:
        markdown: text of a page.
        page: the page on the site, such as ``guide.md``.
    """
    source = PurePosixPath(PAGES_OUTSIDE.get(page, f"docs/{page}"))

    def on_site(match: re.Match[str]) -> str:
        label, target, anchor = match[1], match[2], match[3] or ""
        if re.match(r"[a-z]+:", target):
            return match[0]
        file = os.path.normpath(source.parent / target)
        place = _PAGE_OF.get(file) or (file.removeprefix("docs/") if file.startswith("docs/") else None)
        return label if place is None else f"[{label}]({place}{anchor})"

    return _LINK.sub(on_site, markdown)
