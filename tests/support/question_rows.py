"""Rows for engines of others, and what `spanjet answer` makes of them."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from spanjet import Reader, answer_file

BAD = (None, "", " \n")


def write_questions(path: Path, rows: int) -> None:
    """Write short questions and contexts, of which every 50th cannot be answered."""
    questions = [f"Who built bridge {row}?" if row % 50 else BAD[row // 50 % 3] for row in range(rows)]
    contexts = [
        f"Bridge {row} was built by Clara {'Höß' if row % 2 else 'Hansen'} in {1000 + row % 900}."
        for row in range(rows)
    ]
    table = pa.table({"id": range(rows), "question": pa.array(questions, pa.string()), "context": contexts})
    pq.write_table(table, path)


def expected_rows(source: Path, directory: Path) -> list[dict[str, Any]]:
    """Answer the rows of a file with `answer_file`; return the columns that `AnswerBatch` adds, in order."""
    out = directory / "expected.parquet"
    answer_file(source, out, reader=Reader())
    rejected = out.with_name(f"{out.name}.rejected.jsonl").read_text(encoding="utf-8").splitlines()
    rows = {
        row["row"]: {**row["answers"][0], "warning": row["warning"], "error": None}
        for row in pq.read_table(out).to_pylist()
    }
    none = dict.fromkeys(next(iter(rows.values())))
    rows |= {line["row"]: {**none, "error": line["reason"]} for line in map(json.loads, rejected)}
    return [{"answer": rows[row].pop("text"), **rows[row]} for row in range(len(rows))]


def added_columns(answered: pa.Table) -> list[dict[str, Any]]:
    """Return the columns that `AnswerBatch` added, in the order of the ids, each of which is there once."""
    answered = answered.sort_by("id")
    assert answered["id"].to_pylist() == list(range(len(answered)))
    rows: list[dict[str, Any]] = answered.drop_columns(["id", "question", "context"]).to_pylist()
    return rows
