"""Integrations whose package is not installed: one line names the extra."""

import importlib
import sys

import pytest

MODULES = [
    ("haystack", "haystack", "haystack-ai", "haystack"),
    ("langchain", "langchain_core", "langchain-core", "langchain"),
    ("llama_index", "llama_index", "llama-index-core", "llama-index"),
    ("txtai", "txtai", "txtai", "txtai"),
]


@pytest.mark.parametrize(("name", "module", "package", "extra"), MODULES)
def test_one_line_names_the_extra(
    name: str, module: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for loaded in [each for each in sys.modules if each == module or each.startswith(f"{module}.")]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, f"spanjet.integrations.{name}", raising=False)
    with pytest.raises(ImportError) as raised:
        importlib.import_module(f"spanjet.integrations.{name}")
    assert str(raised.value) == f"spanjet.integrations.{name} needs {package}: pip install 'spanjet[{extra}]'"
