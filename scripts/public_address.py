"""Write the public address into what is published: ``python -m scripts.public_address URL REF``.

The package index shows the README without the files beside it, and the addresses of ``[project.urls]``. Both
name the repository that publishes, which may be a fork.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from scripts.site_pages import ROOT

__all__ = ["absolute_links", "main", "project_urls"]

# Code is matched too, so that what looks like a link in it stays as it is.
_CODE_OR_LINK = re.compile(
    r"```.*?```|`[^`\n]*`|(!?)(\[(?:[^\[\]]|\[[^\]]*\])*\])\((?![a-z]+:|#)([^)\s]+)\)", re.DOTALL
)


def absolute_links(markdown: str, address: str, ref: str) -> str:
    """Make the links to files of the repository absolute.

    Args:
        markdown: text of a page at the root of the repository.
        address: address of the repository, in the layout of GitHub, without a slash at its end.
        ref: tag or branch whose files are linked to.
    """

    def absolute(match: re.Match[str]) -> str:
        picture, label, target = match.groups()
        if target is None:
            return match[0]
        return f"{picture}{label}({address}/{'raw' if picture else 'blob'}/{ref}/{target})"

    return _CODE_OR_LINK.sub(absolute, markdown)


def project_urls(address: str, ref: str) -> str:
    """Return the table ``[project.urls]`` of ``pyproject.toml``."""
    places = {
        "Documentation": f"{address}/blob/{ref}/docs/index.md",
        "Repository": address,
        "Issues": f"{address}/issues",
        "Changelog": f"{address}/blob/{ref}/CHANGELOG.md",
    }
    return "\n".join(["[project.urls]", *(f'{name} = "{place}"' for name, place in places.items())])


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> None:
    """Change ``pyproject.toml`` and ``README.md`` in place.

    Args:
        arguments: arguments of the command; None: those of the program.
        root: directory of the two files.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("address", metavar="URL", help="https://HOST/OWNER/NAME")
    parser.add_argument("ref", metavar="REF", help="tag or branch")
    options = parser.parse_args(arguments)
    if not re.fullmatch(r"https://[\w.-]+/[\w.-]+/[\w.-]+", options.address):
        parser.error(f"the address is {options.address!r}; expected https://HOST/OWNER/NAME")
    if not re.fullmatch(r"[\w./-]+", options.ref):
        parser.error(f"the tag or branch is {options.ref!r}; expected letters, digits and . _ / -")
    project, readme = root / "pyproject.toml", root / "README.md"
    settings = project.read_text(encoding="utf-8")
    if "\n[project.urls]" in settings:
        parser.error(f"{project} has [project.urls] already")
    urls = project_urls(options.address, options.ref)
    project.write_text(
        settings.replace("[project.scripts]", f"{urls}\n\n[project.scripts]", 1), encoding="utf-8"
    )
    page = absolute_links(readme.read_text(encoding="utf-8"), options.address, options.ref)
    readme.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
