"""Read texts from Arrow columns, and define the columns of answers; needs the extra "arrow"."""

from collections.abc import Mapping
from typing import Any

from spanjet.extras import import_extra

__all__ = ["answer_fields", "load_pyarrow", "may_hold_text", "text_values"]


def load_pyarrow() -> tuple[Any, Any]:
    """Import ``pyarrow`` and ``pyarrow.parquet``.

    Raises:
        ImportError: pyarrow is not installed.
    """
    purpose = "Parquet needs pyarrow"
    return (
        import_extra("pyarrow", extra="arrow", purpose=purpose),
        import_extra("pyarrow.parquet", extra="arrow", purpose=purpose),
    )


def answer_fields() -> list[tuple[str, Any]]:
    """Return the attributes of `Answer` with their Arrow types, in order.

    ``text`` is string, offsets are int32, probabilities and logits float32, the precision that they have.
    """
    pa, _ = load_pyarrow()
    places = [(name, pa.int32()) for name in ("start", "end", "byte_start", "byte_end")]
    numbers = [(name, pa.float32()) for name in ("score", "logit", "null_logit", "no_answer")]
    return [("text", pa.string()), *places, *numbers]


def may_hold_text(kind: Any) -> bool:
    """Return True for the types of strings, bytes that may be UTF-8, nulls, and dictionaries of these."""
    types = load_pyarrow()[0].types
    if types.is_dictionary(kind):
        kind = kind.value_type
    return bool(_is_bytes(kind) or _is_string(kind) or types.is_null(kind))


def text_values(column: Any) -> list[str | bytes | None]:
    """Return the values of a column of texts: bytes where they are not UTF-8, None for null.

    Args:
        column: array of a type of `may_hold_text`.
    """
    pa, _ = load_pyarrow()
    if pa.types.is_dictionary(column.type):
        return _dictionary_values(column)
    if _is_bytes(column.type):
        return [_decoded(value) for value in column.to_pylist()]
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        return [_decoded(value) for value in column.cast(pa.large_binary()).to_pylist()]


def _dictionary_values(column: Any) -> list[str | bytes | None]:
    """Look up the values; equal ones are one object, and those that no row has are not read."""
    indices = column.indices.to_pylist()
    values: Mapping[int, str | bytes | None]
    if len(column.dictionary) <= len(column):
        values = dict(enumerate(text_values(column.dictionary)))
    else:  # Arrow cannot take from string views
        used = set(indices) - {None}
        values = {index: text_values(column.dictionary.slice(index, 1))[0] for index in used}
    return [None if index is None else values[index] for index in indices]


def _is_string(kind: Any) -> bool:
    types = load_pyarrow()[0].types
    return any(check(kind) for check in (types.is_string, types.is_large_string, types.is_string_view))


def _is_bytes(kind: Any) -> bool:
    types = load_pyarrow()[0].types
    checks = (types.is_binary, types.is_large_binary, types.is_binary_view, types.is_fixed_size_binary)
    return any(check(kind) for check in checks)


def _decoded(value: bytes | None) -> str | bytes | None:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value
