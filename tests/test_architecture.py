"""The shape of the code: imports point one way, and files, functions and folders stay small."""

import ast
import re
import statistics
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import spanjet

PACKAGE = Path(spanjet.__file__).parent
# The order of docs/architecture.md: a module imports from its own place and from those behind it.
ORDER = (
    "cli",
    "serve",
    "integrations",
    "bench",
    "compress",
    "evaluate",
    "measure",
    "files",
    "reader",
    "model",
    "runtime",
    "extras",
    "storage",
    "config",
    "_core",
    "validation",
)
RIDDLES = ("what", "which", "how", "in which", "whether", "where", "when", "that")


def modules() -> dict[str, ast.Module]:
    """The syntax trees of the package, by path."""
    paths = sorted(PACKAGE.rglob("*.py"))
    assert len(paths) > 100
    return {str(path.relative_to(PACKAGE)): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


MODULES = modules()


def imported(tree: ast.AST) -> Iterator[tuple[ast.stmt, str]]:
    """Import statements of a tree, and the modules of the package that they name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            if node.module == "spanjet":
                yield from ((node, f"spanjet.{alias.name}") for alias in node.names)
            else:
                yield node, node.module
        elif isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)


def place(parts: tuple[str, ...]) -> int | None:
    """The place of a module in the order; None: it is outside of the package, or a public name of it."""
    return ORDER.index(parts[1]) if len(parts) > 1 and parts[0] == "spanjet" and parts[1] in ORDER else None


def test_imports_point_down() -> None:
    upward, seen = [], 0
    for name, tree in MODULES.items():
        own = place(("spanjet", *Path(name).with_suffix("").parts))
        for _, module in imported(tree):
            other = place(tuple(module.split(".")))
            if own is not None and other is not None:
                seen += 1
                upward += [f"{name} imports {module}"] if other < own else []
    assert seen > 300
    assert upward == []


def functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_few_imports_are_late() -> None:
    late = [
        f"{name}:{node.lineno} {module}"
        for name, tree in MODULES.items()
        for function in functions(tree)
        for node, module in imported(function)
    ]
    assert len(late) <= 20, late


def test_openvino_has_one_door() -> None:
    importing = [
        name
        for name, tree in MODULES.items()
        for _, module in imported(tree)
        if module.split(".")[0] == "openvino"
    ]
    assert set(importing) == {"runtime/openvino.py"}


def test_openvino_has_one_core() -> None:
    made = [
        path.name
        for folder in (PACKAGE, Path(__file__).parent)
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "Core"
    ]
    assert made == ["openvino.py"]


# What Windows, macOS or both lack, as names of modules, attributes and files.
OF_SOME_SYSTEMS = {
    "fcntl", "grp", "msvcrt", "pwd", "resource", "termios", "winreg",
    "SIGHUP", "SO_REUSEADDR", "fork", "getuid", "geteuid", "register_at_fork", "sched_getaffinity",
}  # fmt: skip
SYSTEM_FILES = re.compile(r"(^|/)(proc|sys)/")


def of_some_systems(tree: ast.Module) -> Iterator[str]:
    """What a module uses that some systems lack, without what only its docstrings name."""
    for _, module in imported(tree):
        yield from OF_SOME_SYSTEMS & {module.split(".")[0]}
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield from OF_SOME_SYSTEMS & {node.attr}
        elif isinstance(node, ast.alias):
            yield from OF_SOME_SYSTEMS & {node.name}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield from OF_SOME_SYSTEMS & {node.value}
            yield from (found[0] for found in [SYSTEM_FILES.search(node.value)] if found)


def test_what_differs_between_systems_has_one_home() -> None:
    used = {name: set(of_some_systems(tree)) for name, tree in MODULES.items()}
    assert {"SIGHUP", "register_at_fork", "SO_REUSEADDR", "proc/"} <= used.pop("runtime/machine.py")
    assert {name: found for name, found in used.items() if found} == {}


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function, without its docstring."""
    documentation = function.body[0] if ast.get_docstring(function) else None
    lines = 0 if documentation is None else 1 + (documentation.end_lineno or 0) - documentation.lineno
    return 1 + (function.end_lineno or 0) - function.lineno - lines


def test_files_and_functions_are_small() -> None:
    lengths = {name: len((PACKAGE / name).read_text().splitlines()) for name in MODULES}
    assert {name: length for name, length in lengths.items() if length > 400} == {}
    assert statistics.median(lengths.values()) < 150
    long = {
        f"{name}:{function.name}": length(function)
        for name, tree in MODULES.items()
        for function in functions(tree)
    }
    assert {name: length for name, length in long.items() if length > 50} == {}


def test_folders_are_small() -> None:
    counts = Counter(str(Path(name).parent) for name in MODULES if not name.endswith("__init__.py"))
    assert {name: count for name, count in counts.items() if count > 13} == {}


def documented(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Names and the first lines of docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "name", "module"), text.splitlines()[0]


def test_first_lines_are_no_riddles() -> None:
    lines = [(name, *found) for name, tree in MODULES.items() for found in documented(tree)]
    assert len(lines) > 500
    found = [line for line in lines if line[2].lower().startswith(tuple(f"{word} " for word in RIDDLES))]
    assert found == []


@pytest.mark.parametrize("folder", ["python", "tests", "benches", "recipes"])
def test_lints_are_switched_off_for_a_reason(folder: str) -> None:
    """Behind each `noqa` stands why."""
    root = PACKAGE.parents[1]
    unexplained = [
        f"{path.relative_to(root)}:{number}"
        for path in sorted((root / folder).rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if "# noqa" in line and "  (" not in line.split("# noqa")[1]
    ]
    assert unexplained == []
