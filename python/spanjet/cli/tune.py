"""`spanjet tune`: the settings that are fastest on this machine."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spanjet import Reader, RuntimeConfig, WindowConfig
from spanjet.cli.options import JsonOption, ThreadsOption
from spanjet.cli.terminal.output import print_json
from spanjet.cli.terminal.progress import progress_bar
from spanjet.model.directory import BUNDLED_MODEL

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from spanjet.bench.autotune import Tuned
    from spanjet.model import Model

__all__ = ["tune"]

MIN_CPU_SHARE = 0.85
"""With less of the CPUs' time than this, what was measured says little."""

COLUMNS = (
    "streams",
    "batch tokens",
    "a model for",
    "tokens/s",
    "padding",
    "speed",
    "memory MB",
    "",
)


def tune(
    *,
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", help="Model directory. Default: the bundled one.", show_default=False
        ),
    ] = BUNDLED_MODEL,
    squad: Annotated[
        Path | None,
        typer.Option(metavar="SQUAD.json", help="Windows of these questions. Default: lengths as in SQuAD."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Only the first questions of the file.")] = 400,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each comparison.")] = 5,
    max_memory: Annotated[
        float, typer.Option(metavar="MB", help="For a compiled model of each length, at most.")
    ] = 2048,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure which batches and streams are fastest here; readers use them from then on."""
    from spanjet.bench.autotune import tune as measure  # noqa: PLC0415
    from spanjet.model import load_model  # noqa: PLC0415  (OpenVINO: 200 ms)
    from spanjet.reader.tuned_settings import save_tuning  # noqa: PLC0415

    loaded = load_model(model)
    config = RuntimeConfig(threads=threads)
    lengths = None if squad is None else _lengths(loaded, squad, limit)
    with progress_bar("settings") as progress:
        tuned = measure(
            loaded,
            config,
            lengths=lengths,
            rounds=rounds,
            max_static_megabytes=max_memory,
            progress=progress,
        )
    if tuned.cpu_share < MIN_CPU_SHARE:
        typer.secho(
            f"spanjet: other programs took {1 - tuned.cpu_share:.0%} of the CPUs: tune again when they rest",
            fg=typer.colors.YELLOW,
            err=True,
        )
    path = save_tuning(loaded, config, tuned.as_dict())
    if as_json:
        print_json({**tuned.as_dict(), "file": None if path is None else str(path)})
    else:
        _show(tuned, path)


def _lengths(model: "Model", squad: Path, limit: int) -> "NDArray[np.int64]":
    """Tokens of the windows of a file's first questions."""
    import numpy as np  # noqa: PLC0415

    from spanjet.evaluate import load_squad  # noqa: PLC0415

    questions = load_squad(squad).questions[:limit]
    windows = Reader(model, window_config=WindowConfig.fitting(model.max_length)).windows(
        [each.question for each in questions], [each.context for each in questions]
    )
    return np.diff(windows.indptr)


def _rows(tuned: "Tuned") -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for candidate in tuned.candidates:
        settings: dict[str, Any] = candidate.settings
        rows.append(
            (
                str(settings["streams"] or "auto"),
                str(settings["batch_tokens"]),
                "each length" if settings["static_lengths"] else "all lengths",
                f"{candidate.tokens_per_second:,.0f}",
                f"{100 * candidate.padding:.1f} %",
                f"{candidate.speed:.3f}",
                "" if candidate.megabytes is None else f"{candidate.megabytes:,.0f}",
                "kept" if candidate.settings == tuned.settings else "",
            )
        )
    return rows


def _show(tuned: "Tuned", path: Path | None) -> None:
    """The table of all that was measured, aligned on a terminal, else separated by tabs."""
    if not sys.stdout.isatty():
        for row in (COLUMNS, *_rows(tuned)):
            print("\t".join(row).rstrip())
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None)
    for index, name in enumerate(COLUMNS):
        table.add_column(name, justify="left" if index in (2, 7) else "right", no_wrap=True)
    for row in _rows(tuned):
        table.add_row(*row, style="bold green" if row[-1] else None)
    console = Console(highlight=False)
    console.print(table)
    console.print(f"speed: against the best before it, in {tuned.windows} windows", style="dim")
    if tuned.settings == tuned.candidates[0].settings:
        console.print("nothing was faster than the first line, which is kept")
    else:
        console.print(f"kept: {tuned.gain:.2f} times as fast as the first line, when measured once more")
    if path is not None:
        console.print(f"readers use it from now on: {path}", style="dim")
