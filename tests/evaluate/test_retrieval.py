"""Passages and whole articles, with a reader whose answers are written down."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import toy_model
from spanjet import DecodeConfig, Reader, RuntimeConfig, WindowConfig
from spanjet.evaluate import Question, SquadDataset, evaluate_articles, evaluate_passages
from spanjet.evaluate.retrieval import choose_passages, holds_reference
from spanjet.model import Model

LETTERS = "abcdefgh"


def paragraph(article: str, number: int) -> str:
    return f"{article} {LETTERS[number]} text {number}"


def made_up(*, articles: int = 3, paragraphs: int = 6, version: Any = "1.1") -> SquadDataset:
    """Two questions to each paragraph; the answer is its number, which no other paragraph has."""
    texts = {
        f"A{index}": tuple(paragraph(f"A{index}", number) for number in range(paragraphs))
        for index in range(articles)
    }
    questions = [
        Question(
            id=f"{title}-{number}-{part}",
            question=f"{title} {number}?",
            context=text,
            answers=(str(number),),
            article=title,
        )
        for title, found in texts.items()
        for number, text in enumerate(found)
        for part in range(2)
    ]
    return SquadDataset(version=version, questions=tuple(questions), articles=texts)


@dataclass
class Script:
    """Answers with a context's last word; the score is 0.9 where that is asked for, else 0.2."""

    prepared: list[str]
    asked: list[tuple[str, str]]
    surest: str = ""
    first: None = None

    def prepare(self, text: str) -> Any:
        self.prepared.append(text)
        return SimpleNamespace(text=text)

    def stream(
        self, pairs: Iterable[tuple[str, Any]], *, threshold: None, top_k: int = 1, errors: str
    ) -> Iterator[list[Any]]:
        assert (threshold, top_k, errors) == (None, 1, "return")
        for question, document in pairs:
            self.asked.append((question, document.text))
            number = question.split()[1].rstrip("?")
            words = document.text.split()
            found = number if number in words else words[-1]
            score = 0.9 if number in words else 0.2
            if self.surest and self.surest in words:
                score = 0.95
            yield [SimpleNamespace(text=found, score=score, margin=score, no_answer=0.05, is_null=False)]


@pytest.fixture
def script() -> Any:
    return Script([], [])


def test_passages_are_of_the_article_and_all_different() -> None:
    dataset = made_up()
    cases = choose_passages(dataset, 4, seed=1)
    assert [case.question for case in cases] == list(dataset.questions)
    for case in cases:
        assert len(set(case.passages)) == 4
        assert set(case.passages) <= set(dataset.articles[case.question.article])
        assert case.passages[case.right] == case.question.context
    assert {case.right for case in cases} == {0, 1, 2, 3}
    assert choose_passages(dataset, 4, seed=1) == cases
    assert choose_passages(dataset, 4, seed=2) != cases


def test_a_sample_keeps_passages_and_order() -> None:
    dataset = made_up()
    cases = choose_passages(dataset, 3, seed=5)
    some = choose_passages(dataset, 3, seed=5, limit=10)
    assert len(some) == 10
    places = [cases.index(case) for case in some]
    assert places == sorted(places)
    assert places != list(range(10))
    other = choose_passages(dataset, 3, seed=6, limit=10)
    assert [case.question for case in other] != [case.question for case in some]
    assert len(choose_passages(dataset, 3, limit=10**6)) == 36


def test_who_is_eligible() -> None:
    dataset = made_up(version="2.0")
    questions = [replace(dataset.questions[0], answers=()), *dataset.questions[1:]]
    short = {**dataset.articles, "A1": dataset.articles["A1"][:3]}
    dataset = replace(dataset, questions=tuple(questions), articles=short)
    found = [case.question.id for case in choose_passages(dataset, 4)]
    assert found == [q.id for q in questions[1:] if q.article != "A1"]
    with pytest.raises(ValueError, match="no question has an answer and an article of at least 7 paragraphs"):
        choose_passages(dataset, 7)
    with pytest.raises(ValueError, match="passages is 1; expected at least 2"):
        choose_passages(dataset, 1)
    with pytest.raises(ValueError, match="limit is 0; expected at least 1"):
        choose_passages(dataset, 2, limit=0)


