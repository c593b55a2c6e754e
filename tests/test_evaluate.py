"""SQuAD: its files, and scores equal to those of the official scripts.

The expected scores were computed with the data set's evaluate-v1.1.py and evaluate-v2.0.py.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from spanjet import DecodeConfig, Reader, RuntimeConfig, WindowConfig
from spanjet.checkpoint import LoadedModel
from spanjet.evaluate import Question, SquadDataset, evaluate, load_squad, score

Change = Callable[[Any], Any]
ANSWERS = {
    "bridge-1": "in 1903.",
    "bridge-2": "engineer Clara",
    "bridge-3": "120 metres",
    "ferry-1": "The twelve",
    "ferry-2": "",
    "ferry-3": "six in the morning",
}
ODDS = {"bridge-1": -5.0, "bridge-2": -3.0, "bridge-3": 1.5, "ferry-1": -4.0, "ferry-2": 2.0, "ferry-3": 0.5}


@pytest.fixture(scope="module")
def squad1(data: Path) -> SquadDataset:
    return load_squad(data / "squad" / "v1.1.json")


@pytest.fixture(scope="module")
def squad2(data: Path) -> SquadDataset:
    return load_squad(data / "squad" / "v2.0.json")


def one(*answers: str, version: Any = "1.1") -> SquadDataset:
    """A data set of one question."""
    question = Question(id="a", question="?", context="", answers=answers)
    return SquadDataset(version=version, questions=(question,))


def test_reads_v1(squad1: SquadDataset) -> None:
    assert squad1.version == "1.1"
    assert len(squad1) == 20
    question = squad1.questions[8]
    assert question.id == "56cdcb2c62d2951400fa6830"
    assert question.question == "Which far away cities in other countries could feel the earthquake?"
    assert question.answers == ("Beijing and Shanghai",)
    assert "汶川大地震" in question.context


def test_reads_v2(squad2: SquadDataset) -> None:
    assert squad2.version == "2.0"
    assert [len(question.answers) for question in squad2.questions] == [2, 3, 0, 2, 0, 1]


def qa(root: Any) -> Any:
    """The first question of a file's content."""
    return root["data"][0]["paragraphs"][0]["qas"][0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda root: root["data"], "the file: expected an object, found list"),
        (lambda root: root.pop("data") and root, "the file: key 'data' is missing"),
        (lambda root: root | {"data": {}}, "data: expected an array, found dict"),
        (lambda root: root | {"data": [3]}, r"data\[0\]: expected an object, found int"),
        (lambda root: root | {"data": []}, "holds no questions"),
        (
            lambda root: root["data"][1]["paragraphs"][0].pop("context") and root,
            r"data\[1\]\.paragraphs\[0\]: key 'context' is missing",
        ),
        (
            lambda root: qa(root).update(question=None) or root,
            r"data\[0\]\.paragraphs\[0\]\.qas\[0\]\.question: expected a string, found null",
        ),
        (
            lambda root: qa(root).update(answers=[{"text": 1903}]) or root,
            r"data\[0\]\.paragraphs\[0\]\.qas\[0\]\.answers\[0\]\.text: expected a string, found int",
        ),
        (
            lambda root: qa(root).update(id="56e2419acd28a01900c67c28") or root,
            r"qas\[1\]\.id: '56e2419acd28a01900c67c28' is also at data\[0\]\.paragraphs\[0\]\.qas\[0\]",
        ),
    ],
)
def test_refuses_other_layouts(data: Path, tmp_path: Path, change: Change, message: str) -> None:
    root = change(json.loads((data / "squad" / "v1.1.json").read_bytes()))
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(root))
    with pytest.raises(ValueError, match=rf"changed\.json: .*{message}"):
        load_squad(path)


