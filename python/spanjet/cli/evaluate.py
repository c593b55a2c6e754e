"""`spanjet eval`: exact match and F1 on a SQuAD file."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from spanjet import Reader, RuntimeConfig
from spanjet.cli.options import (
    ConventionOption,
    DocStrideOption,
    JsonOption,
    MaxAnswerLengthOption,
    MaxLengthOption,
    MaxQuestionLengthOption,
    ModelOption,
    ModeOption,
    NBestOption,
    ThreadsOption,
    ThresholdOption,
    decode_config,
    threshold_of,
    window_config,
)
from spanjet.cli.output import check_writable, show, write_json
from spanjet.evaluate import Evaluation, SquadDataset, best_null_threshold, load_squad
from spanjet.evaluate import evaluate as evaluate_reader
from spanjet.evaluate.null_threshold import check_unanswerable
from spanjet.terminal import progress_bar

__all__ = ["evaluate"]


def evaluate(
    *,
    squad: Annotated[Path, typer.Argument(metavar="SQUAD.json", help="SQuAD v1.1 or v2.0 file.")],
    model: ModelOption = None,
    predictions: Annotated[
        Path | None, typer.Option(metavar="OUT.json", help="Write the answers, {id: text}.")
    ] = None,
    null_odds: Annotated[
        Path | None, typer.Option(metavar="OUT.json", help="Write null score - best score, {id: odds}.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first questions.")] = None,
    mode: ModeOption = "global",
    max_length: MaxLengthOption = 384,
    doc_stride: DocStrideOption = 128,
    convention: ConventionOption = "advance",
    max_question_length: MaxQuestionLengthOption = 64,
    n_best: NBestOption = 20,
    max_answer_length: MaxAnswerLengthOption = 30,
    threshold: ThresholdOption = "model",
    save_null_threshold: Annotated[
        bool,
        typer.Option(
            "--save-null-threshold",
            help="Keep the best null threshold of this SQuAD v2.0 file in the model's card: readers use it.",
        ),
    ] = False,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure exact match and F1 on a SQuAD file, as the official scripts do."""
    windows = window_config(
        max_length=max_length,
        doc_stride=doc_stride,
        convention=convention,
        max_question_length=max_question_length,
    )
    decode = decode_config(mode=mode, n_best=n_best, max_answer_length=max_answer_length)
    for path in (predictions, null_odds):
        if path is not None:
            check_writable(path)
    if save_null_threshold and model is None:
        raise ValueError("--save-null-threshold needs --model: the bundled model's card is not changed")
    dataset = load_squad(squad)
    reader = Reader(
        model,
        threshold=threshold_of(threshold),
        windows=windows,
        decode=decode,
        runtime=RuntimeConfig(threads=threads),
    )
    if save_null_threshold:
        check_unanswerable(dataset)
        _check_has_card(reader.model.path)
    with progress_bar("questions") as progress:
        evaluation = evaluate_reader(reader, dataset, progress=progress, limit=limit)
    if save_null_threshold:
        _save_null_threshold(reader, squad, dataset, evaluation)
    if predictions is not None:
        write_json(predictions, evaluation.predictions)
    if null_odds is not None:
        write_json(null_odds, evaluation.null_odds)
    show(_summary(evaluation), as_json=as_json)


def _check_has_card(model: Path) -> None:
    from spanjet.checkpoint.directory import check_has_card  # noqa: PLC0415  (OpenVINO: 200 ms)

    check_has_card(model)


def _save_null_threshold(reader: Reader, path: Path, dataset: SquadDataset, evaluation: Evaluation) -> None:
    from spanjet.checkpoint.directory import update_card  # noqa: PLC0415  (OpenVINO: 200 ms)
    from spanjet.quantize.card import describe_null_threshold  # noqa: PLC0415

    found = best_null_threshold(dataset, evaluation)
    described = describe_null_threshold(found, path, reader.windows, reader.decode)
    update_card(reader.model.path, null_threshold=described)


def _summary(evaluation: Evaluation) -> dict[str, Any]:
    """Scores and speed, without what does not apply to the data set."""
    scores = {name: value for name, value in asdict(evaluation.scores).items() if value is not None}
    speed = {"seconds": evaluation.seconds, "questions_per_second": evaluation.questions_per_second}
    return {**scores, **speed}
