"""Read and write Parquet; needs pyarrow, which the extra "arrow" installs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from spanjet.files.record import Columns, Record, Rejected, read_record

__all__ = ["ParquetTable", "load_pyarrow", "write_parquet"]

BATCH_ROWS = 1024
BUFFER_BYTES = 1 << 20
"""Bytes to read from a column at a time, so that a row group need not fit into memory."""

ROW_GROUP_ROWS = 1 << 16


def load_pyarrow() -> tuple[Any, Any]:
    """Import ``pyarrow`` and ``pyarrow.parquet``.

    Raises:
        ImportError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415  (an extra)
        import pyarrow.parquet as pq  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise ImportError(f"Parquet needs pyarrow; install spanjet[arrow] ({error})") from None
    return pa, pq


@dataclass(frozen=True, slots=True)
class ParquetTable:
    """Rows of a Parquet file.

    Attributes:
        path: the file.
        columns: names of string columns; that of the ids may also be of integers.

    Raises:
        ImportError: pyarrow is not installed.
        ValueError: on iteration: the file is not Parquet, or a column is missing or of another type.
    """

    path: Path
    columns: Columns

    def __post_init__(self) -> None:
        load_pyarrow()

    def count(self) -> int:
        """Return the number of rows."""
        with _opened(self.path) as file:
            return int(file.metadata.num_rows)

    def __iter__(self) -> Iterator[Record | Rejected]:
        """Read the rows, in the order of the file."""
        pa, _ = load_pyarrow()
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
        """Return the names of the columns to read, after checking their types."""
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


def write_parquet(rows: Iterable[dict[str, Any]], path: Path) -> None:
    """Write answers as a Parquet file, compressed with zstd, in groups of 65,536 rows.

    Columns: ``row`` int64; ``id`` string (integers in decimal); ``question`` string; ``answers``, a list
    of structs of ``text`` string, ``start``, ``end``, ``byte_start``, ``byte_end`` int32 and ``score``,
    ``logit``, ``null_logit``, ``no_answer`` float32.

    Raises:
        ImportError: pyarrow is not installed.
    """
    pa, pq = load_pyarrow()
    schema = _schema()
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        rows = iter(rows)
        while batches := list(_batches(islice(rows, ROW_GROUP_ROWS), schema)):
            writer.write_table(pa.Table.from_batches(batches, schema))


def _batches(rows: Iterator[dict[str, Any]], schema: Any) -> Iterator[Any]:
    pa, _ = load_pyarrow()
    while batch := list(islice(rows, BATCH_ROWS)):
        for row in batch:
            row["id"] = None if row["id"] is None else str(row["id"])
        yield pa.RecordBatch.from_pylist(batch, schema)


def _schema() -> Any:
    pa, _ = load_pyarrow()
    places = [(name, pa.int32()) for name in ("start", "end", "byte_start", "byte_end")]
    numbers = [(name, pa.float32()) for name in ("score", "logit", "null_logit", "no_answer")]
    answer = pa.struct([("text", pa.string()), *places, *numbers])
    columns = [("row", pa.int64()), ("id", pa.string()), ("question", pa.string())]
    return pa.schema([*columns, ("answers", pa.list_(answer))])


def _opened(path: Path) -> Any:
    pa, pq = load_pyarrow()
    with path.open("rb"):  # a missing file raises the same error as in the other formats
        pass
    try:
        # Pre-buffering, the default, reads whole row groups: 234 MiB instead of 5.
        return pq.ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False)
    except pa.ArrowException as error:
        raise ValueError(f"{path}: not a Parquet file: {error}") from None


def _value_type(kind: Any) -> Any:
    pa, _ = load_pyarrow()
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_text(kind: Any) -> bool:
    pa, _ = load_pyarrow()
    kind = _value_type(kind)
    return any(
        check(kind) for check in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    )


def _check_type(path: Path, field: Any, *, integers: bool) -> None:
    pa, _ = load_pyarrow()
    if not (_is_text(field.type) or (integers and pa.types.is_integer(_value_type(field.type)))):
        expected = "strings or integers" if integers else "strings"
        raise ValueError(f"{path}: column {field.name!r} is of {field.type}; expected {expected}")


def _values(column: Any) -> list[str | int | None]:
    """Convert a column to values; invalid UTF-8 becomes lone surrogates, which `read_record` rejects."""
    pa, _ = load_pyarrow()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not _is_text(column.type):
        return list(column.to_pylist())
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        values = column.cast(pa.large_binary()).to_pylist()
        return [None if value is None else value.decode("utf-8", "surrogateescape") for value in values]
