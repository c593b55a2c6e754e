"""Implement `spanjet answer`: answer the questions of a file."""

import json
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
    OverlapOption,
    RereadOption,
    ThreadsOption,
    ThresholdOption,
    open_reader,
    window_fields,
)
from spanjet.cli.terminal.errors import SOME_REJECTED, show_warning
from spanjet.cli.terminal.output import show
from spanjet.cli.terminal.progress import progress_bar
from spanjet.cli.terminal.texts import read_text
from spanjet.files import READERS, WRITERS, JobResult, answer_file
from spanjet.files.row_queue import LOOK_AHEAD
from spanjet.measure.progress import ignore_step
from spanjet.validation import check_count

__all__ = ["answer"]

INTERRUPTED = 130
"""Exit code of a run that was interrupted with Ctrl-C, as in shells."""

InputArgument = Annotated[
    str,
    typer.Argument(
        metavar="IN",
        help="JSON Lines, CSV, TSV, Parquet, JSON array or SQuAD file; - is JSON Lines from standard input.",
    ),
]
OutOption = Annotated[
    str,
    typer.Option(
        "--out",
        "-o",
        metavar="OUT",
        help="File to write: .jsonl, .csv, .tsv or .parquet; - is JSON Lines to standard output.",
    ),
]
FormatOption = Annotated[
    str | None,
    typer.Option("--format", metavar="|".join(READERS), help="Format of IN. Default: by its name."),
]
OutFormatOption = Annotated[
    str | None,
    typer.Option("--out-format", metavar="|".join(WRITERS), help="Format of OUT. Default: by its name."),
]
QuestionColumnOption = Annotated[
    str, typer.Option(metavar="NAME", help="Column that holds the questions (not in SQuAD files).")
]
ContextColumnOption = Annotated[
    str,
    typer.Option(metavar="NAME", help="Column that holds the texts, without --context (not in SQuAD files)."),
]
IdColumnOption = Annotated[
    str, typer.Option(metavar="NAME", help='Column that holds the ids; may be missing if it is called "id".')
]
DelimiterOption = Annotated[
    str | None,
    typer.Option(
        metavar="CHARACTER", help="Character between the fields of CSV; '\\t': a tab. Default: a comma."
    ),
]
ContextOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Text file that all questions are about, in place of a column."),
]
TopKOption = Annotated[
    int, typer.Option("--top-k", "-k", min=1, metavar="K", help="Number of answers to each question.")
]
LookAheadOption = Annotated[
    int,
    typer.Option(
        min=1,
        metavar="N",
        help="Number of questions in flight; more are a little faster, fewer lose less in a kill.",
    ),
]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Resume a run that was stopped or killed.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace OUT or an unfinished run.")]
StrictOption = Annotated[bool, typer.Option("--strict", help="Stop at the first rejected row.")]


def answer(
    *,
    file: InputArgument,
    out: OutOption,
    form: FormatOption = None,
    out_form: OutFormatOption = None,
    question_column: QuestionColumnOption = "question",
    context_column: ContextColumnOption = "context",
    id_column: IdColumnOption = "id",
    delimiter: DelimiterOption = None,
    context: ContextOption = None,
    top_k: TopKOption = 1,
    look_ahead: LookAheadOption = LOOK_AHEAD,
    resume: ResumeOption = False,
    overwrite: OverwriteOption = False,
    strict: StrictOption = False,
    model: ModelOption = None,
    first: FirstOption = None,
    reread: RereadOption = None,
    mode: ModeOption = "global",
    max_length: MaxLengthOption = 384,
    doc_stride: DocStrideOption = 128,
    convention: ConventionOption = "advance",
    max_question_length: MaxQuestionLengthOption = 64,
    n_best: NBestOption = 20,
    max_answer_length: MaxAnswerLengthOption = 30,
    threshold: ThresholdOption = "model",
    overlap: OverlapOption = False,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer the questions of a file.

    Rows that cannot be answered are written to OUT.rejected.jsonl with the reason, and the exit code is 3.
    Until the run is complete, its answers are in OUT.partial; rerun the same command with --resume to resume
    a run that was stopped or killed.
    """
    windows = window_fields(max_length, doc_stride, convention, max_question_length)
    decode = {"mode": mode, "n_best": n_best, "max_answer_length": max_answer_length, "overlap": overlap}
    check_count("look_ahead", look_ahead)
    given: dict[str, Any] = {
        "first": first,
        "reread": reread,
        "threshold": threshold,
        "threads": threads,
        "top_k": top_k,
    }
    reader = open_reader(model, windows, decode, **given)
    columns = {"question": question_column, "context": context_column, "id": id_column}
    formats = {"format": form, "out_format": out_form, "delimiter": delimiter}
    run = {"resume": resume, "overwrite": overwrite, "strict": strict, "look_ahead": look_ahead}
    text = None if context is None else read_text(context)
    options = {**columns, **formats, **run, "top_k": top_k, "text": text}
    result = _answer(file, out, reader, options)
    _report(result, resume=resume, as_json=as_json)
    _report_rejected(result)


def _answer(file: str, out: str, reader: Reader, options: dict[str, Any]) -> JobResult:
    """Run the job with a progress bar; on an interrupt, report the number of finished rows."""
    try:
        with progress_bar("questions") as bar:
            # Counting the total reads the file twice.
            progress = None if bar is ignore_step else bar
            return answer_file(file, out, reader=reader, progress=progress, **options)
    except KeyboardInterrupt as stop:
        typer.echo(f"spanjet: {str(stop) or 'stopped'}", err=True)
        raise typer.Exit(INTERRUPTED) from None


def _report(result: JobResult, *, resume: bool, as_json: bool) -> None:
    """Print what was done; on standard error if the answers went to standard output."""
    if result.out is None:
        typer.echo(f"spanjet: {result.answered} answered, {result.rejected} rejected", err=True)
    else:
        show(_summary(result, resume=resume), as_json=as_json)


def _report_rejected(result: JobResult) -> None:
    """Say where the first rejected row is and why, which is often why all of them are, and exit."""
    if not result.rejected:
        return
    if result.rejected_out is not None:
        with result.rejected_out.open("rb") as lines:
            first = json.loads(lines.readline())
        show_warning(f"{result.rejected} rejected, first {first['place']}: {first['reason']}")
    raise typer.Exit(SOME_REJECTED)


def _summary(result: JobResult, *, resume: bool) -> dict[str, Any]:
    return {
        "answered": result.answered,
        "rejected": result.rejected,
        "resumed_at_row": result.resumed if resume else None,
        "seconds": result.seconds,
        "questions_per_second": result.questions_per_second,
        "output": str(result.out),
        "rejected_rows": None if result.rejected_out is None else str(result.rejected_out),
    }
