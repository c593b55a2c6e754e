"""`spanjet answer`: the questions of a file."""

import time
from collections.abc import Callable
from dataclasses import KW_ONLY, asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from spanjet import Document, Reader, RuntimeConfig, __version__
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
    OverlapOption,
    ThreadsOption,
    ThresholdOption,
    decode_config,
    threshold_of,
    window_config,
)
from spanjet.cli.terminal.output import show
from spanjet.cli.terminal.tables import progress_bar
from spanjet.cli.terminal.texts import read_text
from spanjet.files import (
    FORMATS,
    Columns,
    Journal,
    Sink,
    Source,
    StandardOutput,
    answer_records,
    find_format,
    open_source,
)
from spanjet.files.job import LOOK_AHEAD
from spanjet.files.parquet import check_pyarrow, write_parquet
from spanjet.storage import check_writable, directory_digest, file_digest

__all__ = ["SOME_REJECTED", "answer"]

SOME_REJECTED = 3
"""Exit code of a run that is complete and has rejected rows."""

INTERRUPTED = 130
"""Exit code of a run that was stopped with Ctrl-C, as shells have it."""

InputArgument = Annotated[
    str,
    typer.Argument(metavar="IN", help="JSON Lines, CSV, Parquet or SQuAD file; -: JSON Lines, from stdin."),
]
OutOption = Annotated[
    str,
    typer.Option("--out", "-o", metavar="OUT", help=".jsonl or .parquet file; -: JSON Lines, to stdout."),
]
FormatOption = Annotated[
    str | None, typer.Option("--format", metavar="|".join(FORMATS), help="Of IN. Default: by its name.")
]
ColumnOption = Annotated[str, typer.Option(metavar="NAME", help="Column (not of SQuAD files).")]
IdColumnOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Column of names of the rows. Default: id, if there.")
]
DelimiterOption = Annotated[str, typer.Option(metavar="CHARACTER", help="Between the fields of CSV.")]
ContextOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The text of all questions, instead of a column.")
]
TopKOption = Annotated[int, typer.Option("--top-k", "-k", min=1, help="Answers to each question.")]
LookAheadOption = Annotated[
    int,
    typer.Option(
        min=1, help="Questions under way; more: a little faster, fewer: sooner, and less again after a kill."
    ),
]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on where a run was stopped or killed.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace OUT, or an unfinished run.")]
StrictOption = Annotated[bool, typer.Option("--strict", help="Stop at the first row that is rejected.")]


