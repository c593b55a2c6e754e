"""One parser of SQuAD's JSON, for answering and for evaluation: what both accept and what both refuse."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from job_inputs import read, reasons
from spanjet.cli import app
from spanjet.evaluate import Question, load_squad
from spanjet.files import Columns, Record, open_rows
from typer.testing import CliRunner

MODEL = Path(__file__).parents[1] / "golden" / "tiny-bert"
TEXT = "the tower"


def qa(**values: Any) -> dict[str, Any]:
    """A question, of which some values are replaced, and left out where they are `...`."""
    found = {"id": "a", "question": "who?", "answers": [{"text": "tower", "answer_start": 4}], **values}
    return {name: value for name, value in found.items() if value is not ...}


def squad(*questions: Any, context: Any = TEXT, **article: Any) -> dict[str, Any]:
    paragraph = {"context": context, "qas": list(questions)}
    return {"version": "1.1", "data": [{"title": "t", "paragraphs": [paragraph], **article}]}


Q = r"data\[0\]\.paragraphs\[0\]\.qas\[0\]"
# The content, or the root of a file, and what is wrong with it for both; None: nothing.
FILES: dict[str, tuple[Any, str | None]] = {
    "v1.1": (squad(qa()), None),
    "v2.0": (squad(qa(is_impossible=True, answers=[]), qa(id="b", is_impossible=False)), None),
    "impossible without answers": (squad(qa(is_impossible=True, answers=...)), None),
    "numeric id": (squad(qa(id=7)), None),
    "no id": (squad(qa(id=...), qa(id=None), qa()), None),
    "lists of answers": (squad(qa(answers={"text": ["tower", "the"], "answer_start": [4, 0]})), None),
    "empty lists of answers": (squad(qa(answers={"text": [], "answer_start": []})), None),
    "no title": ({"data": [{"paragraphs": squad(qa())["data"][0]["paragraphs"]}]}, None),
    "numeric title": (squad(qa(), title=3), None),
    "list as title": (squad(qa(), title=["t"]), None),
    "fractional id": (squad(qa(id=1.5), qa(id=float("nan"))), None),
    "list as id": (squad(qa(id=[1])), None),
    "UTF-16": (json.dumps(squad(qa())).encode("utf-16"), None),
    "indented": (json.dumps(squad(qa()), indent=1).encode(), None),
    "array of articles": (squad(qa())["data"], None),
    "array of rows": ([qa(context=TEXT), qa(id="b", context=TEXT, answers={"text": ["the"]})], None),
    "rows as data": ({"data": [qa(context=TEXT)]}, None),
    "one row": (qa(context=TEXT), None),
    "JSON Lines": (f"{json.dumps(qa(context=TEXT))}\n{json.dumps(qa(id=7, context=TEXT))}".encode(), None),
    "byte order mark": (b"\xef\xbb\xbf" + json.dumps(squad(qa())).encode(), None),
    "empty file": (b"", "not JSON: there is nothing but white space"),
    "no JSON": (b"{", "not JSON: Expecting property name"),
    "not UTF-8": (
        b'{"data": "\xff"}',
        "not UTF-8: 0xFF at byte 10; if it is Windows-1252, convert it: iconv",
    ),
    "nested deeply": (b"[" * 100_000, "not JSON that can be read: nested too deeply"),
    "an id nested deeply": (
        b'{"data": [{"paragraphs": [{"context": "c", "qas": [{"id": ' + b"[" * 100_000,
        "nested too deeply",
    ),
    "no object": (3, "the file: expected an object, found a number"),
    "element": ([3], r"\[0\]: expected an object, found a number"),
    "no data": ({}, "the file: key 'data' is missing"),
    "data is no array": ({"data": {}}, "data: expected an array, found an object"),
    "article": ({"data": [3]}, r"data\[0\]: expected an object, found a number"),
    "no paragraphs": ({"data": [{}]}, r"data\[0\]: key 'paragraphs' is missing"),
    "paragraph": ({"data": [{"paragraphs": [None]}]}, r"paragraphs\[0\]: expected an object, found null"),
    "context": (squad(qa(), context=5), r"paragraphs\[0\]\.context: expected a string, found a number"),
    "empty context": (squad(qa(), context=" "), r"paragraphs\[0\]\.context: empty, expected some text"),
    "qas": ({"data": [{"paragraphs": [{"context": "c"}]}]}, r"paragraphs\[0\]: key 'qas' is missing"),
    "question is no object": (squad("who?"), f"{Q}: expected an object, found a string"),
    "no question": (squad(qa(question=...)), f"{Q}: key 'question' is missing"),
    "null question": (squad(qa(question=None)), rf"{Q}\.question: expected a string, found null"),
    "empty question": (squad(qa(question="")), rf"{Q}\.question: empty, expected some text"),
    "surrogate": (squad(qa(question="a\ud800")), rf"{Q}\.question: not valid Unicode at character 1"),
}
# What is wrong for evaluation alone, as other questions do not depend on ids and answers.
REFERENCES: dict[str, tuple[Any, str]] = {
    "the same id": (squad(qa(id=7), qa(id="7")), rf"qas\[1\]\.id: '7' is also at {Q}"),
    "answers": (squad(qa(answers="tower")), rf"{Q}\.answers: expected an array, found a string"),
    "answer": (squad(qa(answers=[3])), rf"{Q}\.answers\[0\]: expected an object, found a number"),
    "answer's text": (squad(qa(answers=[{"text": 3}])), r"answers\[0\]\.text: expected a string, found a"),
    "list of answers": (squad(qa(answers={"text": [3]})), r"answers\.text\[0\]: expected a string, found a"),
}


def write(path: Path, content: Any) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing goes into the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.mark.parametrize("name", FILES)
def test_both_accept_the_same(tmp_path: Path, name: str) -> None:
    content, message = FILES[name]
    path = write(tmp_path / "in.json", content)

    def answer() -> None:
        for row in open_rows(path, "json", Columns()):
            if not isinstance(row, Record):
                raise ValueError(f"{path}: {row.place}: {row.reason}")

    if message is None:
        answer()
        load_squad(path)
        return
    for read_all in (answer, lambda: load_squad(path)):
        with pytest.raises(ValueError, match=rf"in\.json: .*{message}"):
            read_all()


COMMANDS = (
    "v2.0",
    "numeric id",
    "fractional id",
    "no id",
    "lists of answers",
    "array of rows",
    "JSON Lines",
    "UTF-16",
    "nested deeply",
    "not UTF-8",
)


@pytest.mark.parametrize("name", REFERENCES)
def test_answers_and_ids_matter_for_evaluation_alone(tmp_path: Path, name: str) -> None:
    content, message = REFERENCES[name]
    path = write(tmp_path / "in.json", content)
    assert all(isinstance(row, Record) for row in read(path, "json"))
    with pytest.raises(ValueError, match=rf"in\.json: .*{message}"):
        load_squad(path)


@pytest.mark.parametrize("name", COMMANDS)
def test_both_commands(tmp_path: Path, name: str) -> None:
    content, message = FILES[name]
    path = write(tmp_path / "in.json", content)
    for arguments in (["eval", path], ["answer", path, "--out", tmp_path / "out.jsonl", "--strict"]):
        result = CliRunner().invoke(app, [*map(str, arguments), "--model", str(MODEL)])
        assert result.exit_code == (0 if message is None else 2), result.stderr
        assert result.stderr.count("\n") == (0 if message is None else 1)


def test_a_question_without_answers_cannot_be_evaluated(tmp_path: Path) -> None:
    path = write(tmp_path / "in.json", squad(qa(), qa(id="b", answers=...)))
    assert [row.row for row in read(path, "squad") if isinstance(row, Record)] == [0, 1]
    with pytest.raises(
        ValueError, match=r"in\.json: data\[0\]\.paragraphs\[0\]\.qas\[1\]: key 'answers' is m"
    ):
        load_squad(path)


def test_no_questions(tmp_path: Path) -> None:
    path = write(tmp_path / "in.json", squad())
    assert read(path, "squad") == []
    with pytest.raises(ValueError, match=r"in\.json: holds no questions"):
        load_squad(path)


def test_rows_and_questions(tmp_path: Path) -> None:
    """Ids go to answers as they are; evaluation needs a string for each."""
    place = "data[0].paragraphs[0].qas"
    root = squad(qa(id=7, answers={"text": ["a", "b"]}), qa(id=..., answers=[], is_impossible=True))
    path = write(tmp_path / "in.json", root)
    assert read(path, "squad") == [
        Record(0, f"{place}[0]", 7, "who?", TEXT),
        Record(1, f"{place}[1]", None, "who?", TEXT),
    ]
    dataset = load_squad(path)
    assert dataset.version == "2.0"
    assert dataset.questions == (
        Question(id="7", question="who?", context=TEXT, answers=("a", "b"), article="t"),
        Question(id=f"{place}[1]", question="who?", context=TEXT, answers=(), article="t"),
    )
    assert load_squad(write(path, squad(qa()))).version == "1.1"


def test_bad_rows(tmp_path: Path) -> None:
    """A paragraph that cannot be read is one row."""
    root = squad(qa(), qa(id=3, question=3), 7, qa(id="b"))
    root["data"][0]["paragraphs"] += ["none", {"context": 5, "qas": [qa(id="c"), qa(id="d")]}]
    root["data"] += squad(qa(id="e"))["data"]
    path = write(tmp_path / "in.json", root)
    found = read(path, "squad")
    assert open_rows(path, "squad", Columns()).count() == len(found) == 7
    assert [(row.row, row.id) for row in found if isinstance(row, Record)] == [(0, "a"), (3, "b"), (6, "e")]
    place = "data[0].paragraphs"
    assert reasons(found) == [
        (1, f"{place}[0].qas[1].question", "expected a string, found a number"),
        (2, f"{place}[0].qas[2]", "expected an object, found a number"),
        (4, f"{place}[1]", "expected an object, found a string"),
        (5, f"{place}[2].context", "expected a string, found a number"),
    ]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.JSONL", "rows.ndjson", "rows.jsonl.gz", "rows.json"])
def test_rows_of_the_datasets_library(tmp_path: Path, name: str) -> None:
    rows = [qa(context=TEXT, title="t", answers={"text": ["tower"]}), qa(id="b", context="c", title=None)]
    content = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    dataset = load_squad(write(tmp_path / name, gzip.compress(content) if name.endswith("gz") else content))
    assert dataset.questions == (
        Question(id="a", question="who?", context=TEXT, answers=("tower",), article="t"),
        Question(id="b", question="who?", context="c", answers=("tower",), article=""),
    )
    assert dataset.articles == {"t": (TEXT,)}


def test_a_document_that_is_called_jsonl(tmp_path: Path) -> None:
    for content in (squad(qa()), [qa(context=TEXT)]):
        assert len(load_squad(write(tmp_path / "in.jsonl", content))) == 1


def test_articles_have_their_own_contexts(tmp_path: Path) -> None:
    path = write(tmp_path / "in.json", squad(qa()))
    with pytest.raises(ValueError, match=r"in\.json: the questions of a SQuAD file have their own contexts"):
        read(path, "json", Columns(context=None))