@pytest.mark.parametrize(
    ("text", "answers", "expected"),
    [
        ("It was built in 1903.", ("1904", "1903"), True),
        ("It was built in 19035.", ("1903",), False),
        ("The Royal, Albert Hall", ("royal albert hall",), True),
        ("the cat", ("the",), False),
        ("no", (), False),
    ],
)
def test_holds_reference(text: str, answers: tuple[str, ...], expected: bool) -> None:
    question = Question(id="q", question="?", context="", answers=answers)
    assert holds_reference(text, question) == expected


def test_the_right_passage_wins(script: Any) -> None:
    steps: list[tuple[int, int | None]] = []
    dataset = made_up()
    found = evaluate_passages(
        script, dataset, passages=3, on_step=lambda done, total: steps.append((done, total))
    )
    assert (found.total, found.passages, found.right_passage) == (36, 3, 100)
    assert (found.exact, found.f1, found.reference_elsewhere) == (100, 100, 0)
    assert found.confidence.bins.error == pytest.approx(0.1)
    assert found.confidence.brier == pytest.approx(0.01)
    assert found.confidence.auc is None
    assert steps == [(done, 36) for done in range(37)]
    assert len(script.asked) == 3 * 36
    assert len(script.prepared) == len(set(script.prepared)) == 18


def test_an_answer_from_elsewhere_is_wrong(script: Any) -> None:
    """Another passage has the reference answer, and is surer of it."""
    dataset = made_up()
    # Every text holds the number 0; paragraph "b" is the surest of all.
    texts = {title: tuple(f"0 {text}" for text in found) for title, found in dataset.articles.items()}
    questions = tuple(
        replace(question, context=f"0 {question.context}")
        for question in dataset.questions
        if question.answers == ("0",)
    )
    dataset = replace(dataset, questions=questions, articles=texts)
    script.surest = "b"
    found = evaluate_passages(script, dataset, passages=6)
    assert (found.right_passage, found.exact, found.f1, found.reference_elsewhere) == (0, 100, 100, 100)
    # The event is an exact match from the right passage.
    assert found.confidence.exact.at(1.0) == 0
    assert found.confidence.bins.error == pytest.approx(0.95)
    assert found.as_dict()["right_passage"] == 0


def test_best_of_passages_by_margin(script: Any) -> None:
    script.surest = "c"
    found = evaluate_passages(script, made_up(), passages=6)
    assert found.right_passage == pytest.approx(100 / 6)
    assert found.exact == pytest.approx(100 / 6)


@pytest.mark.parametrize("slope", [0.05, 1.5])
def test_the_ranking_is_that_of_search(toy: Model, exact: RuntimeConfig, slope: float) -> None:
    """Also where many scores are equal, as those that are nearly 1."""
    calibration = {"slope": slope, "intercept": -0.5, "temperature": 0.01, "threshold": 0.99}
    windows = WindowConfig(max_length=48, doc_stride=16)
    model = replace(toy, card={"calibration": calibration})
    reader = Reader(model, window_config=windows, runtime_config=exact)
    generator = random.Random(3)
    texts = tuple(toy_model.random_text(generator, generator.choice([3, 10, 60])) for _ in range(24))
    questions = tuple(
        Question(id=str(index), question="who built it?", context=text, answers=("x",), article="A")
        for index, text in enumerate(texts)
    )
    dataset = SquadDataset(version="1.1", questions=questions, articles={"A": texts})
    cases = choose_passages(dataset, 5)
    best = [
        reader.search(case.question.question, case.passages, top_k=1, threshold=None)[0] for case in cases
    ]
    right = [answer.passage == case.right for answer, case in zip(best, cases, strict=True)]
    answers = tuple(
        replace(question, answers=(answer.text,)) for question, answer in zip(questions, best, strict=True)
    )
    found = evaluate_passages(reader, replace(dataset, questions=answers), passages=5)
    assert found.exact == 100
    assert found.right_passage == pytest.approx(100 * sum(right) / len(right))
    assert 0 < sum(right) < len(right)
    assert found.confidence.bins.confidence.mean() == pytest.approx(
        np.mean([answer.score for answer in best]), abs=0.02
    )


