"""Print answers in their sentences and tables of values; plain text when piped."""

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from spanjet import _core
from spanjet.cli.terminal.printable import printable
from spanjet.reader.answer import Answer
from spanjet.reader.passages import PassageAnswer

__all__ = ["print_table", "sentence", "show_answers", "show_found", "show_table", "show_values"]

TEXT_WIDTH, PADDING = 12, 3
"""Columns of a terminal that a text has in a table at least, and those beside it."""

CONTEXT_WIDTH = 200
"""Maximum number of code points to show on each side of an answer."""


def sentence(text: str, start: int, end: int) -> tuple[str, str, str]:
    """Split the sentence around ``text[start:end]`` into the part before, the span and the part after.

    Sentences are those of `spanjet.sentence`, on one line; very long ones are truncated.
    """
    return _parts(text, _core.sentence(text, start, end), start, end)


def _parts(text: str, bounds: tuple[int, int], start: int, end: int) -> tuple[str, str, str]:
    left, right = bounds
    first, last = max(left, start - CONTEXT_WIDTH), min(right, end + CONTEXT_WIDTH)
    before = ("…" if first > left else "") + text[first:start]
    after = text[end:last] + ("…" if last < right else "")
    return printable(before).lstrip(), printable(text[start:end]), printable(after)


def show_answers(context: str, answers: Sequence[Answer]) -> None:
    """Print answers, best first: in their sentences on a terminal, else one text per line."""
    if not sys.stdout.isatty():
        for answer in answers:
            print(printable(answer.text))
        return
    console = Console(highlight=False)
    for index, answer in enumerate(answers):
        if index:
            console.print()
        if answer.is_null:
            console.print("The text does not answer the question.", style="yellow")
        else:
            before, span, after = sentence(context, answer.start, answer.end)
            console.print(Text.assemble(before, (span, "bold reverse green"), after))
        place = "" if answer.is_null else f", characters {answer.start}-{answer.end}"
        console.print(f"score {answer.score:.3f}{place}", style="dim")


def show_found(found: Sequence[tuple[str, PassageAnswer]]) -> None:
    """Print answers with their locations and sentences, best first.

    On a terminal the answer is highlighted; else each is one line: location, tab, answer, tab, sentence.

    Args:
        found: location of each answer, as text, and the answer.
    """
    rows = []
    for place, answer in found:
        bounds = (answer.sentence_start, answer.sentence_end)
        rows.append((printable(place), _parts(answer.passage_text, bounds, answer.start, answer.end)))
    if not sys.stdout.isatty():
        for place, (before, span, after) in rows:
            print(f"{place}\t{span}\t{before}{span}{after}")
        return
    console = Console(highlight=False)
    for (_, answer), (place, (before, span, after)) in zip(found, rows, strict=True):
        # Not wrapped, so that a long path can be copied as a whole.
        console.print(Text.assemble((place, "bold"), (f"  score {answer.score:.3f}", "dim")), soft_wrap=True)
        console.print(Text.assemble(before, (span, "bold reverse green"), after))


def show_values(values: Mapping[str, Any]) -> None:
    """Print names and values: nested ones indented on a terminal, else as ``outer.inner``, tab, value.

    Values of None are omitted.
    """
    if not sys.stdout.isatty():
        for path, value in _leaves(values):
            print(f"{printable('.'.join(path))}\t{printable(value)}")
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    shown: tuple[str, ...] = ()
    for path, value in _leaves(values):
        for depth, name in enumerate(path[:-1]):
            if shown[: depth + 1] != path[: depth + 1]:
                table.add_row("  " * depth + printable(name))
        shown = path[:-1]
        table.add_row("  " * len(shown) + printable(path[-1]), printable(value))
    print_table(table)


def print_table(table: Table) -> None:
    """Print a table on a terminal: its texts are wrapped there, and its numbers are never cut off."""
    console = Console(highlight=False, markup=False)
    needed = 0
    for column in table.columns:
        column.overflow = "fold"
        widths = [cell_len(str(cell)) for cell in (column.header, *column.cells)]
        column.min_width = max(widths) if column.no_wrap else min(max(widths), TEXT_WIDTH)
        needed += column.min_width + PADDING
    # Of a terminal that is too narrow even so, the lines are longer, and it wraps them itself.
    console.print(table, width=max(console.width, needed), crop=False)


def show_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    title: str | None = None,
    left: Collection[int] = (0,),
    kept: Collection[int] = (),
) -> None:
    """Print a table: aligned on a terminal, else as tab-separated values.

    Args:
        columns: column names.
        rows: rows of one cell per column.
        title: text above the table, on a terminal only.
        left: indices of left-aligned columns; the others are numeric.
        kept: indices of highlighted rows.
    """
    if not sys.stdout.isatty():
        for cells in (columns, *rows):
            print("\t".join(map(printable, cells)).rstrip())
        return
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(columns):
        table.add_column(name, justify="left" if index in left else "right", no_wrap=index not in left)
    for index, cells in enumerate(rows):
        table.add_row(*map(printable, cells), style="bold green" if index in kept else None)
    print_table(table)


def _leaves(values: Mapping[str, Any], outer: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*outer, name))
        elif value is not None:
            yield (*outer, name), _digits(value) if isinstance(value, float) else str(value)


def _digits(value: float) -> str:
    """Format a number with two decimals, or four between -1 and 1, as most of those are shares."""
    return f"{value:.4f}" if 0 < abs(value) < 1 else f"{value:.2f}"
