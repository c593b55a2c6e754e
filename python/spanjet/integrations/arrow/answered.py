"""Collect the answers to the rows of a record batch as Arrow columns."""

from operator import attrgetter
from typing import Any

from spanjet.extras import import_extra
from spanjet.files.arrow import answer_fields
from spanjet.files.record import Record, Rejected
from spanjet.reader.answer import Answer

pa = import_extra("pyarrow", extra="arrow", purpose="spanjet.integrations.arrow needs pyarrow")

__all__ = ["AnsweredBatch", "output_fields"]


def output_fields(*, flat: bool, prefix: str) -> list[Any]:
    """Return the fields of the new columns, ``pyarrow.Field`` each.

    Args:
        flat: the answer's attributes are columns, otherwise there is a list of answers.
        prefix: prefix of the names of all columns.
    """
    fields = answer_fields()
    if flat:
        fields = [("answer" if name == "text" else name, kind) for name, kind in fields]
    else:
        fields = [("answers", pa.list_(pa.struct(fields)))]
    fields += [("warning", pa.string()), ("error", pa.string())]
    return [pa.field(f"{prefix}{name}", kind) for name, kind in fields]


class AnsweredBatch:
    """Record batch whose rows get their answers one by one, in order.

    Args:
        batch: the ``pyarrow.RecordBatch``.
        schema: its schema with `output_fields`.
        flat: as for `output_fields`.

    Attributes:
        missing: number of rows that have no answers yet.
    """

    def __init__(self, batch: Any, schema: Any, *, flat: bool) -> None:
        self.missing: int = batch.num_rows
        self._batch, self._schema, self._flat = batch, schema, flat
        self._answers: list[list[Answer] | None] = []
        self._warnings: list[str | None] = []
        self._errors: list[str | None] = []

    def add(self, row: Record | Rejected, answers: list[Answer], warning: str | None) -> None:
        """Add the answers to the next row, or the reason why it was rejected."""
        self.missing -= 1
        rejected = isinstance(row, Rejected)
        self._answers.append(None if rejected else answers)
        self._warnings.append(warning)
        self._errors.append(_escaped(row.reason) if isinstance(row, Rejected) else None)

    def complete(self) -> Any:
        """Return the batch with the columns of its answers."""
        if self._flat:
            columns = _attributes([answers[0] if answers else None for answers in self._answers])
        else:
            columns = [_lists(self._answers)]
        texts = [pa.array(values, pa.string()) for values in (self._warnings, self._errors)]
        return pa.RecordBatch.from_arrays([*self._batch.columns, *columns, *texts], schema=self._schema)


def _attributes(answers: list[Answer | None]) -> list[Any]:
    """Return the attributes of answers as arrays, null where there is no answer."""
    arrays = []
    for name, kind in answer_fields():
        read = attrgetter(name)
        arrays.append(pa.array([None if answer is None else read(answer) for answer in answers], kind))
    return arrays


def _lists(answers: list[list[Answer] | None]) -> Any:
    """Return an array of lists of structs, null where there is no list."""
    offsets: list[int | None] = []
    flat: list[Answer | None] = []
    for found in answers:
        offsets.append(None if found is None else len(flat))
        flat += found or ()
    fields = [pa.field(name, kind) for name, kind in answer_fields()]
    structs = pa.StructArray.from_arrays(_attributes(flat), fields=fields)
    return pa.ListArray.from_arrays(pa.array([*offsets, len(flat)], pa.int32()), structs)


def _escaped(reason: str) -> str:
    """Escape lone surrogates, which a reason may quote and Arrow cannot hold."""
    return reason.encode("utf-8", "backslashreplace").decode()
