"""Answer the questions of a file to a file, as a job that can be interrupted and resumed."""

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from spanjet._core import Tokenizer, __version__
from spanjet.config import Threshold
from spanjet.files.formats import READERS, WRITERS, RowReader, find_format, open_rows, row_writer
from spanjet.files.journal import Journal
from spanjet.files.output_rows import StandardOutput
from spanjet.files.record import Columns
from spanjet.files.row_queue import LOOK_AHEAD, answer_records
from spanjet.reader.answer import Document
from spanjet.reader.reader import Reader
from spanjet.reader.warnings import question_warning
from spanjet.storage import check_writable, directory_digest, file_digest

__all__ = ["JobResult", "answer_file"]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class JobResult:
    """Result of a job: its output files and row counts.

    Attributes:
        out: file of the answers; None: standard output.
        rejected_out: file of the rejected rows; None if there are none or they went to standard error.
        rows: number of rows of the input.
        answered, rejected: number of rows with answers, and of rows that could not be answered.
        resumed: number of rows finished by earlier runs of the job.
        seconds: wall-clock time of this run.
    """

    out: Path | None
    rejected_out: Path | None
    rows: int
    answered: int
    rejected: int
    resumed: int
    seconds: float

    @property
    def questions_per_second(self) -> float:
        """Rows per second of this run."""
        return (self.rows - self.resumed) / self.seconds

    def __repr__(self) -> str:
        where = "standard output" if self.out is None else f"{str(self.out)!r}"
        resumed = f", resumed at row {self.resumed:,}" if self.resumed else ""
        return (
            f"JobResult({self.answered:,} answered, {self.rejected:,} rejected, to {where}{resumed}, "
            f"{self.seconds:.1f} s)"
        )


def answer_file(
    source: str | PathLike[str],
    out: str | PathLike[str],
    *,
    reader: Reader,
    question: str = "question",
    context: str = "context",
    id: str = "id",  # noqa: A002  (as the column is called)
    text: str | Document | None = None,
    format: str | None = None,  # noqa: A002  (the pair of out_format)
    out_format: str | None = None,
    delimiter: str | None = None,
    top_k: int = 1,
    threshold: Threshold = "reader",
    look_ahead: int = LOOK_AHEAD,
    resume: bool = False,
    overwrite: bool = False,
    strict: bool = False,
    progress: Callable[[int, int | None], None] | None = None,
) -> JobResult:
    """Answer the questions of a file in bounded memory, resumable after a kill at any moment.

    Until the job is complete, its progress is kept in a directory ``OUT.partial``. Then ``out`` is written,
    with ``OUT.run.json``, which records its input and settings. Rows that cannot be answered go to
    ``OUT.rejected.jsonl``, each with its location and the reason.

    JSON Lines, CSV, TSV and Parquet inputs have a row for each question; SQuAD's JSON has articles. JSON
    Lines and Parquet outputs have a row for each question with a list of answers, CSV and TSV a row for each
    answer.

    Args:
        source: file of the questions; ``"-"``: standard input, as JSON Lines.
        out: file of the answers; ``"-"``: standard output, as JSON Lines, with rejected rows on standard
            error.
        reader: what answers.
        question: column of the questions (not of SQuAD files).
        context: column of the texts that may hold the answers (not of SQuAD files).
        id: column whose values go to the output. It may be missing if it is called ``"id"``.
        text: the context of all questions, instead of the column.
        format: of ``source``: ``"jsonl"``, ``"csv"``, ``"tsv"``, ``"parquet"``, ``"json"`` (SQuAD, an array
            of rows, or JSON Lines) or ``"squad"``; None: by name.
        out_format: of ``out``: ``"jsonl"``, ``"csv"``, ``"tsv"`` or ``"parquet"``; None: by name.
        delimiter: the character between two fields of an input that is CSV or TSV; None: a comma or a tab.
        top_k: answers to each question at most, best first.
        threshold: as of `Reader.ask`.
        look_ahead: questions under way (see `Reader.stream`).
        resume: go on with an unfinished job of the same input and settings, if there is one.
        overwrite: replace ``out`` when the job is complete, and drop an unfinished job now.
        strict: end the job at the first row that cannot be answered.
        progress: called with the number of rows that are done and about that of all rows, None where it is
            unknown; first with those that earlier runs have done.

    Raises:
        OSError: a file cannot be read or written.
        FileExistsError: an output or an unfinished job exists, without ``resume`` or ``overwrite``.
        ImportError: a file is Parquet and pyarrow is not installed.
        ValueError: the input cannot be read as a whole, is a pipe, or is also the output; a delimiter is
            given for another format; ``resume`` is given with ``overwrite`` or a standard stream; the job to
            resume has other input or settings; or a row is rejected and the job is ``strict``.
        KeyboardInterrupt: the job was interrupted; the message states the number of finished rows, and how
            many of them a resumed job need not repeat.

    Example:
        >>> from pathlib import Path
        >>> row = '{"id": 7, "question": "Who built it?", "context": "Clara Hansen built it."}'
        >>> _ = Path("questions.jsonl").write_text(row)
        >>> job = spanjet.answer_file("questions.jsonl", "answers.csv", reader=spanjet.Reader())
        >>> job.answered, job.rejected
        (1, 0)
    """
    began = time.perf_counter()
    given, target = (None if os.fspath(path) == "-" else Path(path) for path in (source, out))
    if resume and (given is None or target is None):
        raise ValueError("resume needs files for both the input and the output, not the standard ones")
    columns = Columns(question=question, context=context if text is None else None, id=id)
    form = format or ("jsonl" if given is None else find_format(given, READERS))
    rows = open_rows(given, form, columns, delimiter=delimiter)
    document = _document(reader, text)
    options: dict[str, Any] = {"top_k": top_k, "look_ahead": look_ahead}
    read = {"format": form, "columns": asdict(columns), "delimiter": delimiter}
    settings = {**read, **_reader_settings(reader, threshold), **options}
    sink = _open_sink(given, target, out_format, document, settings, resume=resume, overwrite=overwrite)
    with sink:
        if not sink.complete:
            report = None if progress is None else partial(_report, progress, rows.count())
            options |= {"context": document, "threshold": threshold, "strict": strict, "progress": report}
            _answer(reader, rows, sink, options)
        sink.finish()
    return JobResult(
        out=target,
        rejected_out=sink.rejected_out if sink.rejected else None,
        rows=sink.rows,
        answered=sink.answered,
        rejected=sink.rejected,
        resumed=sink.resumed_rows,
        seconds=time.perf_counter() - began,
    )


