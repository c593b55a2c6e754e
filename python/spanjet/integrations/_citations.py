"""Describe answers as the metadata of a document."""

from collections.abc import Mapping
from typing import Any

from spanjet.reader.passages import PassageAnswer

__all__ = ["answer_metadata", "title_of"]

TITLE_KEYS = ("title", "source", "file_name")
"""Metadata keys that name a document; the loaders of LangChain and LlamaIndex set the last two."""

METADATA_FIELDS = ("text", "score", "no_answer", "start", "end", "sentence_start", "sentence_end")
"""Fields of an answer that become metadata."""


def answer_metadata(answer: PassageAnswer, *, prefix: str, source_start: int | None) -> dict[str, Any]:
    """Return an answer as flat metadata.

    Args:
        answer: the answer.
        prefix: beginning of all keys.
        source_start: offset of the passage in the document that it was cut from, in code points; None:
            unknown.

    Returns:
        ``text``, ``score``, ``no_answer``, ``start``, ``end``, ``sentence_start`` and ``sentence_end`` of the
        answer; with a ``source_start`` also ``source_start`` and ``source_end``, the answer's offsets there.
    """
    values = {name: getattr(answer, name) for name in METADATA_FIELDS}
    if source_start is not None:
        values["source_start"] = source_start + answer.start
        values["source_end"] = source_start + answer.end
    return {f"{prefix}{name}": value for name, value in values.items()}


def title_of(metadata: Mapping[str, Any], identifier: str | None) -> str | None:
    """Return what a citation calls a document: its title, source or file name, otherwise its id."""
    for key in TITLE_KEYS:
        if metadata.get(key):
            return str(metadata[key])
    return identifier
