"""Implement `spanjet search`: ask one question about many files."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from glob import glob
from pathlib import Path
from typing import Annotated, Any

import typer

from spanjet import PassageAnswer, SearchResult
from spanjet.cli.options import (
    FirstOption,
    JsonOption,
    ModelOption,
    RereadOption,
    ThresholdOption,
    open_reader,
)
from spanjet.cli.terminal.errors import show_error
from spanjet.cli.terminal.output import print_json, warning_of
from spanjet.cli.terminal.tables import show_found
from spanjet.cli.terminal.texts import argument_text, read_text

__all__ = ["search"]

NOTHING_FOUND = 1
"""Exit code if no file answers the question, as in grep."""

SOME_UNREADABLE = 2
"""Exit code if a file could not be read, regardless of answers in others."""

STANDARD_INPUT = "(standard input)"


def search(
    *,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="Question to ask.")],
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="Text files, or patterns such as 'docs/**/*.txt'; - is standard input.",
        ),
    ],
    top_k: Annotated[int, typer.Option("--top-k", "-k", min=1, metavar="K", help="Number of answers.")] = 5,
    threshold: ThresholdOption = "model",
    model: ModelOption = None,
    first: FirstOption = None,
    reread: RereadOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the best answers to a question in files.

    Each answer is printed with its file, line and column (both counted from 1, columns in characters) and its
    sentence. In a pipe, each is one line: file:line:column, answer and sentence, separated by tabs. The exit
    code is 1 if no file answers the question, and 2 if a file could not be read; the others are searched.
    """
    question = argument_text("the question", question)
    files_read = _Files(files)
    reader = open_reader(model, {}, {}, first=first, reread=reread, threshold=threshold)
    found = reader.search(question, files_read, top_k=top_k)
    if as_json:
        print_json({**_as_dict(question, found), **warning_of(question, reader)})
    elif found:
        show_found([("{}:{}:{}".format(*_place(answer)), answer) for answer in found])
    elif found.passages:
        count = "1 file" if found.passages == 1 else f"{found.passages} files"
        typer.echo(f"spanjet: no answer found in {count}", err=True)
    if files_read.failed:
        raise typer.Exit(SOME_UNREADABLE)
    if not found:
        raise typer.Exit(NOTHING_FOUND)


class _Files:
    """Iterable of distinct files as name and text, read one by one on demand.

    Args:
        patterns: paths, glob patterns or ``-``.

    Attributes:
        failed: True if a file could not be read, which has been reported.
    """

    def __init__(self, patterns: list[str]) -> None:
        self._patterns = patterns
        self.failed = False

    def __iter__(self) -> Iterator[tuple[str, str]]:
        read: set[tuple[int, int] | None] = set()
        for path in self._paths():
            with self._reporting():
                file = None if path is None else (path.stat().st_dev, path.stat().st_ino)
                if file not in read:
                    read.add(file)
                    yield STANDARD_INPUT if path is None else _name(path), read_text(path)

    def _paths(self) -> Iterator[Path | None]:
        for pattern in self._patterns:
            with self._reporting():
                yield from _expanded(pattern)

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """Report a file that cannot be read, and continue."""
        try:
            yield
        except (OSError, ValueError) as error:
            self.failed = True
            show_error(error)


def _expanded(pattern: str) -> list[Path | None]:
    """Expand an argument to file paths; None is standard input."""
    if pattern == "-":
        return [None]
    path = Path(pattern)
    if path.is_dir():
        raise ValueError(
            f"{path}: is a directory; expected files, such as '{path / '*'}' or '{path / '**/*.txt'}'"
        )
    if path.exists() or not any(sign in pattern for sign in "*?["):
        return [path]
    matching = sorted(glob(pattern, recursive=True))  # noqa: PTH207  (a Path's takes no absolute pattern)
    found: list[Path | None] = [path for path in map(Path, matching) if path.is_file()]
    if not found:
        raise ValueError(f"{pattern}: no file matches")
    return found


def _name(path: Path) -> str:
    """Decode a path for display, with invalid bytes replaced."""
    return os.fsencode(path).decode(errors="replace")


def _place(answer: PassageAnswer) -> tuple[str, int, int]:
    """Find the file, line and column of an answer; lines end with line feeds."""
    text = answer.passage_text
    line = text.count("\n", 0, answer.start) + 1
    return answer.passage_id, line, answer.start - text.rfind("\n", 0, answer.start)


def _as_dict(question: str, found: SearchResult) -> dict[str, Any]:
    """Build the output of --json."""
    answers = []
    for answer in found:
        values = answer.as_dict()
        del values["passage"], values["passage_id"]
        name, line, column = _place(answer)
        answers.append({"file": name, "line": line, "column": column, **values, "sentence": answer.sentence})
    return {"question": question, "files": found.passages, "no_answer": found.no_answer, "answers": answers}
