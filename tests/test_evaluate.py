"""SQuAD's files, a reader's answers to them, and scores equal to those of the official scripts.

The expected scores were computed with the data set's evaluate-v1.1.py and evaluate-v2.0.py.
"""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import toy_model
from spanjet import DecodeConfig, Reader, RuntimeConfig, WindowConfig
from spanjet.checkpoint import LoadedModel
from spanjet.evaluate import (
    Question,
    SquadDataset,
    evaluate,
    exact_match,
    load_squad,
    measure_confidence,
    score,
    squad_v2_predictions,
)

# Few of the questions' tokens fit into windows of the toy model.
pytestmark = pytest.mark.filterwarnings("ignore::spanjet.pipeline.QuestionCut")

Change = Callable[[Any], Any]
ANSWERS = {
    "bridge-1": "in 1903.",
    "bridge-2": "engineer Clara",
    "bridge-3": "120 metres",
    "ferry-1": "The twelve",
    "ferry-2": "",
    "ferry-3": "six in the morning",
}
NO_ANSWER = {
    "bridge-1": 0.1,
    "bridge-2": 0.3,
    "bridge-3": 0.8,
    "ferry-1": 0.2,
    "ferry-2": 0.9,
    "ferry-3": 0.6,
}


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
    """The names and numbers are those that evaluate-v2.0.py prints."""
    found = score(squad2, ANSWERS, NO_ANSWER).as_dict()
    assert found == {
        "exact": 50,
        "f1": 63.333333333333336,
        "total": 6,
        "HasAns_exact": 50,
        "HasAns_f1": 70,
        "HasAns_total": 4,
        "NoAns_exact": 50,
        "NoAns_f1": 50,
        "NoAns_total": 2,
        "best_exact": 66.66666666666667,
        "best_exact_thresh": 0.2,
        "best_f1": 80,
        "best_f1_thresh": 0.3,
    }
    assert exact_match(found) == 50


def best_of_all(
    dataset: SquadDataset, spans: dict[str, str], no_answer: dict[str, float]
) -> tuple[float, float]:
    """Exact match and F1 at the best of all thresholds, by trying each: the scripts search in one pass."""
    tried = []
    for threshold in (-1.0, *no_answer.values()):
        answers = {name: "" if no_answer[name] > threshold else span for name, span in spans.items()}
        found = score(dataset, answers)
        tried.append((found.exact_match, found.f1))
    return max(exact for exact, _ in tried), max(f1 for _, f1 in tried)


@pytest.mark.parametrize("seed", range(100))
def test_the_best_threshold_is_the_best_of_all(seed: int) -> None:
    generator = random.Random(seed)
    questions, spans, no_answer = [], {}, {}
    for index in range(generator.randrange(2, 40)):
        name = str(index)
        known = index > 0 and generator.random() > seed % 5 / 5
        answer = " ".join(generator.choices(toy_model.WORDS, k=3))
        questions.append(Question(id=name, question="?", context="", answers=(answer,) if known else ()))
        spans[name] = answer if generator.random() < 0.7 else generator.choice(toy_model.WORDS)
        no_answer[name] = generator.betavariate(2, 3) if known else generator.betavariate(3, 2)
    dataset = SquadDataset(version="2.0", questions=tuple(questions))
    found = score(dataset, spans, no_answer)
    assert (found.best_exact_match, found.best_f1) == pytest.approx(best_of_all(dataset, spans, no_answer))
    threshold = found.best_f1_threshold
    assert threshold is not None
    answers = {name: "" if no_answer[name] > threshold else span for name, span in spans.items()}
    assert score(dataset, answers).f1 == pytest.approx(found.best_f1)


def test_names_of_v1(squad1: SquadDataset) -> None:
    """Those of evaluate-v1.1.py, and the number of questions."""
    found = score(squad1, {squad1.questions[0].id: squad1.questions[0].answers[0]}).as_dict()
    assert found == {"exact_match": 5, "f1": 5, "total": 20}
    assert exact_match(found) == 5


def test_what_v2_does_not_count(squad2: SquadDataset) -> None:
    found = score(squad2, {"bridge-1": "1903"})
    assert found.as_dict() == {
        "exact": 100,
        "f1": 100,
        "total": 1,
        "HasAns_exact": 100,
        "HasAns_f1": 100,
        "HasAns_total": 1,
    }
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
    assert list(found.spans.values()) == [answer.text for (answer,) in answers]
    assert list(found.confidence.values()) == [answer.score for (answer,) in answers]
    assert list(found.no_answer.values()) == [answer.no_answer for (answer,) in answers]
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


