"""The HTML page of a result: one file that needs no other."""

from importlib.resources import files
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any

from spanjet.bench.report.table import number, quartiles
from spanjet.bench.result import BenchResult

__all__ = ["check_report_extra", "render", "render_page", "write_page"]

TEMPLATE = "page.html.j2"


def check_report_extra() -> None:
    """Check that what the page needs is installed, before the work for it is done.

    Raises:
        ImportError: it is not.
    """
    missing = [name for name in ("matplotlib", "jinja2") if find_spec(name) is None]
    if missing:
        raise ImportError(f"the HTML page needs {' and '.join(missing)}: pip install 'spanjet[report]'")


def write_page(path: Path, result: BenchResult) -> None:
    """Write the page.

    Raises:
        ImportError: the extra ``report`` is not installed.
        OSError: the file cannot be written.
    """
    path.write_text(render_page(result), encoding="utf-8")


def render_page(result: BenchResult) -> str:
    """The page as one text of HTML.

    Raises:
        ImportError: the extra ``report`` is not installed.
    """
    return render(TEMPLATE, _values(result))


def render(template: str, values: dict[str, Any], *, package: str = __package__) -> str:
    """A page made of a template of a package's, which may extend those of this one.

    Args:
        template: its file.
        values: what it names.
        package: where the file is.

    Raises:
        ImportError: the extra ``report`` is not installed.
    """
    check_report_extra()
    from jinja2 import Environment, FunctionLoader, StrictUndefined  # noqa: PLC0415

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
    text: str = environment.get_template(template).render(**values)
    return text


def _values(result: BenchResult) -> dict[str, Any]:
    """What the template names."""
    # Matplotlib takes half a second to import.
    from spanjet.bench.report.operations import operations_plot  # noqa: PLC0415
    from spanjet.bench.report.plots import budget_plot, latency_plot  # noqa: PLC0415

    plots = []
    if result.budgets:
        plots.append(budget_plot(result.budgets, result.settings["runtime"]["batch_tokens"]))
    if result.latency is not None:
        plots.append(latency_plot(result.latency))
    if result.operations is not None and result.operations.operations:
        plots.append(operations_plot(result.operations))
    model = result.settings["model"]
    return {
        "model": model["name"] or Path(model["directory"]).name,
        "result": result,
        "highlights": _highlights(result),
        "sections": [
            (section, [(row.name, number(row.value), quartiles(row), row.unit) for row in rows])
            for section, rows in groupby(result.rows(), key=lambda row: row.section)
        ],
        "plots": plots,
        "settings": {
            f"{group}.{name}": _words(value)
            for group, values in result.settings.items()
            for name, value in values.items()
        },
    }


def _highlights(result: BenchResult) -> list[tuple[str, str]]:
    """The numbers at the top of the page, and what they are."""
    throughput = result.throughput
    found = [
        (number(throughput.rate(throughput.questions).median), "questions per second"),
        (number(throughput.ratio().median), "of the speed of inference alone"),
    ]
    if result.latency is not None:
        found.append((f"{number(result.latency.percentile(50))} ms", "single question, median"))
    if result.peak_megabytes is not None:
        found.append((f"{number(result.peak_megabytes)} MB", "peak memory"))
    return found


def _words(value: Any) -> str:
    if value is None:
        return "default"
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