def test_whole_articles(script: Any) -> None:
    dataset = made_up()
    found = evaluate_articles(script, dataset)
    assert script.prepared == ["\n\n".join(dataset.articles[title]) for title in ("A0", "A1", "A2")]
    assert script.asked == [
        (question.question, "\n\n".join(dataset.articles[question.article])) for question in dataset.questions
    ]
    assert (found.total, found.exact, found.f1) == (36, 100, 100)
    shown = found.as_dict()
    assert not {"passages", "right_passage", "reference_elsewhere"} & set(shown)
    assert shown["questions_per_second"] == 36 / shown["seconds"] > 0


def test_a_sample_of_questions_on_articles(script: Any) -> None:
    steps: list[tuple[int, int | None]] = []
    dataset = made_up(version="2.0")
    dataset = replace(dataset, questions=(replace(dataset.questions[0], answers=()), *dataset.questions[1:]))
    options: dict[str, Any] = {"limit": 5, "on_step": lambda done, total: steps.append((done, total))}
    assert evaluate_articles(script, dataset, seed=1, **options).total == 5
    first, script.asked = script.asked, []
    evaluate_articles(script, dataset, seed=1, **options)
    assert script.asked == first
    script.asked = []
    evaluate_articles(script, dataset, seed=2, **options)
    assert script.asked != first
    assert steps[:6] == [(done, 5) for done in range(6)]
    script.asked = []
    assert evaluate_articles(script, dataset).total == 35
    bare = replace(dataset, questions=tuple(replace(each, article="") for each in dataset.questions))
    without_texts = replace(dataset, articles={})
    for each in (bare, without_texts):
        with pytest.raises(ValueError, match="no question has an answer and an article"):
            evaluate_articles(script, each)


def test_two_models_do_not_rank_passages_in_mode_hf(toy: Model, exact: RuntimeConfig) -> None:
    decoding = DecodeConfig(mode="hf")
    reader = Reader(toy, first=toy, threshold=None, decode_config=decoding, runtime_config=exact)
    with pytest.raises(ValueError, match="which mode 'hf' does not rank by"):
        evaluate_passages(reader, made_up(), passages=2)


def test_a_passage_without_a_span_does_not_win(toy: Model, exact: RuntimeConfig) -> None:
    """Mode squad finds no span with few candidates; the null answer's margin is greater than some spans'."""
    options: Any = {"window_config": WindowConfig(max_length=48, doc_stride=16), "runtime_config": exact}
    reader = Reader(toy, decode_config=DecodeConfig(mode="squad", n_best=1), **options)
    generator = random.Random(5)
    texts = tuple(toy_model.random_text(generator, generator.choice([3, 10, 60])) for _ in range(30))
    asked = "who built it?"
    nulls = [reader.ask(asked, text, threshold=None).is_null for text in texts]
    assert 0 < sum(nulls) < len(texts)
    questions = tuple(
        Question(id=str(index), question=asked, context=text, answers=("x",), article="A")
        for index, text in enumerate(texts)
    )
    dataset = SquadDataset(version="1.1", questions=questions, articles={"A": texts})
    cases = choose_passages(dataset, 5)
    best = [reader.search(asked, case.passages, top_k=1, threshold=None) for case in cases]
    answers = tuple(
        replace(question, answers=(found[0].text if found else "",))
        for question, found in zip(questions, best, strict=True)
    )
    assert evaluate_passages(reader, replace(dataset, questions=answers), passages=5).exact == 100
