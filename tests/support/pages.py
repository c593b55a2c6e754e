"""The Python code and the commands of the README and the pages."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MARKED = re.compile(r"^<!-- runs -->\n```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
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


def commands(page: Path) -> list[tuple[str, str]]:
    """The commands of the console blocks that are marked ``<!-- runs -->``, with their output."""
    text = page.read_text(encoding="utf-8")
    found = []
    for block in MARKED.finditer(text):
        for command in block[1].removeprefix("$ ").split("\n$ "):
            line, _, output = command.partition("\n")
            found.append((line, output.rstrip("\n")))
    return found


def shows(output: str, printed: str) -> bool:
    """Whether a page's output is what was printed; "…" stands for numbers that differ."""
    return re.fullmatch(r"\S+".join(map(re.escape, output.split("…"))), printed) is not None


def run_command(line: str) -> str:
    """Run a command of a page where the test stands, with the programs of this environment."""
    path = f'PATH="{Path(sys.executable).parent}:$PATH"'
    done = subprocess.run(
        ["/bin/bash", "-o", "pipefail", "-c", f"{path}; {line}"], capture_output=True, text=True, check=True
    )
    return done.stdout.rstrip("\n")
