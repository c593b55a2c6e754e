"""Parquet, in and out; needs pyarrow, which the extra "arrow" installs."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from spanjet.files.record import Columns, Record, Rejected, read_record

__all__ = ["ParquetTable", "check_pyarrow", "write_parquet"]

BATCH_ROWS = 1024
BUFFER_BYTES = 1 << 20
"""Read from a column at a time, so that a row group need not fit into memory."""

ROW_GROUP_ROWS = 1 << 16


def check_pyarrow() -> None:
    """Check that Parquet can be read and written.

    Raises:
        ImportError: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401, PLC0415
    except ImportError as error:
        raise ImportError(f"Parquet needs pyarrow; install spanjet[arrow] ({error})") from None


@dataclass(frozen=True, slots=True)
class ParquetTable:
    """The rows of a Parquet file.

    Attributes:
        path: the file.
        columns: names of columns of texts; the id's may also be of integers.

    Raises:
        ImportError: when iterated: pyarrow is not installed.
        ValueError: when iterated: not a Parquet file, or a column is missing or of another type.
    """

    path: Path
    columns: Columns

    def count(self) -> int:
        """The number of rows."""
        with _opened(self.path) as file:
            return int(file.metadata.num_rows)

    def __iter__(self) -> Iterator[Record | Rejected]:
        """The rows, in the order of the file."""
        import pyarrow as pa  # noqa: PLC0415

        with _opened(self.path) as file:
            names = self._names(file.schema_arrow)
            row = 0
            try:
                for batch in file.iter_batches(BATCH_ROWS, columns=names, use_threads=False):
                    columns = [_values(column) for column in batch.columns]
                    for values in zip(*columns, strict=True):
                        fields = dict(zip(batch.schema.names, values, strict=True))
                        yield read_record(row, f"row {row}", fields, self.columns)
                        row += 1
            except (pa.ArrowException, OSError) as error:
                raise ValueError(f"{self.path}: damaged behind row {row}: {error}") from None

    def _names(self, schema: Any) -> list[str]:
        """The columns to read, after a check of their types."""
        columns = self.columns
        texts = [columns.question, *filter(None, [columns.context])]
        names = [*texts, *([columns.id] if columns.id_required or columns.id in schema.names else [])]
        for name in dict.fromkeys(names):
            if schema.names.count(name) != 1:
                number = "no" if name not in schema.names else "more than one"
                found = ", ".join(repr(name) for name in schema.names)
                raise ValueError(f"{self.path}: {number} column {name!r}; it has {found:.200}")
            if name in texts:
                _check_type(self.path, schema.field(name), integers=False)
            else:
                _check_type(self.path, schema.field(name), integers=True)
        return list(dict.fromkeys(names))


def write_parquet(lines: Iterable[bytes], path: Path) -> None:
    """Write the lines of `answers_line` as a Parquet file.

    Columns: ``row`` int64; ``id`` string (integers in decimal); ``question`` string; ``answers``, a list
    of structs of ``text`` string, ``start``, ``end``, ``byte_start``, ``byte_end`` int32 and ``score``,
    ``logit``, ``null_logit``, ``no_answer`` float32. Compressed with zstd, in groups of 65,536 rows.

    Raises:
        ImportError: pyarrow is not installed.
    """
    check_pyarrow()
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    schema = _schema()
    rows = iter(lines)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while group := list(islice(rows, ROW_GROUP_ROWS)):
            writer.write_table(pa.Table.from_batches(_batches(group, schema), schema))


def _batches(lines: list[bytes], schema: Any) -> Iterator[Any]:
    import pyarrow as pa  # noqa: PLC0415

    for first in range(0, len(lines), BATCH_ROWS):
        rows = [json.loads(line) for line in lines[first : first + BATCH_ROWS]]
        for row in rows:
            row["id"] = None if row["id"] is None else str(row["id"])
        yield pa.RecordBatch.from_pylist(rows, schema)


def _schema() -> Any:
    import pyarrow as pa  # noqa: PLC0415

    places = [(name, pa.int32()) for name in ("start", "end", "byte_start", "byte_end")]
    numbers = [(name, pa.float32()) for name in ("score", "logit", "null_logit", "no_answer")]
    answer = pa.struct([("text", pa.string()), *places, *numbers])
    columns = [("row", pa.int64()), ("id", pa.string()), ("question", pa.string())]
    return pa.schema([*columns, ("answers", pa.list_(answer))])


def _opened(path: Path) -> Any:
    check_pyarrow()
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    with path.open("rb"):  # a missing file is the same error as in the other formats
        pass
    try:
        # Its default, pre-buffering, reads whole row groups: 234 MiB where this takes 5.
        return pq.ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False)
    except pa.ArrowException as error:
        raise ValueError(f"{path}: not a Parquet file: {error}") from None


def _value_type(kind: Any) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_text(kind: Any) -> bool:
    import pyarrow as pa  # noqa: PLC0415

    kind = _value_type(kind)
    return any(
        check(kind) for check in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    )


def _check_type(path: Path, field: Any, *, integers: bool) -> None:
    import pyarrow as pa  # noqa: PLC0415

    if not (_is_text(field.type) or (integers and pa.types.is_integer(_value_type(field.type)))):
        expected = "texts or integers" if integers else "texts"
        raise ValueError(f"{path}: column {field.name!r} is of {field.type}; expected {expected}")


def _values(column: Any) -> list[str | int | None]:
    """A column's values; bytes that are not UTF-8 become lone surrogates, which `read_record` finds."""
    import pyarrow as pa  # noqa: PLC0415

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not _is_text(column.type):
        return list(column.to_pylist())
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        values = column.cast(pa.large_binary()).to_pylist()
        return [None if value is None else value.decode("utf-8", "surrogateescape") for value in values]
