"""Parquet as an input and as an output."""

import math
import random
from datetime import date, datetime
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from job_inputs import ANSWER, output_row, read, reasons, write_table
from spanjet.files import Columns, Record, open_rows
from spanjet.files.parquet import write_parquet

WINDOWS = "if it is Windows-1252, convert it: iconv -f WINDOWS-1252 -t UTF-8"
KINDS = ("string", "large_string", "string_view", "binary", "large_binary", "dictionary")


@pytest.mark.parametrize("kind", KINDS)
def test_parquet_texts_of_all_types(tmp_path: Path, kind: str) -> None:
    values = ["a", None, "", "é東"]
    column = pa.array(values, pa.string())
    column = column.dictionary_encode() if kind == "dictionary" else column.cast(getattr(pa, kind)())
    try:
        path = write_table(tmp_path / "in", {"question": column, "context": ["c"] * 4})
    except pa.ArrowNotImplementedError:
        assert kind == "string_view"
        pytest.skip("this PyArrow writes no string views into Parquet")
    found = read(path, "parquet")
    assert [row.question for row in found if isinstance(row, Record)] == ["a", "é東"]
    assert reasons(found) == [
        (1, "row 1", "column 'question': expected a string, found null"),
        (2, "row 2", "column 'question': empty, expected some text"),
    ]


def test_parquet_that_is_not_utf8(tmp_path: Path) -> None:
    column = pa.array([b"a", b"b\xff", None, b"c"], pa.binary()).cast(pa.string(), safe=False)
    path = write_table(tmp_path / "in", {"question": column, "context": ["c"] * 4})
    found = read(path, "parquet")
    assert [row.question for row in found if isinstance(row, Record)] == ["a", "c"]
    assert reasons(found)[0] == (1, "row 1", f"column 'question': not UTF-8: 0xFF at byte 1; {WINDOWS}")


def test_parquet_in_many_batches_and_groups(tmp_path: Path) -> None:
    rows = 5000
    questions = [f"question {row}" for row in range(rows)]
    path = write_table(tmp_path / "in", {"question": questions, "context": ["c"] * rows}, row_group_size=1300)
    found = read(path, "parquet")
    assert [row.row for row in found] == list(range(rows))
    assert [row.question for row in found if isinstance(row, Record)] == questions


def test_parquet_row_groups_need_not_fit_into_memory(tmp_path: Path) -> None:
    generator, rows = random.Random(1), 10_000
    contexts = [f"{generator.getrandbits(120):030x}" * 40 for _ in range(rows)]
    columns = {"question": [f"question {row}" for row in range(rows)], "context": contexts}
    path = write_table(
        tmp_path / "in", columns, row_group_size=rows, use_dictionary=False, compression="none"
    )
    del columns, contexts
    before = pa.total_allocated_bytes()
    most = max(pa.total_allocated_bytes() for _ in open_rows(path, "parquet", Columns()))
    assert path.stat().st_size > 12e6
    assert most - before < 5e6


def test_parquet_with_other_columns(tmp_path: Path) -> None:
    path = tmp_path / "in"
    for columns, message in (
        ({"q": ["q"]}, r"no column 'question' \(--question-column\); it has 'q'"),
        ({"question": [1], "context": ["c"]}, "column 'question' is of int64; expected strings"),
    ):
        with pytest.raises(ValueError, match=message):
            read(write_table(path, columns), "parquet")


