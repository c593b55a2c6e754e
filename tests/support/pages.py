"""The Python code of the README and the pages."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, section: str | None = None) -> Iterator[tuple[int, str]]:
    """The blocks of a page, or of one of its sections, with the number of lines above them."""
    text = page.read_text(encoding="utf-8")
    begin, end = 0, len(text)
    if section is not None:
        begin = text.index(f"\n## {section}\n") + 1
        end = text.find("\n## ", begin) if "\n## " in text[begin:] else end
    for block in re.finditer(r"^```python\n(.*?)^```$", text[begin:end], re.MULTILINE | re.DOTALL):
        yield text.count("\n", 0, begin + block.start(1)), block[1]


def run_code(page: Path, section: str | None = None) -> None:
    """Run the blocks one after the other, with the page's line numbers in tracebacks."""
    names: dict[str, object] = {}
    count = 0
    for lines_above, code in blocks(page, section):
        exec(compile("\n" * lines_above + code, str(page), "exec"), names)  # noqa: S102  (our own pages)
        count += 1
    assert count > 0
