"""Implement `spanjet ask`: ask one question about a text."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from spanjet.cli.options import (
    FirstOption,
    JsonOption,
    ModelOption,
    ModeOption,
    OverlapOption,
    RereadOption,
    ThresholdOption,
    open_reader,
)
from spanjet.cli.terminal.output import print_json, warning_of
from spanjet.cli.terminal.tables import show_answers
from spanjet.cli.terminal.texts import argument_text, read_text

__all__ = ["ask"]


def ask(
    *,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="The question.")],
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT", help="The text to read. Default: standard input.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", metavar="FILE", help="Read the text from a file.")
    ] = None,
    top_k: Annotated[int, typer.Option("--top-k", "-k", min=1, metavar="K", help="Number of answers.")] = 1,
    model: ModelOption = None,
    first: FirstOption = None,
    reread: RereadOption = None,
    mode: ModeOption = "global",
    threshold: ThresholdOption = "model",
    overlap: OverlapOption = False,
    as_json: JsonOption = False,
) -> None:
    """Answer a question about a text.

    Piped, each answer is a line; an empty line says that the text does not answer the question.
    """
    question = argument_text("the question", question)
    context = _read_context(text, file)
    decode = {"mode": mode, "overlap": overlap}
    cascade: dict[str, Any] = {"first": first, "reread": reread}
    reader = open_reader(model, {}, decode, threshold=threshold, top_k=top_k, **cascade)
    answers = reader.ask(question, context, top_k=top_k)
    if as_json:
        values = {"question": question, "answers": [answer.as_dict() for answer in answers]}
        print_json({**values, **warning_of(question, reader)})
    else:
        show_answers(context, answers)


def _read_context(text: str | None, file: Path | None) -> str:
    if text is not None and file is not None:
        raise ValueError("the text is given twice, as an argument and with --file")
    if text is not None:
        return argument_text("the text", text)
    if file is None and sys.stdin.isatty():
        raise ValueError("no text: give it as an argument, with --file, or on standard input")
    return read_text(file)
