"""Implement `spanjet eval`: measure exact match, F1, calibration and selective prediction."""

from pathlib import Path
from typing import Annotated, Any

import typer

from spanjet import Reader
from spanjet.cli.options import (
    ConventionOption,
    DocStrideOption,
    FirstOption,
    JsonOption,
    MaxAnswerLengthOption,
    MaxLengthOption,
    MaxQuestionLengthOption,
    ModelOption,
    ModeOption,
    NBestOption,
    RereadOption,
    ThreadsOption,
    ThresholdOption,
    open_reader,
    threshold_of,
    window_fields,
)
from spanjet.cli.terminal.errors import SOME_REJECTED, show_warning
from spanjet.cli.terminal.output import check_outputs, show, write_json
from spanjet.cli.terminal.progress import progress_bar
from spanjet.config import Threshold
from spanjet.evaluate import (
    Confidence,
    Evaluation,
    SquadDataset,
    evaluate_articles,
    evaluate_passages,
    load_squad,
    measure_confidence,
    squad_v2_predictions,
)
from spanjet.evaluate import evaluate as evaluate_reader
from spanjet.evaluate.report.page import render_page
from spanjet.storage import replace_file

__all__ = ["evaluate"]


DataArgument = Annotated[
    Path,
    typer.Argument(
        metavar="DATA", help="SQuAD v1.1 or v2.0 file, also as rows, or MRQA .jsonl file; .gz is read too."
    ),
]
PassagesOption = Annotated[
    int | None,
    typer.Option(
        min=2,
        metavar="K",
        help="Ask each question about K paragraphs of its article, its own among them, as search does.",
    ),
]
ArticlesOption = Annotated[
    bool, typer.Option("--articles", help="Ask each question about its whole article.")
]
PredictionsOption = Annotated[
    Path | None, typer.Option(metavar="OUT.json", help="Write the answers as {id: text}.")
]
NoAnswerOption = Annotated[
    Path | None,
    typer.Option(
        metavar="OUT.json",
        help="Write the probabilities of no answer as {id: probability}, as evaluate-v2.0.py reads them.",
    ),
]
SquadV2Option = Annotated[
    Path | None,
    typer.Option(
        "--squad-v2",
        metavar="OUT.json",
        help="Write answers and probabilities as a list, for Hugging Face's metric squad_v2.",
    ),
]
HtmlOption = Annotated[
    Path | None,
    typer.Option(
        metavar="OUT.html", help='Write an HTML page with plots of the calibration; needs the extra "report".'
    ),
]
LimitOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Ask only the first N questions; with --passages or --articles, a sample of N.",
    ),
]
SeedOption = Annotated[
    int, typer.Option(min=0, metavar="N", help="Seed that chooses --passages, and samples.")
]


