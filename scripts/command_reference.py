"""Write the reference of the command line, as Markdown, from the commands themselves."""

import re
from collections.abc import Iterator
from typing import Any

from spanjet.cli import app
from typer.main import get_command

__all__ = ["command_reference", "commands"]


def commands() -> Iterator[tuple[str, Any, Any]]:
    """Yield all commands and subcommands: the words that call them, the command, and its context."""
    group: Any = get_command(app)
    context = group.make_context("spanjet", ["ask"], resilient_parsing=True)
    yield "spanjet", group, context
    for name in group.list_commands(context):
        _, command, _ = group.resolve_command(context, [name])
        yield from _with_subcommands(command, name, context)


def _with_subcommands(command: Any, name: str, parent: Any) -> Iterator[tuple[str, Any, Any]]:
    # The arguments only keep a group from printing its help; nothing is parsed of them.
    context = command.make_context(name, ["-"], parent=parent, resilient_parsing=True)
    yield context.command_path, command, context
    for sub_name, sub_command in getattr(command, "commands", {}).items():
        yield from _with_subcommands(sub_command, sub_name, context)


def command_reference() -> str:
    """Return a section for each command: usage, description, arguments and options."""
    return "\n".join(_section(*each) for each in commands())


def _section(path: str, command: Any, context: Any) -> str:
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    level = "##" if path.count(" ") < 2 else "###"
    lines = [f"{level} {path}", "", "```text", usage, "```", "", *_description(command)]
    records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
    if any(records):
        lines += ["| argument or option | meaning |", "|---|---|"]
        lines += [f"| {_code(names)} | {_cell(text)} |" for names, text in filter(None, records)]
    return "\n".join([*lines, ""])


def _description(command: Any) -> list[str]:
    paragraphs = re.split(r"\n\s*\n", (command.help or "").strip())
    return [line for paragraph in paragraphs for line in (_text(" ".join(paragraph.split())), "")]


def _code(names: str) -> str:
    # The metavar of some options lists their values: a|b.
    return f"<code>{_text(names)}</code>"


def _cell(text: str) -> str:
    return _text(" ".join(text.split()))


def _text(text: str) -> str:
    """Escape what Markdown or a table would take for markup."""
    for character, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "&#124;"), ("_", "&#95;")):
        text = text.replace(character, escaped)
    return text.replace("*", "&#42;").replace("[", "&#91;").replace("`", "&#96;")
