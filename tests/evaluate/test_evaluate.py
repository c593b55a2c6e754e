"""SQuAD's files, and what is made of a reader's answers to them."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from spanjet import Answer, DecodeConfig, Reader, RuntimeConfig, WindowConfig
from spanjet.evaluate import (
    SquadDataset,
    evaluate,
    load_squad,
    measure_confidence,
    score,
    squad_v2_predictions,
)
from spanjet.model import Model

# Few of the questions' tokens fit into windows of the toy model.
pytestmark = pytest.mark.filterwarnings("ignore::spanjet.reader.warnings.QuestionCut")

Change = Callable[[Any], Any]


@pytest.fixture(scope="module")
def squad1(data: Path) -> SquadDataset:
    return load_squad(data / "squad" / "v1.1.json")


@pytest.fixture(scope="module")
def squad2(data: Path) -> SquadDataset:
    return load_squad(data / "squad" / "v2.0.json")


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
        (lambda _: 3, "the file: expected an object, found a number"),
        (lambda root: root.pop("data") and root, "the file: key 'data' is missing"),
        (lambda root: root | {"data": {}}, "data: expected an array, found an object"),
        (lambda root: root | {"data": [3]}, r"data\[0\]: expected an object, found a number"),
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
            r"data\[0\]\.paragraphs\[0\]\.qas\[0\]\.answers\[0\]\.text: expected a string, found a number",
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
    with pytest.raises(ValueError, match=r"x\.json: not (JSON|UTF-8): "):
        load_squad(tmp_path / "x.json")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_squad(tmp_path / "nowhere.json")


@pytest.fixture(scope="module")
def wide_reader(toy: Model) -> Reader:
    """Fits the contexts' many tokens under the toy vocabulary."""
    runtime = RuntimeConfig(precision="f32", cache_dir=None)
    return Reader(
        toy, window_config=WindowConfig(max_length=80, max_question_length=30), runtime_config=runtime
    )


def test_evaluate(wide_reader: Reader, squad1: SquadDataset) -> None:
    calls: list[tuple[int, int | None]] = []
    found = evaluate(wide_reader, squad1, on_step=lambda done, total: calls.append((done, total)))
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


def test_evaluate_with_a_threshold(toy: Model, wide_reader: Reader, squad2: SquadDataset) -> None:
    dataset = refusable(squad2)
    reader = Reader(
        toy, window_config=wide_reader.window_config, runtime_config=wide_reader.runtime_config, threshold=0.5
    )
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


def test_who_always_gets_a_span(toy: Model, wide_reader: Reader, squad2: SquadDataset) -> None:
    """v1.1 files and mode squad, unless a threshold is given."""
    options: dict[str, Any] = {
        "window_config": wide_reader.window_config,
        "runtime_config": wide_reader.runtime_config,
    }
    reader = Reader(toy, threshold=1.0, **options)
    v1 = replace(squad2, version="1.1", questions=tuple(q for q in squad2.questions if q.answers))
    assert "" not in evaluate(reader, v1).predictions.values()
    assert set(evaluate(reader, v1, threshold=1.0).predictions.values()) == {""}
    squad = Reader(toy, threshold=1.0, decode_config=DecodeConfig(mode="squad"), **options)
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


def test_the_span_behind_the_null_answer_of_mode_hf(squad2: SquadDataset) -> None:
    """The list has it by ``handle_impossible_answer``, without any threshold."""
    null = Answer("", 0, 0, 0, 0, 0.7, 1.0, 1.0, 0.7)
    span = Answer("Clara", 3, 8, 3, 8, 0.2, 0.0, 1.0, 0.7)

    def stream(pairs: Iterable[Any], *, top_k: int, **_: Any) -> Iterator[list[Answer]]:
        return ([null, span][:top_k] for _ in pairs)

    decoding = DecodeConfig(mode="hf", handle_impossible_answer=True)
    reader: Any = SimpleNamespace(
        stream=stream, decode_config=decoding, threshold=None, cascade_calibration=None
    )
    found = evaluate(reader, squad2)
    assert set(found.predictions.values()) == {""}
    assert set(found.spans.values()) == {"Clara"}
    assert set(found.confidence.values()) == {0.2}