def evaluate(
    *,
    data: DataArgument,
    model: ModelOption = None,
    first: FirstOption = None,
    reread: RereadOption = None,
    passages: PassagesOption = None,
    articles: ArticlesOption = False,
    predictions: PredictionsOption = None,
    no_answer: NoAnswerOption = None,
    squad_v2: SquadV2Option = None,
    html: HtmlOption = None,
    limit: LimitOption = None,
    seed: SeedOption = 0,
    mode: ModeOption = "global",
    max_length: MaxLengthOption = 384,
    doc_stride: DocStrideOption = 128,
    convention: ConventionOption = "advance",
    max_question_length: MaxQuestionLengthOption = 64,
    n_best: NBestOption = 20,
    max_answer_length: MaxAnswerLengthOption = 30,
    threshold: ThresholdOption = "model",
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure exact match, F1 and calibration on a SQuAD or MRQA file.

    Exact match and F1 are those of the official scripts. ece and brier rate the score as the probability that
    the best span is an exact match; auc rates the probability of no answer; exact_at_coverage is the exact
    match among the given share of the questions, the most confident ones.

    A question that cannot be asked, such as a blank one, counts as answered by nothing; these are listed at
    the end, and the exit code is 3.
    """
    windows = window_fields(max_length, doc_stride, convention, max_question_length)
    decode = {"mode": mode, "n_best": n_best, "max_answer_length": max_answer_length}
    outputs = _outputs(predictions=predictions, no_answer=no_answer, squad_v2=squad_v2, html=html)
    _check_options(data, outputs, threshold, passages=passages, articles=articles)
    dataset = load_squad(data, check_texts=False)
    models: dict[str, Any] = {"first": first, "reread": reread, "threshold": threshold, "threads": threads}
    reader = open_reader(model, windows, decode, **models)
    if passages is not None or articles:
        numbers, confidence, rejected = _retrieval(reader, dataset, passages, {"limit": limit, "seed": seed})
    else:
        given: Threshold = "reader" if threshold == "model" else threshold_of(threshold)
        options = {"limit": limit, "threshold": given}
        numbers, confidence, rejected = _reading(reader, dataset, outputs, options)
    if "--html" in outputs:
        _write_page(outputs["--html"], reader, data, numbers, confidence)
    _show(numbers, rejected, as_json=as_json)


def _outputs(**paths: Path | None) -> dict[str, Path]:
    """Collect the given output files by their options."""
    return {f"--{name.replace('_', '-')}": path for name, path in paths.items() if path is not None}


def _check_options(
    data: Path, outputs: dict[str, Path], threshold: str, *, passages: int | None, articles: bool
) -> None:
    """Refuse what cannot be done before the work is done."""
    if passages is not None and articles:
        raise ValueError("--passages and --articles are given; expected one of them at a time")
    if passages is not None or articles:
        for name in outputs:
            if name != "--html":
                raise ValueError(f"{name} is given with --passages or --articles, which write no predictions")
        if threshold not in ("model", "none"):
            raise ValueError("--threshold is given with --passages or --articles, which always answer")
    predictions = (path for name, path in outputs.items() if name != "--html")
    check_outputs(*predictions, html=outputs.get("--html"), source=data)


def _retrieval(
    reader: Reader, dataset: SquadDataset, passages: int | None, options: dict[str, Any]
) -> tuple[dict[str, Any], Confidence, dict[str, str]]:
    """Ask about passages, or about whole articles where ``passages`` is None."""
    with progress_bar("questions") as bar:
        if passages is None:
            found = evaluate_articles(reader, dataset, on_step=bar, **options)
        else:
            found = evaluate_passages(reader, dataset, passages=passages, on_step=bar, **options)
    return found.as_dict(), found.confidence, found.rejected


def _reading(
    reader: Reader, dataset: SquadDataset, outputs: dict[str, Path], options: dict[str, Any]
) -> tuple[dict[str, Any], Confidence, dict[str, str]]:
    """Ask each question about its own context; write the predictions that are wanted."""
    with progress_bar("questions") as bar:
        evaluation = evaluate_reader(reader, dataset, on_step=bar, **options)
    _write_predictions(outputs, evaluation)
    confidence = measure_confidence(dataset, evaluation)
    speed = {"seconds": evaluation.seconds, "questions_per_second": evaluation.questions_per_second}
    return {**evaluation.scores.as_dict(), **confidence.as_dict(), **speed}, confidence, evaluation.rejected


def _show(numbers: dict[str, Any], rejected: dict[str, str], *, as_json: bool) -> None:
    """Print the numbers, and the questions that could not be asked."""
    if as_json and rejected:
        numbers["rejected"] = [{"id": name, "reason": reason} for name, reason in rejected.items()]
    show(numbers, as_json=as_json)
    if rejected:
        count = "1 question" if len(rejected) == 1 else f"{len(rejected)} questions"
        show_warning(f"{count} could not be asked and counted as answered by nothing:")
        for name, reason in rejected.items():
            show_warning(f"{name}: {reason}")
        raise typer.Exit(SOME_REJECTED)


def _write_predictions(outputs: dict[str, Path], evaluation: Evaluation) -> None:
    contents: dict[str, Any] = {
        "--predictions": evaluation.predictions,
        "--no-answer": evaluation.no_answer,
        "--squad-v2": squad_v2_predictions(evaluation),
    }
    for name, content in contents.items():
        if name in outputs:
            write_json(outputs[name], content)


def _write_page(
    path: Path, reader: Reader, data: Path, numbers: dict[str, Any], confidence: Confidence
) -> None:
    model = (reader.model.card or {}).get("name") or reader.model.path.name
    page = render_page(model=str(model), data=data.name, numbers=numbers, confidence=confidence)
    replace_file(path, page.encode())
