"""Render self-contained HTML pages of measurements."""

from importlib.resources import files
from importlib.util import find_spec
from typing import Any

__all__ = ["check_report_extra", "render"]


def check_report_extra() -> None:
    """Check in advance that the extra ``report`` is installed.

    Raises:
        ImportError: the extra is not installed.
    """
    missing = [name for name in ("matplotlib", "jinja2") if find_spec(name) is None]
    if missing:
        raise ImportError(f"the HTML page needs {' and '.join(missing)}: pip install 'spanjet[report]'")


def render(template: str, values: dict[str, Any], *, package: str) -> str:
    """Render a template of a package, which may extend and import the templates of `spanjet.measure`.

    Args:
        template: file name of the template.
        values: variables of the template.
        package: package of the file.

    Raises:
        ImportError: the extra ``report`` is not installed.
    """
    check_report_extra()
    from jinja2 import Environment, FunctionLoader, StrictUndefined  # noqa: PLC0415  (an extra)

    def load(name: str) -> str:
        place = files(package if name == template else __package__)
        return place.joinpath(name).read_text(encoding="utf-8")

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(load),
    )
    environment.filters["words"] = _words
    text: str = environment.get_template(template).render(**values)
    return text


def _words(value: Any) -> str:
    """Format a setting: lists with commas, None as "default"."""
    if value is None:
        return "default"
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
