"""Read and write Parquet; needs pyarrow, which the extra "arrow" installs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from spanjet.files.arrow import answer_fields, load_pyarrow, may_hold_text, text_values
from spanjet.files.record import Columns, Record, Rejected, read_record

__all__ = ["ParquetTable", "write_parquet"]

BATCH_ROWS = 1024
BUFFER_BYTES = 1 << 20
"""Bytes to read from a column at a time, so that a row group need not fit into memory."""

ROW_GROUP_ROWS = 1 << 16


@dataclass(frozen=True, slots=True)
class ParquetTable:
    """Rows of a Parquet file.

    Attributes:
        path: the file.
        columns: names of columns; those of texts may also be of bytes in UTF-8, that of the ids of any type.

    Raises:
        ImportError: pyarrow is not installed.
        ValueError: when iterated: not a Parquet file, or a column is missing or holds no texts.
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
                raise ValueError(f"{self.path}: damaged after row {row}: {error}") from None

    def _names(self, schema: Any) -> list[str]:
        """Return the columns to read, after a check of their types."""
        roles = dict(self.columns.required())
        if self.columns.id in schema.names:
            roles["id"] = self.columns.id
        for role, name in roles.items():
            if schema.names.count(name) != 1:
                number = "no" if name not in schema.names else "more than one"
                found = ", ".join(repr(name) for name in schema.names)
                raise ValueError(
                    f"{self.path}: {number} column {name!r} (--{role}-column); it has {found:.200}"
                )
            kind = schema.field(name).type
            if role != "id" and not may_hold_text(kind):
                raise ValueError(f"{self.path}: column {name!r} is of {kind}; expected strings")
        return list(dict.fromkeys(roles.values()))


def write_parquet(rows: Iterable[dict[str, Any]], path: Path) -> None:
    """Write answers as a Parquet file, compressed with zstd, in groups of 65,536 rows.

    Columns: ``row`` int64; ``id`` string (integers in decimal); ``question`` string; ``answers``, a list
    of structs of ``text`` string, ``start``, ``end``, ``byte_start``, ``byte_end`` int32 and ``score``,
    ``logit``, ``null_logit``, ``no_answer`` float32; ``warning`` string, of a cut question, else null.

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
    columns = [("row", pa.int64()), ("id", pa.string()), ("question", pa.string())]
    return pa.schema([*columns, ("answers", pa.list_(pa.struct(answer_fields()))), ("warning", pa.string())])


def _opened(path: Path) -> Any:
    pa, pq = load_pyarrow()
    with path.open("rb"):  # a missing file raises the same error as in the other formats
        pass
    try:
        # Pre-buffering, the default, reads whole row groups: 234 MiB instead of 5.
        return pq.ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:  # OSError: of a damaged footer, without the name
        raise ValueError(f"{path}: not a Parquet file: {error}") from None


def _values(column: Any) -> list[Any]:
    """Return the values; a text that is not UTF-8 is bytes."""
    pa, _ = load_pyarrow()
    if may_hold_text(column.type):
        return text_values(column)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    # Python has no nanoseconds; Arrow writes all times.
    column = column.cast(pa.string()) if pa.types.is_temporal(column.type) else column
    return [_value(value) for value in column]


def _value(value: Any) -> Any:
    """Return a value; None for one with nanoseconds or invalid Unicode deep inside."""
    try:
        return value.as_py()
    except ValueError:
        return None
