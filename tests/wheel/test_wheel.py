"""A wheel in a fresh environment, without a compiler: the README and the guides, from an empty directory.

Named by the environment variable SPANJET_WHEEL: make test-wheel.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from pages import MARKED, PAGES, blocks, shows  # noqa: E402  (tests/support is no package)
from pages import commands as marked_commands  # noqa: E402  (as above)

Run = Callable[..., "subprocess.CompletedProcess[str]"]

MOST_BYTES = 40_000_000
"""Size of a wheel at most."""

LICENCES = {"LICENSE", "RUST-LICENSES.txt", "mpnet-small-squad2-int8/LICENSE"}

# Pages whose code needs packages that the wheel alone does not bring: make test-integrations.
OTHERS = {"distributed.md", "haystack.md", "rag.md"}

TEXT = "The footbridge over the Isar was built in 1903 by the engineer Clara Höß."

# What the first words of a command need, or do, that a test cannot give it.
NOT_RUN = {
    "make": "builds from the source",
    "pip": "needs the published package",
    "docker": "needs docker",
    "curl": "needs a running server: tests/serve",
    "spanjet serve": "does not end: tests/serve",
    "spanjet mlperf": "takes ten minutes or more: tests/bench",
    "spanjet quantize": "needs the extra, and a checkpoint of one's own: tests/compress",
    "spanjet optimize": "as above",
    "spanjet calibrate": "as above",
}


def commands() -> list[tuple[str, str, str]]:
    """The console commands that stand alone: page, command, and the output that the page shows."""
    found = []
    for page in PAGES:
        text = MARKED.sub("", page.read_text(encoding="utf-8"))
        for block in re.findall(r"^```console\n(.*?)^```$", text, re.M | re.S):
            for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
                command, _, shown = part.partition("\n")
                found.append((page.name, command.split("   #")[0].strip(), shown))
    return found


def is_run(command: str) -> bool:
    return command.startswith("spanjet ") and not any(command.startswith(words) for words in NOT_RUN)


COMMANDS = [each for each in commands() if is_run(each[1]) and "my-checkpoint" not in each[1]]


@pytest.fixture(scope="session")
def wheel() -> Path:
    """The wheel."""
    return Path(os.environ["SPANJET_WHEEL"]).resolve(strict=True)


@pytest.fixture(scope="session")
def run(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run a command in a fresh environment that has the wheel, and in whose path there is no compiler."""
    environment = tmp_path_factory.mktemp("fresh") / "environment"
    venv.create(environment, with_pip=True)
    scripts = Path(sysconfig.get_path("scripts", vars={"base": str(environment)}))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}
    kept |= {"PATH": str(scripts), "XDG_CACHE_HOME": str(environment / "cache"), "PYTHONUTF8": "1"}

    def run(program: str, *arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
        words = [str(scripts / program), *arguments]
        done = subprocess.run(
            words, check=False, cwd=cwd, env=kept, capture_output=True, encoding="utf-8", timeout=900
        )
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        return done

    packages = f"{wheel}[serve]"
    run("python", "-m", "pip", "install", "--quiet", "--only-binary", ":all:", packages, cwd=environment)
    return run


def test_the_files_of_the_wheel(wheel: Path) -> None:
    assert wheel.stat().st_size <= MOST_BYTES
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    licences = {name.split(".dist-info/licenses/")[1] for name in names if ".dist-info/licenses/" in name}
    assert {name.replace("python/spanjet/model/assets/", "") for name in licences} >= LICENCES
    assert not [name for name in names if name.startswith(("tests/", "docs/", "rust/", "benches/"))]
    assert "spanjet/py.typed" in names


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if list(blocks(page)) and page.name not in OTHERS],
    ids=lambda page: page.name,
)
def test_the_code_of_a_page(run: Run, page: Path, tmp_path: Path) -> None:
    code = (
        "import pathlib, sys; sys.path.insert(0, sys.argv[1]); import pages; "
        "pages.run_code(pathlib.Path(sys.argv[2]))"
    )
    run("python", "-c", code, str(ROOT / "tests" / "support"), str(page), cwd=tmp_path)


def test_every_command_is_run_or_has_a_reason() -> None:
    skipped = [command for _, command, _ in commands() if not is_run(command)]
    assert not [each for each in skipped if not any(each.startswith(words) for words in NOT_RUN)]
    assert len(COMMANDS) >= 5


@pytest.mark.parametrize(
    ("page", "command", "shown"), COMMANDS, ids=[f"{p}: {c[:40]}" for p, c, _ in COMMANDS]
)
def test_a_command_of_a_page(run: Run, page: str, command: str, shown: str, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    for name in ("bridge.txt", "notes/footbridge.txt"):
        (tmp_path / name).write_text(TEXT, encoding="utf-8")
    rows = [{"question": "Who built the footbridge?", "context": TEXT}]
    (tmp_path / "questions.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8"
    )
    (tmp_path / "dev-v1.1.json").write_bytes((ROOT / "tests/data/squad/v1.1.json").read_bytes())
    done = run(*shlex.split(command), cwd=tmp_path)
    assert done.stdout.startswith(shown), page


@pytest.mark.skipif(sys.platform == "win32", reason="the commands are those of a POSIX shell")
@pytest.mark.parametrize(
    "page", [page for page in PAGES if marked_commands(page)], ids=lambda page: page.name
)
def test_the_commands_of_a_page_in_turn(run: Run, page: Path, tmp_path: Path) -> None:
    for line, output in marked_commands(page):
        printed = run("/bin/bash", "-o", "pipefail", "-c", line, cwd=tmp_path).stdout
        assert shows(output, printed.rstrip("\n")), f"{line}\n{printed}"
