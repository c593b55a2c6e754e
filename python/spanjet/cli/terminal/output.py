"""Print and write the results of commands."""

import json
import sys
from codecs import lookup
from pathlib import Path
from typing import Any

from spanjet import Reader
from spanjet.cli.terminal.tables import show_values
from spanjet.measure.html import check_report_extra
from spanjet.reader.warnings import question_warning
from spanjet.storage import check_writable, replace_file

__all__ = ["check_outputs", "print_json", "show", "warning_of", "write_json"]


def show(values: dict[str, Any], *, as_json: bool) -> None:
    """Print names and values, as JSON or as text."""
    if as_json:
        print_json(values)
    else:
        show_values(values)


def print_json(value: Any) -> None:
    """Print a value as one line of JSON, in JSON's own escapes where the output's encoding is not UTF-8."""
    is_utf8 = lookup(sys.stdout.encoding).name == "utf-8"
    print(json.dumps(value, ensure_ascii=not is_utf8))


def warning_of(question: str, reader: Reader) -> dict[str, str]:
    """Return the warning of a question that was cut, for what is printed as JSON."""
    warning = question_warning(question, reader.tokenizer, reader.window_config)
    return {} if warning is None else {"warning": warning}


def check_outputs(*paths: Path | None, html: Path | None, source: Path | None = None) -> None:
    """Check output files and the extra for HTML pages in advance.

    Raises:
        OSError: one cannot be written.
        ValueError: one is given for two outputs, or is the input ``source``.
        ImportError: the extra is not installed.
    """
    given = [path for path in (*paths, html) if path is not None]
    for index, path in enumerate(given):
        check_writable(path)
        is_file = not path.exists() or path.is_file()
        if is_file and path.resolve() in [other.resolve() for other in given[:index]]:
            raise ValueError(f"{path}: is given for two outputs; expected a file for each")
        if source is not None and source.exists() and path.exists() and path.samefile(source):
            raise ValueError(f"{path}: is also the input")
    if html is not None:
        check_report_extra()


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON."""
    replace_file(path, f"{json.dumps(value, ensure_ascii=False, indent=1)}\n".encode())
