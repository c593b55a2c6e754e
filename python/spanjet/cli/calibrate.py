"""Implement `spanjet calibrate`: fit a model's scores to probabilities."""

from pathlib import Path
from typing import Annotated, Any

import typer

from spanjet.cli.options import JsonOption, ThreadsOption, open_reader
from spanjet.cli.terminal.output import print_json, show
from spanjet.cli.terminal.progress import progress_bar
from spanjet.cli.terminal.tables import show_table
from spanjet.compress.card import describe_calibration
from spanjet.evaluate import CalibrationReport, calibrate_reader, load_squad, load_titles
from spanjet.model.card import check_has_card, update_card

__all__ = ["calibrate"]


def calibrate(
    *,
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Model directory whose card is updated.")],
    data: Annotated[
        Path, typer.Option(metavar="V2.json", help="SQuAD v2.0 file that the model was not trained on.")
    ],
    articles: Annotated[
        Path | None,
        typer.Option(
            metavar="TITLES.json", help='Use only the articles listed in this file: {"titles": [...]}.'
        ),
    ] = None,
    negatives: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="SHARE",
            help="Share of the answerable questions that are also asked about another paragraph, 0 to 1.",
        ),
    ] = 1.0,
    seed: Annotated[
        int, typer.Option(min=0, metavar="N", help="Seed that chooses those questions and paragraphs.")
    ] = 0,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Calibrate scores and the no-answer threshold, and store them in the model's card.

    The table compares the scores before and after. Those after are cross-validated: the articles are split in
    two halves, and each half is scored by a calibration fitted to the other.
    """
    dataset = load_squad(data)
    if articles is not None:
        dataset = dataset.of_articles(load_titles(articles))
    reader = open_reader(model, {}, {}, threads=threads)
    check_has_card(reader.model.path)
    with progress_bar("questions") as bar:
        report = calibrate_reader(reader, dataset, negatives=negatives, seed=seed, on_step=bar)
    described = describe_calibration(report, data, reader, negatives=negatives, seed=seed)
    update_card(reader.model.path, calibration=described)
    if as_json:
        print_json({"before": report.before, "after": report.after, "calibration": described})
        return
    _show_table(report)
    show({"calibration": _fitted(described)}, as_json=False)


def _fitted(described: dict[str, Any]) -> dict[str, str]:
    """Format the fitted parameters."""
    names = ("slope", "intercept", "temperature", "sentence_margin", "threshold")
    return {name: f"{described[name]:.4f}" for name in names}


def _show_table(report: CalibrationReport) -> None:
    """Print the measures before and after calibration."""
    rows = [(name, f"{report.before[name]:.4f}", f"{value:.4f}") for name, value in report.after.items()]
    show_table(("measure", "before", "after"), rows)