def _answer(reader: Reader, rows: RowReader, sink: StandardOutput | Journal, options: dict[str, Any]) -> None:
    warning = partial(question_warning, tokenizer=reader.tokenizer, config=reader.window_config)
    try:
        answer_records(reader, rows, sink, warning=warning, **options)
    except KeyboardInterrupt:
        kept = "" if sink.kept == sink.rows else f", of which {sink.kept} are kept"
        raise KeyboardInterrupt(f"stopped after {sink.rows} rows{kept}") from None


def _reader_settings(reader: Reader, threshold: Threshold) -> dict[str, Any]:
    """Return the settings that answers depend on, which must be equal to resume a job."""
    thresholds = {"model": reader.calibration.threshold, "reader": reader.threshold}
    return {
        **_cascade_settings(reader),
        "spanjet": __version__,
        "model": directory_digest(reader.model.path),
        "windows": asdict(reader.window_config),
        "decode": asdict(reader.decode_config),
        "calibration": asdict(reader.calibration),
        "precision": reader.runtime_config.precision,
        "int8": reader.runtime_config.int8,
        "match_special_tokens": _matches_special_tokens(reader.tokenizer),
        "threshold": thresholds.get(threshold, threshold) if isinstance(threshold, str) else threshold,
    }


def _cascade_settings(reader: Reader) -> dict[str, Any]:
    """Return what else answers depend on if the reader has two models."""
    first = reader.first
    if first is None:
        return {}
    fitted = reader.cascade_calibration
    return {
        "first": directory_digest(first.model.path),
        "cascade": asdict(reader.cascade_config),
        "cascade_calibration": None if fitted is None else asdict(fitted),
    }


def _matches_special_tokens(tokenizer: Tokenizer) -> bool:
    """Tell whether a separator that is typed in a text becomes the token."""
    separator = tokenizer.sep_token_id
    return list(tokenizer.encode(tokenizer.id_to_token(separator) or "").ids) == [separator]


def _open_sink(
    source: Path | None,
    out: Path | None,
    out_format: str | None,
    text: Document | None,
    settings: dict[str, Any],
    *,
    resume: bool,
    overwrite: bool,
) -> StandardOutput | Journal:
    """Open the output after checking that it can be written; a resumed job must have the same settings."""
    form = out_format or ("jsonl" if out is None else find_format(out, WRITERS))
    writer = row_writer(form)
    if out is None:
        if form != "jsonl":
            raise ValueError(f"standard output is written as JSON Lines only, not as {form}")
        return StandardOutput()
    check_writable(out)
    if source is not None and out.exists() and out.samefile(source):
        raise ValueError(f"{out}: is also the input")
    run = {
        "input": None if source is None else file_digest(source),
        "text": None if text is None else hashlib.sha256(text.text.encode()).hexdigest(),
        "output": form,
        **settings,
    }
    return Journal(out, run, resume=resume, overwrite=overwrite, writer=writer)


def _document(reader: Reader, text: str | Document | None) -> Document | None:
    document = reader.prepare(text) if isinstance(text, str) else text
    if document is not None and not len(document):
        raise ValueError("the text of all questions has no tokens, expected some text")
    return document


def _report(progress: Callable[[int, int | None], None], total: int | None, done: int) -> None:
    # The number of rows is an estimate for some formats.
    progress(done, None if total is None else max(done, total))