@pytest.mark.parametrize("content", [b"", b"{", b'{"data": "\xff"}'])
def test_refuses_what_is_not_json(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.json: not a JSON file"):
        load_squad(tmp_path / "x.json")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_squad(tmp_path / "nowhere.json")


@pytest.mark.parametrize(
    ("prediction", "answers", "exact_match", "f1"),
    [
        ("The  Broncos!", ("broncos",), 100, 100),
        ("a an the", ("",), 100, 0),
        ("theatre", ("tre",), 0, 0),
        ("can't", ("cant",), 100, 100),
        ("e-mail", ("e mail",), 0, 0),
        ("Ångström", ("ångström",), 100, 100),
        ("«word»", ("word",), 0, 0),
        ("one two two", ("two two three",), 0, 100 * 2 / 3),
        ("one", ("two", "one three", "one"), 100, 100),
        ("", ("one",), 0, 0),
    ],
)
def test_normalisation(prediction: str, answers: tuple[str, ...], exact_match: float, f1: float) -> None:
    found = score(one(*answers), {"a": prediction})
    assert found.exact_match == exact_match
    assert found.f1 == pytest.approx(f1)


@pytest.mark.parametrize(
    ("prediction", "answers", "right"),
    [("", (), True), ("the", (), True), ("one", (), False), ("", ("the",), True), ("", ("one",), False)],
)
def test_no_answer(prediction: str, answers: tuple[str, ...], right: bool) -> None:
    found = score(one(*answers, version="2.0"), {"a": prediction})
    assert (found.exact_match, found.f1) == (100 * right, 100 * right)


def test_scores_of_v1(squad1: SquadDataset) -> None:
    """Right, partly right, wrong, and not predicted, which counts as wrong."""
    predictions = {question.id: question.answers[0].upper() for question in squad1.questions[:10]}
    predictions[squad1.questions[10].id] = "some months after"
    predictions[squad1.questions[11].id] = "Sichuan"
    found = score(squad1, predictions)
    assert found.exact_match == 50
    assert found.f1 == pytest.approx(54)
    assert found.total == 20
    assert (found.has_answer, found.no_answer, found.best_f1) == (None, None, None)


def test_scores_of_v2(squad2: SquadDataset) -> None:
    found = score(squad2, ANSWERS, ODDS)
    assert (found.exact_match, found.f1, found.total) == (50, 63.333333333333336, 6)
    assert found.has_answer is not None
    assert found.no_answer is not None
    assert (found.has_answer.exact_match, found.has_answer.f1, found.has_answer.total) == (50, 70, 4)
    assert (found.no_answer.exact_match, found.no_answer.f1, found.no_answer.total) == (50, 50, 2)
    assert (found.best_exact_match, found.best_exact_match_threshold) == (66.66666666666667, -4)
    assert (found.best_f1, found.best_f1_threshold) == (80, -3)


def test_what_v2_does_not_count(squad2: SquadDataset) -> None:
    found = score(squad2, {"bridge-1": "1903"})
    assert (found.exact_match, found.total, found.no_answer) == (100, 1, None)
    assert found.best_f1 is None
    with pytest.raises(ValueError, match="no question of the data set has a prediction"):
        score(squad2, {"other": "1903"})


@pytest.fixture(scope="module")
def wide_reader(toy: LoadedModel) -> Reader:
    """Fits the contexts' many tokens under the toy vocabulary."""
    runtime = RuntimeConfig(precision="f32", cache_dir=None)
    return Reader(toy, windows=WindowConfig(max_length=80, max_question_length=30), runtime=runtime)


def test_evaluate(wide_reader: Reader, squad1: SquadDataset) -> None:
    calls: list[tuple[int, int]] = []
    found = evaluate(wide_reader, squad1, progress=lambda done, total: calls.append((done, total)))
    questions = [question.question for question in squad1.questions]
    answers = wide_reader.ask_many(questions, [question.context for question in squad1.questions])
    assert list(found.predictions.values()) == [answer.text for (answer,) in answers]
    assert list(found.null_odds.values()) == [answer.null_score - answer.score for (answer,) in answers]
    assert list(found.predictions) == [question.id for question in squad1.questions]
    assert found.scores == score(squad1, found.predictions)
    assert calls == [(done, 20) for done in range(21)]
    assert found.questions_per_second == 20 / found.seconds > 0


def test_evaluate_a_part(wide_reader: Reader, squad1: SquadDataset) -> None:
    found = evaluate(wide_reader, squad1, limit=3)
    assert list(found.predictions) == [question.id for question in squad1.questions[:3]]
    assert found.scores.total == 3
    with pytest.raises(ValueError, match="limit is 0; expected at least 1"):
        evaluate(wide_reader, squad1, limit=0)


def test_evaluate_with_a_null_threshold(toy: LoadedModel, wide_reader: Reader, squad2: SquadDataset) -> None:
    unanswerable = tuple(
        question if question.answers else replace(question, question="nobody?")
        for question in squad2.questions
    )
    dataset = replace(squad2, questions=unanswerable)
    decode = DecodeConfig(null_threshold=0)
    reader = Reader(toy, windows=wide_reader.windows, runtime=wide_reader.runtime, decode=decode)
    found = evaluate(reader, dataset)
    assert found.scores.no_answer is not None
    assert found.scores.no_answer.f1 == 100
    assert {key for key, odds in found.null_odds.items() if odds > 0} == {"bridge-3", "ferry-2"}
    assert found.null_odds == evaluate(wide_reader, dataset).null_odds
