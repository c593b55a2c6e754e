"""MRQA's JSON Lines, plain and compressed."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from spanjet.evaluate import load_mrqa, load_squad

HEADER = {"header": {"dataset": "SQuAD", "split": "dev"}}
CONTEXT = "The footbridge was built in 1903 by Clara Höß. 🌉 It is green."


def qa(name: str, **other: Any) -> dict[str, Any]:
    return {"qid": name, "question": f"{name}?", "question_tokens": [], **other}


def line(*questions: dict[str, Any]) -> dict[str, Any]:
    return {"id": "", "context": CONTEXT, "context_tokens": [], "qas": list(questions)}


LINES = [
    HEADER,
    line(
        qa(
            "both",
            answers=["in 1903", "1903", "1903"],
            detected_answers=[{"text": "x", "char_spans": [[0, 2]]}],
        ),
        qa("spans", answers=[], detected_answers=[{"text": "?", "char_spans": [[55, 59], [36, 44]]}]),
    ),
    line(qa("only", detected_answers=[{"text": "green", "char_spans": [[55, 59]]}])),
]


def write(path: Path, lines: list[Any]) -> Path:
    content = "\n".join(json.dumps(each, ensure_ascii=False) for each in lines).encode() + b"\n\n"
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["dev.jsonl", "dev.jsonl.gz"])
def test_reads(tmp_path: Path, name: str) -> None:
    dataset = load_squad(write(tmp_path / name, LINES))
    assert dataset.version == "1.1"
    assert [question.id for question in dataset.questions] == ["both", "spans", "only"]
    assert [question.question for question in dataset.questions] == ["both?", "spans?", "only?"]
    # The reference answers are those of ``answers``; both ends of a span are inclusive.
    assert [question.answers for question in dataset.questions] == [
        ("in 1903", "1903"),
        ("green", "Clara Höß"),
        ("green",),
    ]
    assert {question.context for question in dataset.questions} == {CONTEXT}
    assert {question.article for question in dataset.questions} == {""}
    assert dataset.articles == {}
    assert load_mrqa(tmp_path / name) == dataset


def test_without_a_header(tmp_path: Path) -> None:
    assert len(load_mrqa(write(tmp_path / "x.jsonl", LINES[1:]))) == 3


def test_questions_without_an_answer(tmp_path: Path) -> None:
    dataset = load_mrqa(
        write(tmp_path / "x.jsonl", [*LINES, line(qa("none", answers=[], detected_answers=[]))])
    )
    assert dataset.version == "2.0"
    assert dataset.questions[-1].answers == ()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([HEADER], "holds no questions"),
        ([HEADER, 3], "line 2: expected an object, found a number"),
        ([HEADER, {"qas": []}], "line 2: key 'context' is missing"),
        ([HEADER, line({"qid": "a", "question": "?"})], r"line 2\.qas\[0\]: key 'answers' is missing"),
        ([HEADER, line({"qid": "a", "answers": ["x"]})], r"line 2\.qas\[0\]: key 'question' is missing"),
        ([HEADER, line(qa("a", question=" "))], r"line 2\.qas\[0\]\.question: empty, expected some text"),
        (
            [HEADER, line(qa("a", answers=[3]))],
            r"line 2\.qas\[0\]\.answers\[0\]: expected a string, found a number",
        ),
        ([*LINES, line(qa("both", answers=["x"]))], "line 4: qid 'both' is there a second time"),
        (
            [HEADER, line(qa("a", detected_answers=[{"char_spans": [[3, 2]]}]))],
            r"char_spans\[0\]: \[3, 2\]; expected first and last character of a span of .*, which has 61",
        ),
        (
            [HEADER, line(qa("a", detected_answers=[{"char_spans": [[0, 61]]}]))],
            r"char_spans\[0\]: \[0, 61\]",
        ),
        (
            [HEADER, line(qa("a", detected_answers=[{"char_spans": [["0", 1]]}]))],
            r"char_spans\[0\]: \['0', 1\]",
        ),
        (
            [HEADER, line(qa("a", detected_answers=[{"char_spans": [[0]]}]))],
            r"char_spans\[0\]: \[0\]; expected",
        ),
    ],
)
def test_refuses(tmp_path: Path, lines: list[Any], message: str) -> None:
    path = write(tmp_path / "dev.jsonl", lines)
    with pytest.raises(ValueError, match=rf"dev\.jsonl: .*{message}"):
        load_mrqa(path)


def test_refuses_what_is_not_json_or_not_gzip(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"header": {}}\n{"context"\n')
    with pytest.raises(ValueError, match=r"x\.jsonl: line 2: not JSON"):
        load_mrqa(tmp_path / "x.jsonl")
    whole = gzip.compress(b'{"header": {}}\n' * 100)
    for content in (b"{}", whole[:-9], whole[:20] + b"\xff\xff" + whole[22:]):
        (tmp_path / "x.jsonl.gz").write_bytes(content)
        with pytest.raises(ValueError, match=r"x\.jsonl\.gz: not a gzip file"):
            load_mrqa(tmp_path / "x.jsonl.gz")
