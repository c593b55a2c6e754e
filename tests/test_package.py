"""The package: what it exports, and what importing it loads."""

import subprocess
import sys

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
