"""Implement `spanjet calibrate`: fit a model's scores to probabilities."""

from pathlib import Path
from typing import Annotated, Any

import typer

from spanjet import Reader
from spanjet.cli.options import FirstOption, JsonOption, RereadOption, ThreadsOption, open_reader
from spanjet.cli.terminal.output import print_json, show
from spanjet.cli.terminal.progress import progress_bar
from spanjet.cli.terminal.tables import show_table
from spanjet.compress.card import describe_calibration, describe_source
from spanjet.evaluate import (
    CalibrationReport,
    SquadDataset,
    calibrate_cascade,
    calibrate_reader,
    load_squad,
    load_titles,
)
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
            help="Share of the answerable questions, 0 to 1, that are also asked about another paragraph, or "
            "with --first about their article without the answer.",
        ),
    ] = 1.0,
    seed: Annotated[
        int, typer.Option(min=0, metavar="N", help="Seed that chooses those questions and paragraphs.")
    ] = 0,
    first: FirstOption = None,
    reread: RereadOption = None,
    limit: Annotated[
        int,
        typer.Option(min=2, metavar="N", help="Number of questions, drawn at random; only with --first."),
    ] = 1000,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Calibrate scores and the no-answer threshold, and store them in the model's card.

    With --first, the scores of long texts, which both models read, are calibrated: questions are asked about
    their whole articles. MODEL's own calibration is kept for the others.

    The table compares the scores before and after. Those after are cross-validated: the articles are split in
    two halves, and each half is scored by a calibration fitted to the other.
    """
    dataset = load_squad(data)
    if articles is not None:
        dataset = dataset.of_articles(load_titles(articles))
    # A threshold would warn that both models are not calibrated together.
    threshold = "model" if first is None else "none"
    reader = open_reader(model, {}, {}, first=first, reread=reread, threshold=threshold, threads=threads)
    check_has_card(reader.model.path)
    report = _fit(reader, dataset, {"negatives": negatives, "seed": seed}, limit)
    described = describe_calibration(report, data, reader, negatives=negatives, seed=seed)
    _store(reader, described)
    if as_json:
        print_json({"before": report.before, "after": report.after, "calibration": described})
        return
    _show_table(report)
    show({"calibration": _fitted(described)}, as_json=False)


def _fit(reader: Reader, dataset: SquadDataset, options: dict[str, Any], limit: int) -> CalibrationReport:
    """Fit the calibration of the model, or that of both models."""
    with progress_bar("questions") as bar:
        if reader.first is None:
            return calibrate_reader(reader, dataset, on_step=bar, **options)
        return calibrate_cascade(reader, dataset, limit=limit, on_step=bar, **options)


def _store(reader: Reader, described: dict[str, Any]) -> None:
    """Keep a calibration in the model's card; that of two models beside those with other first ones."""
    model, first = reader.model, reader.first
    if first is None:
        update_card(model.path, calibration=described)
        return
    key = {"first_sha256": first.model.digest, "reread": reader.cascade_config.reread}
    others = [each for each in (model.card or {}).get("cascades", []) if not key.items() <= each.items()]
    entry = {"first": describe_source(first.model)["name"], **key, **described}
    update_card(model.path, cascades=[*others, entry])


def _fitted(described: dict[str, Any]) -> dict[str, str]:
    """Format the fitted parameters."""
    names = ("slope", "intercept", "temperature", "sentence_margin", "threshold")
    return {name: f"{described[name]:.4f}" for name in names}


def _show_table(report: CalibrationReport) -> None:
    """Print the measures before and after calibration."""
    rows = [(name, f"{report.before[name]:.4f}", f"{value:.4f}") for name, value in report.after.items()]
    show_table(("measure", "before", "after"), rows)
