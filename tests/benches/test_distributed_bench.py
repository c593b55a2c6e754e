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


ONE = [Note(0, 1, 0, 100, 0.5), Note(9, 2, 10, 120), Note(10, 3, 20, 130), Note(13, 6, 40, 110)]
TWO = [Note(1, 1, 0, 100, 0.7), Note(8, 2, 10, 120), Note(12, 5, 30, 120)]


def test_rates_of_workers() -> None:
    """Both are in steady state from 9 to 12 s; there the first answers 20 rows and 2/3 of 40."""
    run = Measured(3.0, 0.7, 20.0, [ONE, TWO])
    assert run.rate() == pytest.approx((20 + 40 * 2 / 3 + 30 * 3 / 4) / 3)
    assert run.cpu == pytest.approx(1000 * (4 + 3) / 90)
    assert run.megabytes == 130
    alone = Measured(3.0, 0.5, 20.0, [ONE])
    assert alone.rate() == pytest.approx(60 / 4)
    late = [note._replace(time=note.time + 100) for note in TWO]
    with pytest.raises(RuntimeError, match="no worker had two batches while"):
        alone.rate(Measured(3.0, 0.7, 20.0, [late]))
    assert alone.rate(Measured(3.0, 0.7, 20.0, [TWO])) == pytest.approx((20 + 40 * 2 / 3) / 3)


def test_the_table() -> None:
    sides = distributed.sides(["ray"], 2)
    assert list(map(str, sides)) == ["answer, 1 x 2", "ray, 1 x 2", "ray, 2 x 1"]
    answer = Measured(1.0, 0.5, 10.0, [[Note(0, 0, 0, 200, 0.5), Note(1, 1, 100, 200), Note(2, 2, 100, 200)]])
    ray = Measured(4.0, 1.0, 20.0, [[Note(0, 0, 0, 300, 1.0), Note(1, 1, 100, 300), Note(3, 4, 100, 300)]])
    lines = list(distributed.report({sides[0]: [(answer, answer)], sides[1]: [(answer, ray)]}, beside=False))
    ones = "1.00 (1.00 to 1.00)"
    assert lines[2] == f"| answer, 1 x 2 | 100 | {ones} | {ones} | 1.0 s | 0.5 s | 10 s | 200 |"
    assert lines[3].startswith(
        "| ray, 1 x 2 | 50 | 2.00 (2.00 to 2.00) | 3.00 (3.00 to 3.00) | 4.0 s | 1.0 s |"
    )
    first, second = distributed.records({sides[0]: [(answer, answer)], sides[1]: [(answer, ray)]})
    assert first["rounds"][0]["side"] == first["rounds"][0]["answer"]
    assert (second["engine"], second["workers"], second["threads"]) == ("ray", 1, 2)
    assert second["rounds"][0]["side"] == {
        "rows_a_second": 50,
        "cpu": 30,
        "megabytes": 300,
        "start": 4,
        "load": 1,
        "seconds": 20,
    }
    together = list(distributed.report({sides[1]: [(answer, ray)]}, beside=True))
    assert together[2].startswith("| ray, 1 x 2 | 50 | 2.00 (2.00 to 2.00) |")


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