EPOCH = "1970-01-01 00:00:00.00000000"
IDS: dict[str, tuple[Any, list[str | int | None]]] = {
    "double": ([7.0, math.nan, 1.5], [7, None, "1.5"]),
    "decimal": ([Decimal("7.50"), None, Decimal(1)], ["7.50", None, "1.00"]),
    "timestamp": ([datetime(2026, 1, 2, 3)] * 3, ["2026-01-02 03:00:00.000000"] * 3),
    "nanoseconds": (pa.array([1, 2, None], pa.timestamp("ns")), [f"{EPOCH}1", f"{EPOCH}2", None]),
    "date": ([date(2026, 1, 2), None, None], ["2026-01-02", None, None]),
    "list": ([[1], ["a"][:0], None], ["[1]", "[]", None]),
    # PyArrow has Python values of such lists only with pandas.
    "nanoseconds in lists": (
        pa.array([[1], [2], None], pa.list_(pa.timestamp("ns"))),
        [f'["{EPOCH}1"]', f'["{EPOCH}2"]', None] if find_spec("pandas") else [None] * 3,
    ),
    "struct": ([{"a": datetime(2026, 1, 2)}] * 3, ['{"a": "2026-01-02 00:00:00"}'] * 3),
    "nanoseconds in some": (
        pa.array([{"a": 1}, {"a": None}, None], pa.struct([("a", pa.timestamp("ns"))])),
        [f'{{"a": "{EPOCH}1"}}' if find_spec("pandas") else None, '{"a": null}', None],
    ),
    "boolean": ([True, False, None], ["true", "false", None]),
    "null": (pa.nulls(3), [None] * 3),
    "bytes": ([b"a", b"\xff", None], ["a", "\\xff", None]),
    "dictionary": (pa.array([1, 2, 1]).dictionary_encode(), [1, 2, 1]),
}


@pytest.mark.parametrize("kind", IDS)
def test_no_row_is_rejected_for_its_id(tmp_path: Path, kind: str) -> None:
    column, expected = IDS[kind]
    path = write_table(tmp_path / "in", {"question": ["q"] * 3, "context": ["c"] * 3, "id": column})
    found = read(path, "parquet")
    assert [row.id for row in found if isinstance(row, Record)] == expected


def test_a_column_without_a_type(tmp_path: Path) -> None:
    """All of its values are null, so that the writer knew none."""
    path = write_table(tmp_path / "in", {"question": pa.nulls(2), "context": ["c"] * 2})
    expected = "column 'question': expected a string, found null"
    assert reasons(read(path, "parquet")) == [(0, "row 0", expected), (1, "row 1", expected)]


def test_damaged_parquet(tmp_path: Path) -> None:
    rows = 3000
    path = write_table(
        tmp_path / "in",
        {"question": [f"{random.Random(row).random()}" for row in range(rows)], "context": ["c"] * rows},
        row_group_size=1000,
        use_dictionary=False,
    )
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = bytes(2000)
    path.write_bytes(data)
    with pytest.raises(ValueError, match="damaged after row"):
        read(path, "parquet")


def test_a_damaged_footer_names_the_file(tmp_path: Path) -> None:
    path = write_table(tmp_path / "in", {"question": ["q"], "context": ["c"]})
    data = bytearray(path.read_bytes())
    data[-60:-8] = bytes(52)
    path.write_bytes(data)
    with pytest.raises(ValueError, match="not a Parquet file"):
        read(path, "parquet")


def test_parquet_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanjet.files.parquet.ROW_GROUP_ROWS", 7)
    monkeypatch.setattr("spanjet.files.parquet.BATCH_ROWS", 3)
    ids: list[Any] = ["a", 7, None] * 6
    warnings = [None, "cut"] * 9
    rows = [Record(2 * row, "", name, f"q{row}", "東京", warnings[row]) for row, name in enumerate(ids)]
    write_parquet((output_row(row, [ANSWER] * (row.row % 3)) for row in rows), tmp_path / "out")
    table = pq.read_table(tmp_path / "out")
    assert table.schema.names == ["row", "id", "question", "answers", "warning"]
    found = table.to_pylist()
    assert [row["id"] for row in found] == ["a", "7", None] * 6
    assert [row["row"] for row in found] == [row.row for row in rows]
    assert [row["warning"] for row in found] == warnings
    assert [row["answers"] for row in found] == [[ANSWER.as_dict()] * (row.row % 3) for row in rows]
    assert pq.ParquetFile(tmp_path / "out").metadata.num_row_groups == 3


def test_parquet_out_without_rows(tmp_path: Path) -> None:
    write_parquet([], tmp_path / "out")
    assert pq.read_table(tmp_path / "out").num_rows == 0
