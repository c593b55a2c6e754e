"""The tables: on a terminal, in Markdown, in JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benches.engine.rounds import Entry, Line

COLUMNS = (
    *("engine", "weights", "setting", "questions/s", "range", "ours", "CPUs"),
    *("EM", "F1", "MB", "first", "rounds"),
)
BEST, ALL = "The best setting of each engine", "All settings"
LEGEND = (
    "questions/s, range: median and extremes of the rounds; first: seconds of the first run, which compiles",
    "ours: how many times as fast the first line is, round by round; rounds: how many counted",
    "CPUs: processor time over wall time; MB: peak memory of an engine's process, with all its settings",
    "what is not INT8: float32 in torch, else OpenVINO's choice (bf16 where the CPU has it), ours included",
)
WIDTH = 150
"""Columns of the table where no terminal says how many it has."""


def number(value: float | None, decimals: int = 1) -> str:
    return "-" if value is None else f"{value:,.{decimals}f}"


def ratio(ours: Line | None, line: Line) -> float | None:
    """How many times as fast ours is: the median over the rounds that both took part in."""
    if ours is None or not ours.turns or not line.turns:
        return None
    pairs = zip(ours.turns, line.turns, strict=False)
    return statistics.median(theirs.wall / mine.wall for mine, theirs in pairs)


def cells(entry: Entry, line: Line, ours: Line | None, questions: int) -> list[str]:
    """A line of a table, in the order of `COLUMNS`."""
    speeds = sorted(questions / turn.wall for turn in line.turns)
    return [
        entry.name,
        entry.weights,
        line.setting,
        number(statistics.median(speeds) if speeds else None),
        f"{number(speeds[0])} to {number(speeds[-1])}" if len(speeds) > 1 else "-",
        number(ratio(ours, line), 2),
        number(line.cores, 2),
        number(line.exact_match, 2),
        number(line.f1, 2),
        number(line.turns[-1].peak_megabytes if line.turns else None, 0),
        number(line.first),
        str(len(line.turns)),
    ]


def tables(entries: Sequence[Entry], questions: int) -> dict[str, list[list[str]]]:
    """Lines by the title of their table, without engines that did not run (see `notes`)."""
    ran = [(entry, entry.best) for entry in entries if entry.best is not None]
    ours = ran[0][1] if ran else None
    return {
        BEST: [cells(entry, line, ours, questions) for entry, line in ran],
        ALL: [cells(entry, line, ours, questions) for entry, _ in ran for line in entry.lines],
    }


def notes(entries: Sequence[Entry], about: Mapping[str, str]) -> list[str]:
    """Who is left out and why, what the columns mean, and the machine."""
    missing = [
        f"left out: {entry.name}, {entry.weights}: {entry.failure}" for entry in entries if entry.failure
    ]
    missing += [
        f"failed: {entry.name}, {entry.weights}, {line.setting}: {line.failure}"
        for entry in entries
        for line in entry.lines
        if line.failure
    ]
    return [*missing, *LEGEND, *(f"{name}: {value}" for name, value in about.items())]


def show(found: Mapping[str, list[list[str]]], notes: Sequence[str], console: Console) -> None:
    """Print the tables."""
    for title, lines in found.items():
        shown = Table(*COLUMNS, title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
        for column in shown.columns[4:]:
            column.justify = "right"
        for line in lines:
            shown.add_row(*line)
        console.print(shown)
    console.print(*notes, sep="\n", markup=False)


def markdown(found: Mapping[str, list[list[str]]], notes: Sequence[str]) -> str:
    """The tables and the notes."""
    lines = []
    for title, rows in found.items():
        lines += [f"**{title}**", ""]
        for row in [list(COLUMNS), ["---"] * len(COLUMNS), *rows]:
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")
        lines.append("")
    return "\n".join([*lines, *(f"- {note}" for note in notes), ""])


def save_json(entries: Sequence[Entry], about: Mapping[str, str], path: Path) -> None:
    """All measurements, in seconds; without the answers."""

    def turn(values: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if name != "answers"}

    records = []
    for entry in entries:
        lines = [
            {**asdict(line), "turns": [turn(asdict(each)) for each in line.turns]} for line in entry.lines
        ]
        head = {"engine": entry.contestant.package, "version": entry.version, "weights": entry.weights}
        records.append({**head, "failure": entry.failure, "settings": lines})
    content = {"about": dict(about), "engines": records}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
