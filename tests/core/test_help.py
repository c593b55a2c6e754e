"""``help`` on the compiled core: every public thing is described, and its examples run."""

from __future__ import annotations

import ast
import doctest
import inspect
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import peer
import pytest
import spanjet
from spanjet import _core
from spanjet.config import DecodeMode

STUB = ast.parse(Path(_core.__file__).with_name("_core.pyi").read_text(encoding="utf-8"))


class Described(NamedTuple):
    """A public class, function, method or property."""

    name: str
    thing: Any


def described() -> Iterator[Described]:
    for name, thing in vars(_core).items():
        if name.startswith("_") or not callable(thing):
            continue
        yield Described(name, thing)
        if isinstance(thing, type):
            members = (
                (member, getattr(thing, member)) for member in vars(thing) if not member.startswith("_")
            )
            yield from (Described(f"{name}.{member}", value) for member, value in members)


def stub_docstrings() -> Iterator[tuple[str, str | None]]:
    for node in STUB.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name, ast.get_docstring(node)
        if isinstance(node, ast.ClassDef):
            members = (member for member in node.body if isinstance(member, ast.FunctionDef))
            yield from (
                (f"{node.name}.{member.name}", ast.get_docstring(member))
                for member in members
                if not member.name.startswith("_")
            )


ALL = list(described())
WITH_EXAMPLES = [item for item in ALL if callable(item.thing)]


def test_there_is_something_to_describe() -> None:
    assert {item.name for item in ALL} >= {"Tokenizer", "Windows.batch", "Spans.score", "decode_spans"}
    assert len(WITH_EXAMPLES) >= 16


@pytest.mark.parametrize("item", ALL, ids=[item.name for item in ALL])
def test_docstrings_begin_with_a_summary(item: Described) -> None:
    summary, *rest = (inspect.getdoc(item.thing) or "").splitlines()
    assert summary.endswith(".")
    assert not summary.startswith(("What ", "How ", "Which ", "In which "))
    assert not rest or rest[0] == ""


@pytest.mark.parametrize("item", WITH_EXAMPLES, ids=[item.name for item in WITH_EXAMPLES])
def test_examples_run(item: Described, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(peer.UNCASED)  # it has the tokenizer.json of the examples
    text = inspect.getdoc(item.thing) or ""
    test = doctest.DocTestParser().get_doctest(text, {}, item.name, None, None)
    assert test.examples
    report: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert result.failed == 0, "".join(report)


def test_stubs_say_the_same() -> None:
    stubs = dict(stub_docstrings())
    assert stubs == {item.name: inspect.getdoc(item.thing) for item in ALL}
    assert ast.get_docstring(STUB) == inspect.getdoc(_core)


def test_the_alias_names_the_modes() -> None:
    assert typing.get_args(DecodeMode) == _core.DECODE_MODES


def test_representations_are_short() -> None:
    tokenizer = spanjet.Tokenizer(peer.UNCASED, threads=1)
    encoding = tokenizer.encode("It's 42 metres long. " * 9)
    assert repr(encoding) == "Encoding(tokens=63, text=\"It's 42 metres long. It's 42 metres long…\")"
    assert repr(tokenizer.encode_batch([])) == "Encodings(texts=0, tokens=0)"
    assert repr(tokenizer.windows([], [])) == "Windows(windows=0, questions=0, tokens=0, longest=0)"
