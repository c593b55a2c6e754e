"""The benchmark of engines for many machines: what its notes say, and what it compares."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benches import distributed
from benches.distributed import Measured, Note, Side


def test_answer_is_measured(tmp_path: Path) -> None:
    """A run of `answer` itself in a process of its own."""
    rows = tmp_path / "rows.parquet"
    distributed.write_rows(rows, None, 40)
    side = Side("answer", 1, 1)
    with pytest.raises(RuntimeError, match=r"answer, 1 x 1: batches of the workers: \[1\]"):
        distributed.measure(side, rows, tmp_path / "run")
    (notes,) = distributed.read_notes(tmp_path / "run" / "notes")
    assert [note.rows for note in notes] == [0, 40]
    assert notes[0].seconds > 0
    assert notes[1].cpu > notes[0].cpu > 0
    assert pq.read_metadata(tmp_path / "run" / "out.parquet").num_rows == 40


def test_rates_of_workers_are_added() -> None:
    one = [Note(0, 1, 0, 100, 0.5), Note(9, 2, 10, 120), Note(10, 3, 20, 130), Note(13, 6, 40, 110)]
    two = [Note(1, 1, 0, 100, 0.7), Note(8, 2, 10, 120), Note(12, 5, 30, 120)]
    found = distributed.summary(3.0, 20.0, Side("ray", 2, 1), [one, two])
    assert found == Measured(
        start=3.0, load=0.7, seconds=20.0, rate=60 / 4 + 30 / 4, cpu=1000 * (4 + 3) / 90, megabytes=130
    )
    with pytest.raises(RuntimeError, match=r"ray, 2 x 1: batches of the workers: \[3\]"):
        distributed.summary(3.0, 20.0, Side("ray", 2, 1), [one])


def test_the_table() -> None:
    sides = distributed.sides(["ray"], 2)
    assert list(map(str, sides)) == ["answer, 1 x 2", "ray, 1 x 2", "ray, 2 x 1"]
    answer = [Measured(1, 1, 10, rate, 8, 200) for rate in (100, 50)]
    ray = [Measured(4, 1, 20, rate, 10, 300) for rate in (80, 50)]
    lines = list(distributed.report({sides[0]: answer, sides[1]: ray}))
    assert lines[2].startswith("| answer, 1 x 2 | 75 | 1.00 (1.00 to 1.00) | 1.00 (1.00 to 1.00) | 1.0 s |")
    assert lines[3].startswith("| ray, 1 x 2 | 65 | 1.12 (1.06 to 1.19) | 1.25 (1.25 to 1.25) | 4.0 s |")


def test_differences_are_found(tmp_path: Path) -> None:
    rows, out, notes = (tmp_path / name for name in ("rows.parquet", "out.parquet", "notes"))
    notes.mkdir()
    distributed.write_rows(rows, None, 30)
    distributed.run_answer(Side("answer", 1, 1), rows, out, notes)
    found = distributed.NotedAnswerBatch(str(notes), threads=1)(pq.read_table(rows))
    pq.write_table(found.take(list(range(29, -1, -1))), tmp_path / "found.parquet")
    assert distributed.differences(out, tmp_path / "found.parquet") == []
    pq.write_table(found.set_column(3, "answer", [["x"] * 30]), tmp_path / "other.parquet")
    assert distributed.differences(out, tmp_path / "other.parquet") == [f"row {row}" for row in range(30)]
    for chosen, message in (([0] * 30, "30 rows, of which 1 are"), (range(29), "29 rows, of which 29 are")):
        pq.write_table(found.take(list(chosen)), tmp_path / "other.parquet")
        (line,) = distributed.differences(out, tmp_path / "other.parquet")
        assert line.startswith(message)
