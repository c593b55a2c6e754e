"""`answer_file`: a resumable job, from Python."""

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from job_inputs import write_table
from spanjet import DecodeConfig, Reader, RuntimeConfig, WindowConfig
from spanjet.files import READERS, WRITERS, Columns, JobResult, Record, answer_file
from spanjet.model import Model

TEXT = "the king built the tower of the old city"
QUESTIONS = ["who built the tower?", "what did the king build?", "where is the tower?"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    rows = [{"id": index, "question": text, "context": TEXT} for index, text in enumerate(QUESTIONS)]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def expected(reader: Reader, top_k: int = 1) -> list[dict[str, Any]]:
    found = reader.ask_many(QUESTIONS, TEXT, top_k=top_k)
    return [
        {"row": index, "id": index, "question": text, "answers": [answer.as_dict() for answer in answers]}
        for index, (text, answers) in enumerate(zip(QUESTIONS, found, strict=True))
    ]


def test_a_result(reader: Reader, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    source.write_bytes(source.read_bytes() + b"{\n")
    calls: list[tuple[int, int | None]] = []
    found = answer_file(source, out, reader=reader, progress=lambda *call: calls.append(call))
    assert rows_of(out) == expected(reader)
    assert calls == [(done, 4) for done in range(5)]
    rejected_out = tmp_path / "out.jsonl.rejected.jsonl"
    assert rows_of(rejected_out)[0]["place"] == "line 4"
    assert (found.out, found.rejected_out, found.resumed) == (out, rejected_out, 0)
    assert (found.rows, found.answered, found.rejected) == (4, 3, 1)
    assert found.questions_per_second == 4 / found.seconds
    assert repr(replace(found, seconds=1.25, out=Path("out.jsonl"))) == (
        "JobResult(3 answered, 1 rejected, to 'out.jsonl', 1.2 s)"
    )
    again = answer_file(str(source), str(out), reader=reader, resume=True)
    assert (again.rows, again.resumed, again.rejected_out) == (4, 4, rejected_out)
    assert ", resumed at row 4, " in repr(again)


def test_formats_in_and_out(reader: Reader, source: Path, tmp_path: Path) -> None:
    """The same answers, whatever they are read from and written to."""
    answer_file(source, tmp_path / "out.csv", reader=reader, top_k=2)
    answer_file(source, tmp_path / "out", reader=reader, top_k=2, out_format="tsv")
    answer_file(source, tmp_path / "out.parquet", reader=reader, top_k=2)
    rows = expected(reader, 2)
    flat = [
        [str(row["row"]), str(row["id"]), row["question"], str(rank), *map(str, answer.values()), ""]
        for row in rows
        for rank, answer in enumerate(row["answers"], start=1)
    ]
    for name, delimiter in (("out.csv", ","), ("out", "\t")):
        with (tmp_path / name).open(encoding="utf-8", newline="") as file:
            header, *found = csv.reader(file, delimiter=delimiter)
        assert header[:5] == ["row", "id", "question", "rank", "text"]
        assert found == flat
    assert [row["question"] for row in pq.read_table(tmp_path / "out.parquet").to_pylist()] == QUESTIONS
    columns = {"q": QUESTIONS, "c": [TEXT] * 3, "key": ["a", "b", "c"]}
    table = write_table(tmp_path / "table", columns)
    names = {"question": "q", "context": "c", "id": "key", "format": "parquet"}
    answer_file(table, tmp_path / "out.jsonl", reader=reader, top_k=2, **names)  # type: ignore[arg-type]
    found_rows = rows_of(tmp_path / "out.jsonl")
    assert found_rows == [{**row, "id": key} for row, key in zip(rows, "abc", strict=True)]


class TextLines:
    """Rows of a format that spanjet does not have: a question a line."""

    def __init__(self, path: Path, _: Columns) -> None:
        self.path = path

    def count(self) -> int:
        return len(self.path.read_text().splitlines())

    def __iter__(self) -> Iterator[Record]:
        for row, line in enumerate(self.path.read_text().splitlines()):
            yield Record(row, f"line {row + 1}", None, line, TEXT)


def write_texts(rows: Iterable[dict[str, Any]], path: Path) -> None:
    path.write_text("".join(f"{row['answers'][0]['text']}\n" for row in rows))


def test_a_format_is_a_line_in_a_registry(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(READERS, "txt", TextLines)
    monkeypatch.setitem(WRITERS, "txt", write_texts)
    (tmp_path / "in.txt").write_text("\n".join(QUESTIONS))
    answer_file(tmp_path / "in.txt", tmp_path / "out.txt", reader=reader)
    expected_texts = [row["answers"][0]["text"] for row in expected(reader)]
    assert (tmp_path / "out.txt").read_text().splitlines() == expected_texts


@pytest.mark.parametrize("prepared", [False, True])
def test_one_text(reader: Reader, tmp_path: Path, prepared: bool) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.jsonl"
    source.write_text("id;question\n" + "".join(f"{index};{text}\n" for index, text in enumerate(QUESTIONS)))
    text = reader.prepare(TEXT) if prepared else TEXT
    answer_file(source, out, reader=reader, text=text, delimiter=";")
    assert [row["answers"] for row in rows_of(out)] == [row["answers"] for row in expected(reader)]
    with pytest.raises(ValueError, match=r"belongs to a different run: text was '[0-9a-f]+, is '[0-9a-f]+$"):
        answer_file(source, out, reader=reader, text="the queen", delimiter=";", resume=True)
    with pytest.raises(ValueError, match=r"the text of all questions has no tokens"):
        answer_file(source, out, reader=reader, text="", delimiter=";", resume=True)


def test_threshold(reader: Reader, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    answer_file(source, out, reader=reader, threshold=1.0)
    assert all(row["answers"][0]["text"] == "" for row in rows_of(out))
    with pytest.raises(ValueError, match=r"belongs to a different run: threshold was 1\.0, is None"):
        answer_file(source, out, reader=reader, resume=True)
    with pytest.raises(ValueError, match=r"threshold is 2; expected"):
        answer_file(source, tmp_path / "other.jsonl", reader=reader, threshold=2)
    assert not (tmp_path / "other.jsonl.partial").exists()


def test_other_settings_are_not_resumed(toy: Model, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    runtime = RuntimeConfig(precision="f32", cache_dir=None)
    windows = WindowConfig(max_length=48, doc_stride=16)
    first = Reader(toy, window_config=windows, runtime_config=runtime)
    answer_file(source, out, reader=first)
    others: dict[str, dict[str, Any]] = {
        "windows.max_length was 48, is 40": {"window_config": WindowConfig(max_length=40, doc_stride=16)},
        "decode.max_answer_length was 30, is 5": {"decode_config": DecodeConfig(max_answer_length=5)},
        "precision was 'f32', is 'bf16'": {"runtime_config": replace(runtime, precision="bf16")},
        "int8 was None, is False": {"runtime_config": replace(runtime, int8=False)},
    }
    for message, options in others.items():
        reader = Reader(toy, **{"window_config": windows, "runtime_config": runtime, **options})
        with pytest.raises(ValueError, match=message):
            answer_file(source, out, reader=reader, resume=True)
    jobs: dict[str, dict[str, Any]] = {
        "top_k was 1, is 2": {"top_k": 2},
        "look_ahead was 2048, is 8": {"look_ahead": 8},
        "columns.question was 'question', is 'context'": {"question": "context"},
        "output was 'jsonl', is 'csv'": {"out_format": "csv"},
    }
    for message, options in jobs.items():
        with pytest.raises(ValueError, match=message):
            answer_file(source, out, reader=first, resume=True, **options)


def test_a_job_that_is_stopped(reader: Reader, source: Path, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole.csv", tmp_path / "out.csv"
    answer_file(source, whole, reader=reader, look_ahead=2)

    def stop(done: int, _: int | None) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=r"stopped after 2 rows"):
        answer_file(source, out, reader=reader, look_ahead=2, progress=stop)
    assert not out.exists()
    assert answer_file(source, out, reader=reader, look_ahead=2, resume=True).resumed == 2
    assert out.read_bytes() == whole.read_bytes()


def test_standard_streams(
    reader: Reader, source: Path, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    found = answer_file(source, "-", reader=reader)
    assert [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()] == expected(reader)
    assert (found.out, found.rejected_out, found.answered) == (None, None, 3)
    assert "to standard output" in repr(found)
    with pytest.raises(ValueError, match=r"standard output is written as JSON Lines only, not as csv"):
        answer_file(source, "-", reader=reader, out_format="csv")
    with pytest.raises(ValueError, match=r"format is 'squad'; expected jsonl, csv, tsv, parquet"):
        answer_file(source, tmp_path / "out", reader=reader, out_format="squad")
    assert isinstance(found, JobResult)
