"""Write a benchmark's numbers for people."""

from collections.abc import Sequence

from spanjet.bench.result import Measurement

__all__ = ["number", "written"]


def number(value: float, decimals: int | None = None) -> str:
    """Write a measurement, by default with the digits that mean something."""
    return f"{value:,.{_decimals(value) if decimals is None else decimals}f}"


def written(rows: Sequence[Measurement]) -> list[tuple[str, str, str, str]]:
    """Write the rows of a section: name, median, quartiles ("" where there are none) and unit.

    Numbers of one unit have the same decimals, those that the least of them needs; percentages have one.
    """
    needed = {
        unit: 1 if unit == "%" else max(_decimals(row.value) for row in rows if row.unit == unit)
        for unit in {row.unit for row in rows}
    }
    return [
        (row.name, number(row.value, needed[row.unit]), _quartiles(row, needed[row.unit]), row.unit)
        for row in rows
    ]


def _decimals(value: float) -> int:
    size = abs(value)
    return 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 2 else 3


def _quartiles(row: Measurement, decimals: int) -> str:
    if row.low is None or row.high is None:
        return ""
    return f"{number(row.low, decimals)} to {number(row.high, decimals)}"
