"""The package: what it exports, what importing it loads, and the examples in its help."""

import doctest
import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import spanjet

HEAVY = ("openvino", "typer", "rich", "nncf", "pyarrow", "huggingface_hub", "matplotlib", "numpy", "torch")


def loaded_by(script: str) -> set[str]:
    """Those of HEAVY that a fresh interpreter has loaded after a script."""
    script += f"\nimport sys\nprint(*[name for name in {HEAVY} if name in sys.modules])"
    command = [sys.executable, "-c", script]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_importing_the_package_loads_nothing_else() -> None:
    assert loaded_by("import spanjet; spanjet.__all__, dir(spanjet)") == set()


@pytest.mark.parametrize(
    ("name", "needed"), [("Tokenizer", set()), ("WindowConfig", set()), ("Reader", {"openvino", "numpy"})]
)
def test_a_name_loads_what_it_needs(name: str, needed: set[str]) -> None:
    assert loaded_by(f"import spanjet; spanjet.{name}") <= needed


def test_every_name_is_there_and_documented() -> None:
    assert spanjet.__all__
    for name in spanjet.__all__:
        value = getattr(spanjet, name)
        assert name == "__version__" or (value.__doc__ or "").strip(), name
    with pytest.raises(AttributeError, match="nothing"):
        spanjet.nothing  # type: ignore[attr-defined]  # noqa: B018  (which raises)


def examples() -> list[doctest.DocTest]:
    """The examples in the docstrings of the public classes and functions that are written in Python."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    public = {name: getattr(spanjet, name) for name in spanjet.__all__}
    found = [
        test
        for name, value in public.items()
        if (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ != "spanjet._core"
        for test in finder.find(value, name, module=False, globs={"spanjet": spanjet})
    ]
    return [test for test in found if test.examples]


@pytest.mark.parametrize("test", examples(), ids=lambda test: test.name)
def test_examples_run(test: doctest.DocTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    report: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert result.failed == 0, "".join(report)


def test_there_are_examples() -> None:
    names = {test.name for test in examples()}
    assert {"Reader.ask", "Reader.search", "PassageAnswer.highlight", "answer_file"} <= names


CARGO = shutil.which("cargo")


@pytest.mark.skipif(CARGO is None, reason="cargo says which crates there are")
def test_the_licences_of_all_crates_are_in_the_wheel() -> None:
    root = Path(__file__).parents[1]
    options = ["--package", "spanjet-py", "--edges", "normal,no-proc-macro", "--prefix", "none"]
    done = subprocess.run(
        [str(CARGO), "tree", "--locked", *options], cwd=root, capture_output=True, text=True, check=True
    )
    crates = set(re.findall(r"^(\S+) v(\S+)", done.stdout, re.M))
    text = (root / "RUST-LICENSES.txt").read_text(encoding="utf-8")
    ours = {"spanjet-core", "spanjet-py"}
    missing = {name for name, version in crates if f"  {name} {version}\n" not in text} - ours
    assert not missing, "run make licenses"
    assert len(crates) > 40