def refusable(dataset: SquadDataset) -> SquadDataset:
    """The same; the toy model knows which questions have no answer."""
    questions = [
        question if question.answers else replace(question, question="nobody?")
        for question in dataset.questions
    ]
    return replace(dataset, questions=tuple(questions))


def test_evaluate_with_a_threshold(toy: LoadedModel, wide_reader: Reader, squad2: SquadDataset) -> None:
    dataset = refusable(squad2)
    reader = Reader(toy, windows=wide_reader.windows, runtime=wide_reader.runtime, threshold=0.5)
    found = evaluate(reader, dataset)
    assert found.scores.no_answer is not None
    assert found.scores.no_answer.f1 == 100
    assert {key for key, probability in found.no_answer.items() if probability > 0.5} == {
        "bridge-3",
        "ferry-2",
    }
    assert {key for key, text in found.predictions.items() if text == ""} == {"bridge-3", "ferry-2"}
    # The spans and all that is said of them do not depend on the threshold.
    always = evaluate(reader, dataset, threshold=None)
    assert (always.spans, always.confidence, always.no_answer) == (
        found.spans,
        found.confidence,
        found.no_answer,
    )
    assert always.predictions == always.spans
    assert "" not in always.spans.values()
    assert always.scores.best_f1 == found.scores.best_f1
    strict = evaluate(reader, dataset, threshold=1.0)
    assert set(strict.predictions.values()) == {""}


def test_who_always_gets_a_span(toy: LoadedModel, wide_reader: Reader, squad2: SquadDataset) -> None:
    """v1.1 files and mode squad, unless a threshold is given."""
    options: dict[str, Any] = {"windows": wide_reader.windows, "runtime": wide_reader.runtime}
    reader = Reader(toy, threshold=1.0, **options)
    v1 = replace(squad2, version="1.1", questions=tuple(q for q in squad2.questions if q.answers))
    assert "" not in evaluate(reader, v1).predictions.values()
    assert set(evaluate(reader, v1, threshold=1.0).predictions.values()) == {""}
    squad = Reader(toy, threshold=1.0, decode=DecodeConfig(mode="squad"), **options)
    assert "" not in evaluate(squad, squad2).predictions.values()
    assert set(evaluate(squad, squad2, threshold=1.0).predictions.values()) == {""}


def test_predictions_for_hugging_face(wide_reader: Reader, squad2: SquadDataset) -> None:
    found = evaluate(wide_reader, squad2)
    assert squad_v2_predictions(found) == [
        {
            "id": question.id,
            "prediction_text": found.predictions[question.id],
            "no_answer_probability": found.no_answer[question.id],
        }
        for question in squad2.questions
    ]


def test_confidence_of_an_evaluation(wide_reader: Reader, squad2: SquadDataset) -> None:
    """A question without an answer is wrong whatever the span is; the threshold does not count."""
    dataset = refusable(squad2)
    found = evaluate(wide_reader, dataset, threshold=0.5)
    spans = found.spans
    # One right answer, one that is partly right, one "answer" to a question that has none.
    questions = tuple(
        replace(question, answers=(spans[question.id],))
        if question.id == "bridge-1"
        else replace(question, answers=(f"{spans[question.id]} zzz",))
        if question.id == "ferry-1"
        else question
        for question in dataset.questions
    )
    confidence = measure_confidence(replace(dataset, questions=questions), found)
    assert confidence.exact.at(1.0) == pytest.approx(1 / 6)
    assert confidence.f1.at(1.0) > confidence.exact.at(1.0)
    events = [question.id == "bridge-1" for question in questions]
    scores = [found.confidence[question.id] for question in questions]
    assert confidence.brier == pytest.approx(
        sum((a - b) ** 2 for a, b in zip(scores, events, strict=True)) / 6
    )
    assert confidence.bins.count.tolist() == [1] * 6
    assert confidence.auc == 1.0
    shown = confidence.as_dict()
    assert list(shown) == ["ece", "brier", "auc", "aurc", "exact_at_coverage", "f1_at_coverage"]
    assert list(shown["exact_at_coverage"]) == ["25%", "50%", "75%", "100%"]
    assert shown["exact_at_coverage"]["100%"] == pytest.approx(100 / 6)
    # Even a span that the official script takes for no answer.
    article = replace(found, spans=dict.fromkeys(found.spans, "the"))
    assert measure_confidence(dataset, article).exact.at(1.0) == 0
    answerable = replace(dataset, questions=tuple(q for q in dataset.questions if q.answers))
    assert "auc" not in measure_confidence(answerable, found).as_dict()
