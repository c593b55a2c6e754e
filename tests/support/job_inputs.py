"""A reader that needs no model, and inputs for its jobs."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from spanjet import Answer, Failure
from spanjet.config import Threshold
from spanjet.files import Columns, Record, Rejected, answers_line, open_rows

UNANSWERABLE = "unanswerable"
ANSWER = Answer("東京", 0, 2, 0, 6, 0.25, 1.5, -3.0, 0.125)


class ScriptedReader:
    """Answers come from the texts alone; a question `UNANSWERABLE` fails. Reads ahead as a reader does.

    With ``rounding``, what is batched together shows in the scores, as it does in those of a real model.
    """

    def __init__(self, *, rounding: bool = False) -> None:
        self.rounding = rounding

    def stream(
        self,
        pairs: Iterable[tuple[str, Any]],
        *,
        top_k: int = 1,
        threshold: Threshold = "reader",
        look_ahead: int = 2048,
        errors: str = "raise",
    ) -> Iterator[list[Answer] | Failure]:
        assert (threshold, errors) == ("reader", "return")
        run, index = iter(pairs), 0
        # The next part is read before the answers to this one come out.
        part, following = [list(islice(run, max(1, look_ahead // 2))) for _ in range(2)]
        while part:
            neighbours = hashlib.sha256(repr(part).encode()).digest()[0] / 1024 if self.rounding else 0.0
            for question, context in part:
                if question == UNANSWERABLE:
                    yield Failure(index, ValueError(f"pair {index}: it cannot be answered"))
                else:
                    answers = [scripted_answer(question, context, rank) for rank in range(top_k)]
                    yield [replace(answer, score=answer.score + neighbours) for answer in answers]
                index += 1
            part, following = following, list(islice(run, max(1, look_ahead // 2)))


def scripted_answer(question: str, context: str, rank: int = 0) -> Answer:
    digest = hashlib.sha256(f"{question}\0{context}\0{rank}".encode()).digest()
    start = digest[0] % len(context)
    text = context[start : start + 3]
    byte_start = len(context[:start].encode())
    byte_end = byte_start + len(text.encode())
    score = int.from_bytes(digest[1:3], "big") / 1024
    return Answer(text, start, start + len(text), byte_start, byte_end, digest[3] / 256, score, -1.5, 0.25)


def write_json_lines(path: Path, rows: int) -> None:
    """Rows of which every seventh is bad and every eleventh cannot be answered."""
    with path.open("wb") as file:
        for row in range(rows):
            question = UNANSWERABLE if row % 11 == 3 else f"question {row}?"
            line = json.dumps({"id": row, "question": question, "context": f"context 東京 {row}"})
            file.write(b"\xff\n" if row % 7 == 5 else f"{line}\n".encode())


def read(path: Path, form: str, columns: Columns | None = None, **options: Any) -> list[Record | Rejected]:
    """All rows of a file."""
    return list(open_rows(path, form, columns or Columns(), **options))


def output_row(record: Record, answers: list[Answer]) -> dict[str, Any]:
    """A row of an output, as writers get it."""
    return dict(json.loads(answers_line(record, answers)))


def reasons(rows: list[Record | Rejected]) -> list[tuple[int, str, str]]:
    return [(row.row, row.place, row.reason) for row in rows if isinstance(row, Rejected)]


def write_table(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    pq.write_table(pa.table(columns), path, **options)
    return path
