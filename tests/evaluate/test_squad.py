"""Scores equal to those of the official scripts.

The expected scores were computed with the data set's evaluate-v1.1.py and evaluate-v2.0.py.
"""

import random
from pathlib import Path
from typing import Any

import pytest
import toy_model
from spanjet.evaluate import (
    Question,
    SquadDataset,
    best_f1,
    exact_match,
    load_squad,
    score,
)

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


def test_a_question_of_v1_without_references() -> None:
    with pytest.raises(ValueError, match=r"^question 'a' has no reference answer; expected one in v1\.1$"):
        score(one(), {"a": "x"})
    assert score(one(version="2.0"), {"a": ""}).f1 == 100


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
    assert (exact_match(found), best_f1(found)) == (50, 80)


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
    assert (exact_match(found), best_f1(found)) == (5, 5)


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
