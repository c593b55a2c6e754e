"""Implement `spanjet tune`: find the fastest batch settings for this machine."""

import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from spanjet import Model, Reader, RuntimeConfig, load_model
from spanjet.bench.autotune import Tuned
from spanjet.bench.autotune import tune as measure
from spanjet.cli.options import JsonOption, ThreadsOption
from spanjet.cli.terminal.errors import show_warning
from spanjet.cli.terminal.output import print_json
from spanjet.cli.terminal.progress import progress_bar
from spanjet.cli.terminal.tables import show_table
from spanjet.evaluate import load_squad
from spanjet.model.directory import BUNDLED_MODEL
from spanjet.reader.tuned_settings import save_tuning, tuning_file
from spanjet.storage import check_writable
from spanjet.validation import SettingError, check_count

__all__ = ["tune"]

MIN_CPU_SHARE = 0.85
"""Minimum share of CPU time for reliable measurements."""

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
            metavar="MODEL",
            help="Model directory, checkpoint or hub id ORG/NAME. Default: the bundled model.",
            show_default=False,
        ),
    ] = BUNDLED_MODEL,
    squad: Annotated[
        Path | None,
        typer.Option(
            metavar="SQUAD.json",
            help="SQuAD file whose windows are measured. Default: windows of SQuAD's lengths.",
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, metavar="N", help="Use only the first N questions of the file.")
    ] = 400,
    rounds: Annotated[int, typer.Option(min=1, metavar="N", help="Number of rounds of each comparison.")] = 5,
    max_memory: Annotated[
        float, typer.Option(metavar="MB", help="Memory limit for compiling a model for each length.")
    ] = 2048,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the fastest batch settings for this machine, and save them for all readers."""
    config = RuntimeConfig(threads=threads)
    check_count("limit", limit)
    check_count("rounds", rounds)
    if not max_memory >= 0:
        raise SettingError("max_memory", max_memory, "a number of at least 0")
    loaded = load_model(model)
    _check_cache(tuning_file(loaded, config))
    lengths = None if squad is None else _lengths(loaded, squad, limit)
    options: dict[str, Any] = {"lengths": lengths, "rounds": rounds, "max_static_megabytes": max_memory}
    with progress_bar("settings") as progress:
        tuned = measure(loaded, config, progress=progress, **options)
    if tuned.cpu_share < MIN_CPU_SHARE:
        show_warning(f"others took {1 - tuned.cpu_share:.0%} of the CPUs: tune again when they are idle")
    path = save_tuning(loaded, config, tuned.as_dict())
    if as_json:
        print_json({**tuned.as_dict(), "file": None if path is None else str(path)})
    else:
        _show(tuned, path)


def _check_cache(file: Path | None) -> None:
    """Check before the measurements that their result can be saved."""
    if file is None:
        show_warning("there is no cache directory, so nothing will be saved")
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    check_writable(file)


def _lengths(model: Model, squad: Path, limit: int) -> NDArray[np.int64]:
    """Compute the window lengths in tokens of a file's first questions."""
    questions = load_squad(squad).questions[:limit]
    windows = Reader(model).windows(
        [each.question for each in questions], [each.context for each in questions]
    )
    return np.diff(windows.indptr)


def _rows(tuned: Tuned) -> list[tuple[str, ...]]:
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
                f"{candidate.megabytes:,.0f}",
                "kept" if candidate.settings == tuned.settings else "",
            )
        )
    return rows


def _show(tuned: Tuned, path: Path | None) -> None:
    """Print all measured settings and the chosen ones."""
    best = [index for index, each in enumerate(tuned.candidates) if each.settings == tuned.settings]
    show_table(COLUMNS, _rows(tuned), left=(2, 7), kept=best)
    if not sys.stdout.isatty():
        return
    typer.echo(f"speed: against the best before it, in {tuned.windows} windows")
    if tuned.settings == tuned.candidates[0].settings:
        typer.echo("nothing was faster than the first line, which is kept")
    else:
        typer.echo(f"kept: {tuned.gain:.2f} times as fast as the first line, when measured once more")
    if path is not None:
        typer.echo(f"readers use it from now on: {path}")
