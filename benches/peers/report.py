"""The table: on a terminal, in Markdown, in JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benches.peers.rounds import Entry
from benches.peers.tasks import UNITS

COLUMNS = (
    *("contestant", "threads", "warm", "quartiles", "cold", "ratio", "cores"),
    *("ids", "offsets", "4n : n", "cannot"),
)
LEGEND = """\
warm, quartiles, cold: medians of speed; ratio: to the speed of tokenizers or of the example scripts, warm
cores: processor time over wall time; ids, offsets: texts, windows or questions equal to theirs
4n : n: time for a text over time for a quarter of it; cannot: what the contestant does not offer
"""
WIDTH = 150
"""Columns of the table where no terminal says how many it has."""


@dataclass(frozen=True)
class Heat:
    """Entries that competed."""

    entries: Sequence[Entry]

    @property
    def work(self) -> str:
        """What they did, and the unit of their speed."""
        work = self.entries[0].task.work
        return f"{work}, {UNITS[work]}"

    @property
    def text(self) -> str:
        """What they did it on."""
        return self.entries[0].task.text

    def shown(self) -> list[Entry]:
        """The entries of full size; those of a quarter are only compared with them."""
        return [entry for entry in self.entries if entry.task.scale == self.largest]

    @property
    def largest(self) -> float:
        return max(entry.task.scale for entry in self.entries)

    def growth(self, entry: Entry) -> float | None:
        """Time for a text over the time for a quarter of it."""
        for other in self.entries:
            same = other.contestant is entry.contestant and other.threads == entry.threads
            if same and other.task.scale < entry.task.scale and other.warm and entry.warm:
                return other.speed(other.warm) / entry.speed(entry.warm) * entry.amount / other.amount  # type: ignore[operator]
        return None

    def reference(self) -> Entry | None:
        """The entry that the others are compared with."""
        return next((entry for entry in self.shown() if entry.contestant.reference), None)


def number(value: float | None) -> str:
    """A speed or ratio with three digits."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def share(value: float | None) -> str:
    """A share as a percentage that is 100 % only where all are equal."""
    if value is None:
        return "-"
    return "all" if value == 1.0 else f"{min(100 * value, 99.99):.2f} %"


def cells(heat: Heat, entry: Entry) -> list[str]:
    """A line of the table, in the order of `COLUMNS`."""
    name = f"{entry.contestant.name} {entry.version}".strip()
    threads = "all" if entry.threads is None else str(entry.threads)
    if entry.failure:
        return [name, threads, *["-"] * (len(COLUMNS) - 3), f"did not run: {entry.failure}"]
    reference, spread, speed = heat.reference(), entry.spread(), entry.speed(entry.warm)
    base = reference.speed(reference.warm) if reference else None
    return [
        name,
        threads,
        number(speed),
        "-" if spread is None else f"{number(spread[0])} to {number(spread[1])}",
        number(entry.speed(entry.cold)),
        number(speed / base if speed and base else None),
        number(sorted(entry.cores)[len(entry.cores) // 2] if entry.cores else None),
        share(entry.ids_equal),
        share(entry.offsets_equal),
        number(heat.growth(entry)),
        entry.contestant.cannot or "-",
    ]


def table(heats: Sequence[Heat]) -> list[list[list[str]]]:
    """All lines of all heats: work and text, in the first line of a heat, and `cells`."""
    return [
        [
            [heat.work if not index else "", heat.text if not index else "", *cells(heat, entry)]
            for index, entry in enumerate(heat.shown())
        ]
        for heat in heats
    ]


def show(heats: Sequence[Heat], machine: Mapping[str, str], console: Console) -> None:
    """Print the table."""
    shown = Table("work", "text", *COLUMNS, box=SIMPLE_HEAD, pad_edge=False)
    for column in shown.columns[4:-1]:
        column.justify = "right"
    for lines in table(heats):
        shown.add_section()
        for line in lines:
            shown.add_row(*line)
    console.print(shown)
    console.print(LEGEND, *(f"{name}: {value}" for name, value in machine.items()), sep="\n", markup=False)


def markdown(heats: Sequence[Heat], machine: Mapping[str, str]) -> str:
    """The table, what its columns mean, and the machine."""
    rows = [["work", "text", *COLUMNS], ["---"] * (len(COLUMNS) + 2)]
    rows += [line for lines in table(heats) for line in lines]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    notes = [*LEGEND.splitlines(), *(f"{name}: {value}" for name, value in machine.items())]
    return "\n".join([*lines, "", *(f"- {note}" for note in notes), ""])


def save_json(heats: Sequence[Heat], machine: Mapping[str, str], path: Path) -> None:
    """All measurements, in seconds of six digits; a line for each entry."""
    names = ("version", "threads", "amount", "warm", "cold", "cores", "ids_equal", "offsets_equal", "failure")

    def record(entry: Entry) -> dict[str, Any]:
        task = {"work": entry.task.work, "text": entry.task.text, "scale": entry.task.scale}
        values = {name: getattr(entry, name) for name in names}
        rounded = {
            name: [float(f"{each:.6g}") for each in value] if isinstance(value, list) else value
            for name, value in values.items()
        }
        return {"contestant": entry.contestant.name, **task, **rounded}

    parts = [
        f'"{name}": {json.dumps(dict(value))}' for name, value in (("machine", machine), ("units", UNITS))
    ]
    entries = ",\n  ".join(json.dumps(record(entry)) for heat in heats for entry in heat.entries)
    path.write_text(
        "{\n " + ",\n ".join([*parts, f'"entries": [\n  {entries}\n ]']) + "\n}\n", encoding="utf-8"
    )