def answer(
    *,
    file: InputArgument,
    out: OutOption,
    form: FormatOption = None,
    question_column: ColumnOption = "question",
    context_column: ColumnOption = "context",
    id_column: IdColumnOption = None,
    delimiter: DelimiterOption = ",",
    context: ContextOption = None,
    top_k: TopKOption = 1,
    look_ahead: LookAheadOption = LOOK_AHEAD,
    resume: ResumeOption = False,
    overwrite: OverwriteOption = False,
    strict: StrictOption = False,
    model: ModelOption = None,
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

    Rows that cannot be answered go to OUT.rejected.jsonl, with the reason; the exit code is 3 then. A run
    that was stopped or killed goes on with --resume; until it is complete, OUT.partial holds what is done.
    """
    windows = window_config(
        max_length=max_length,
        doc_stride=doc_stride,
        convention=convention,
        max_question_length=max_question_length,
    )
    decode = decode_config(
        mode=mode,
        n_best=n_best,
        max_answer_length=max_answer_length,
        overlap=overlap,
        top_k=top_k,
    )
    columns = Columns(
        question=question_column,
        context=context_column if context is None else None,
        id="id" if id_column is None else id_column,
        id_required=id_column is not None,
    )
    form, source = _open_input(file, form, columns, delimiter)
    _check_output(file, out, resume=resume)
    reader = Reader(
        model,
        threshold=threshold_of(threshold),
        window_config=windows,
        decode_config=decode,
        runtime_config=RuntimeConfig(threads=threads),
    )
    document = None if context is None else _document(reader, context)
    work = _Work(reader, source, document, top_k=top_k, look_ahead=look_ahead, strict=strict)
    if out == "-":
        sink = StandardOutput()
        work.run(sink)
        typer.echo(f"spanjet: {sink.answered} answered, {sink.rejected} rejected", err=True)
        rejected = sink.rejected
    else:
        settings = {**_input_settings(file, form, columns, delimiter, context), **work.settings()}
        rejected = work.run_to_file(Path(out), settings, resume=resume, overwrite=overwrite, as_json=as_json)
    if rejected:
        raise typer.Exit(SOME_REJECTED)


@dataclass(frozen=True, slots=True)
class _Work:
    """A reader and what it is to answer."""

    reader: Reader
    source: Source
    context: Document | None
    _: KW_ONLY
    top_k: int
    look_ahead: int
    strict: bool

    def settings(self) -> dict[str, Any]:
        """What the answers depend on, besides what is read."""
        return {
            "spanjet": __version__,
            "model": directory_digest(self.reader.model.path),
            "windows": asdict(self.reader.window_config),
            "decode": asdict(self.reader.decode_config),
            "calibration": asdict(self.reader.calibration),
            "threshold": self.reader.threshold,
            "top_k": self.top_k,
            "look_ahead": self.look_ahead,
        }

    def run(self, sink: Sink) -> None:
        """Answer what a sink does not have yet."""
        options: dict[str, Any] = {"context": self.context, "top_k": self.top_k, "strict": self.strict}
        options["look_ahead"] = self.look_ahead
        try:
            with progress_bar("questions") as bar:
                total = None if bar is None else self.source.count()
                progress = None if bar is None else partial(_show_progress, bar, total)
                answer_records(self.reader, self.source, sink, progress=progress, **options)
        except KeyboardInterrupt:
            typer.echo(f"spanjet: stopped after {sink.rows} rows", err=True)
            raise typer.Exit(INTERRUPTED) from None

    def run_to_file(
        self, out: Path, settings: dict[str, Any], *, resume: bool, overwrite: bool, as_json: bool
    ) -> int:
        """Answer into a file; the number of rejected rows."""
        assemble = write_parquet if find_format(out) == "parquet" else None
        began = time.perf_counter()
        with Journal(out, settings, resume=resume, overwrite=overwrite, assemble=assemble) as journal:
            if not journal.complete:
                self.run(journal)
            journal.finish()
        seconds = time.perf_counter() - began
        summary = {
            "answered": journal.answered,
            "rejected": journal.rejected,
            "resumed_at_row": journal.resumed_rows if resume else None,
            "seconds": seconds,
            "questions_per_second": (journal.rows - journal.resumed_rows) / seconds,
            "output": str(out),
            "rejected_rows": str(journal.rejected_out) if journal.rejected else None,
        }
        show(summary, as_json=as_json)
        return journal.rejected


def _open_input(file: str, form: str | None, columns: Columns, delimiter: str) -> tuple[str, Source]:
    """The format and the rows of an input."""
    if file == "-":
        return "jsonl", open_source(None, form or "jsonl", columns)
    path = Path(file)
    form = form or find_format(path)
    if form == "squad" and columns.context is None:
        raise ValueError("--context: the questions of a SQuAD file have their own contexts")
    return form, open_source(path, form, columns, delimiter=delimiter)


def _input_settings(
    file: str, form: str, columns: Columns, delimiter: str, context: Path | None
) -> dict[str, Any]:
    """What is read, so that no other input is taken for it."""
    return {
        "input": None if file == "-" else file_digest(Path(file)),
        "format": form,
        "columns": asdict(columns),
        "delimiter": delimiter,
        "context": None if context is None else file_digest(context),
    }


def _check_output(file: str, out: str, *, resume: bool) -> None:
    """Refuse an output before the work for it is done."""
    if resume and "-" in (file, out):
        raise ValueError("--resume needs files for both IN and OUT")
    if out == "-":
        return
    path = Path(out)
    form = find_format(path)
    if form not in ("jsonl", "parquet"):
        raise ValueError(f"{path}: expected a name that ends in .jsonl or .parquet")
    if form == "parquet":
        check_pyarrow()
    check_writable(path)
    if file != "-" and path.exists() and path.samefile(file):
        raise ValueError(f"{path}: is the input too")


def _document(reader: Reader, path: Path) -> Document:
    document = reader.prepare(read_text(path))
    if not len(document):
        raise ValueError(f"{path}: has no tokens, expected some text")
    return document


def _show_progress(bar: Callable[[int, int | None], None], total: int | None, done: int) -> None:
    # The count of rows is an estimate for some formats.
    bar(done, None if total is None else max(done, total))
