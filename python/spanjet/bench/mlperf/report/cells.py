"""Format the cells of the comparison table."""

from spanjet.bench.mlperf.models import BASES, floor_name
from spanjet.bench.mlperf.rules import FLOORS
from spanjet.bench.mlperf.table.table import ModelRow, Table
from spanjet.bench.report.table import number
from spanjet.measure.rounds import Spread

__all__ = ["COLUMNS", "STEP_COLUMNS", "notes", "row_cells", "step_cells"]

COLUMNS = (
    "model",
    "samples/s",
    "per core",
    "speed-up",
    "over our schedule",
    "F1",
    *(f"share of {base}" for base in BASES),
    "MB",
    "p90 latency, ms",
)
STEP_COLUMNS = ("what is changed", "factor", "quartiles", "samples/s after it")
RANDOM = "architecture only"


def row_cells(row: ModelRow) -> tuple[str, ...]:
    """Format the cells of a model's row; unmeasured values are empty."""
    return (
        f"{row.name} ({RANDOM})" if row.random else row.name,
        number(row.throughput.median),
        number(row.per_core),
        _times(row.speed_up),
        _times(row.schedule_speed_up),
        "" if row.f1 is None else f"{row.f1:.2f}",
        *(_floor(row, base) for base in BASES),
        f"{row.megabytes:,.0f}",
        number(row.latency),
    )


def step_cells(table: Table) -> list[tuple[str, ...]]:
    """Format the rows of the steps of the speed-up."""
    return [
        (
            step.name,
            _times(step.factor),
            f"{step.factor.low:.2f} to {step.factor.high:.2f}",
            number(step.throughput.median),
        )
        for step in table.steps
    ]


def notes(table: Table) -> list[str]:
    """Write the notes below the table."""
    found = [
        f"Offline scenario, short LoadGen tests, NOT VALID as results of MLPerf: {table.samples:,} windows "
        f"whose lengths are spread as those of all, {table.rounds} rounds in turn, medians.",
        f"Data: {table.data}.",
        "All rows: the same OpenVINO, windows and settings: "
        + ", ".join(f"{name} {value}" for name, value in table.runtime.items())
        + ". p90 latency: single queries (SingleStream).",
        "Speed-up: over the baseline as it was run in MLPerf v2.0, padded; over our schedule: over the same "
        "model as spanjet runs it, so that what is left is the smaller model's.",
        f"LoadGen and what is around the engine cost {_percent(table.overhead)} of the engine's time alone, "
        "on the same windows.",
    ]
    if any(row.random for row in table.rows):
        found.append(
            f"“{RANDOM}”: the weights are random, so the speed is that of the real model, and there is no F1."
        )
    return found


def _floor(row: ModelRow, base: str) -> str:
    """Name the highest floor that F1 holds; "" if unknown."""
    met = {share: row.floors.get(floor_name(share, base)) for share in sorted(FLOORS)}
    if None in met.values():
        return ""
    held = [share for share, holds in met.items() if holds]
    return f"≥ {100 * held[-1]:g} %" if held else f"< {100 * min(FLOORS):g} %"


def _times(factor: Spread) -> str:
    return f"{factor.median:.2f} times" if factor.median < 10 else f"{number(factor.median)} times"


def _percent(share: Spread) -> str:
    return f"{100 * share.median:.1f} % (quartiles {100 * share.low:.1f} to {100 * share.high:.1f} %)"
