"""The null threshold of SQuAD v2.0: found as the official script does, kept in the card, used by default."""

import json
import math
import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import toy_model
from checkpoints import TINY
from spanjet import DecodeConfig, Reader, RuntimeConfig, WindowConfig
from spanjet.checkpoint import LoadedModel, load_model, write_model_directory
from spanjet.cli import app
from spanjet.evaluate import (
    Evaluation,
    Question,
    Scores,
    SquadDataset,
    best_null_threshold,
    evaluate,
    load_squad,
    score,
    tune_null_threshold,
)
from spanjet.quantize import run
from spanjet.quantize.checkpoint import quantize_checkpoint
from spanjet.quantize.settings import QuantizeConfig
from typer.testing import CliRunner

WITHOUT_CACHE = RuntimeConfig(precision="f32", cache_dir=None)
WINDOWS = WindowConfig(max_length=80, max_question_length=30)


def official(dataset: SquadDataset, spans: dict[str, str], odds: dict[str, float]) -> float:
    """F1 at the best of all thresholds, by trying each: what evaluate-v2.0 searches in one pass."""
    best = -1.0
    for threshold in [min(odds.values()) - 1, *odds.values()]:
        answers = {name: "" if odds[name] > threshold else span for name, span in spans.items()}
        best = max(best, score(dataset, answers).f1)
    return best


def random_case(seed: int, *, unanswerable: float) -> tuple[SquadDataset, Evaluation]:
    generator = random.Random(seed)
    questions, spans, odds = [], {}, {}
    for index in range(generator.randrange(2, 40)):
        name = str(index)
        known = index > 0 and generator.random() > unanswerable
        answer = " ".join(generator.choices(toy_model.WORDS, k=3))
        questions.append(Question(id=name, question="?", context="", answers=(answer,) if known else ()))
        spans[name] = answer if generator.random() < 0.7 else generator.choice(toy_model.WORDS)
        odds[name] = generator.gauss(-1 if known else 1, 2)
    dataset = SquadDataset(version="2.0", questions=tuple(questions))
    scores = Scores(exact_match=0, f1=0, total=len(questions))
    return dataset, Evaluation(scores=scores, predictions={}, spans=spans, null_odds=odds, seconds=1)


def test_the_best_threshold_is_the_official_one() -> None:
    found = 0
    for seed in range(100):
        dataset, evaluation = random_case(seed, unanswerable=seed % 5 / 5)
        best = official(dataset, evaluation.spans, evaluation.null_odds)
        never = score(dataset, dict.fromkeys(evaluation.spans, "")).f1
        if best <= never:
            with pytest.raises(ValueError, match=f"better F1 than {never:.2f}, which no answers at all give"):
                best_null_threshold(dataset, evaluation)
            continue
        found += 1
        threshold = best_null_threshold(dataset, evaluation)
        assert threshold.scores.f1 == pytest.approx(best)
        answers = {
            name: "" if evaluation.null_odds[name] > threshold.value else span
            for name, span in evaluation.spans.items()
        }
        assert threshold.scores == score(dataset, answers)
        official_one = score(dataset, evaluation.spans, evaluation.null_odds)
        assert (threshold.value, threshold.scores.f1) == (
            official_one.best_f1_threshold,
            official_one.best_f1,
        )
    assert found > 60


def test_it_needs_unanswerable_questions(toy: LoadedModel, data: Path) -> None:
    reader = Reader(toy, windows=WINDOWS, runtime=WITHOUT_CACHE)
    with pytest.raises(ValueError, match=r"every question has an answer; expected a SQuAD v2\.0 file"):
        tune_null_threshold(reader, load_squad(data / "squad" / "v1.1.json"))


def unanswerable(data: Path) -> SquadDataset:
    """The v2.0 file; its questions without an answer are ones that the toy model knows to have none."""
    dataset = load_squad(data / "squad" / "v2.0.json")
    return replace(
        dataset,
        questions=tuple(
            question if question.answers else replace(question, question=f"{toy_model.UNANSWERABLE}?")
            for question in dataset.questions
        ),
    )


def answered_by(reader: Reader, dataset: SquadDataset) -> SquadDataset:
    """The same questions; those that have an answer have the reader's."""
    spans = evaluate(reader, dataset).spans
    questions = [
        replace(question, answers=(spans[question.id],)) if question.answers else question
        for question in dataset.questions
    ]
    return replace(dataset, questions=tuple(questions))


def test_tuned_on_a_model(toy: LoadedModel, data: Path) -> None:
    reader = Reader(toy, windows=WINDOWS, runtime=WITHOUT_CACHE)
    dataset = answered_by(reader, unanswerable(data))
    steps: list[tuple[int, int]] = []
    found = tune_null_threshold(reader, dataset, progress=lambda done, total: steps.append((done, total)))
    assert (found.scores.f1, found.scores.exact_match, found.scores.total) == (100, 100, 6)
    assert steps[-1] == (6, 6)
    # A reader with any threshold finds the same, and one with this threshold reaches it.
    decode = DecodeConfig(null_threshold=-1000)
    strict = Reader(toy, windows=WINDOWS, runtime=WITHOUT_CACHE, decode=decode)
    assert tune_null_threshold(strict, dataset) == found
    decode = DecodeConfig(null_threshold=found.value)
    tuned = Reader(toy, windows=WINDOWS, runtime=WITHOUT_CACHE, decode=decode)
    scores = evaluate(tuned, dataset).scores
    assert (scores.f1, scores.best_f1, scores.best_f1_threshold) == (100, 100, found.value)


@pytest.mark.parametrize(
    ("card", "given", "expected", "is_null"),
    [
        (None, None, None, False),
        ({}, None, None, False),
        ({"null_threshold": None}, None, None, False),
        ({"null_threshold": {"value": 3}}, None, 3.0, True),
        ({"null_threshold": {"value": 3}}, 500.0, 500.0, False),
        ({"null_threshold": {"value": 3}}, math.inf, math.inf, False),
        (None, math.inf, math.inf, False),
        (None, 0.0, 0.0, True),
    ],
)
@pytest.mark.parametrize("mode", ["global", "squad"])
def test_a_reader_takes_it_from_the_card(
    toy: LoadedModel, card: Any, given: float | None, expected: float | None, is_null: bool, mode: Any
) -> None:
    decode = DecodeConfig(null_threshold=given, mode=mode)
    reader = Reader(replace(toy, card=card), windows=WINDOWS, runtime=WITHOUT_CACHE, decode=decode)
    assert reader.decode.null_threshold == expected
    answer = reader.ask(f"{toy_model.UNANSWERABLE} who?", "the tower in paris")
    assert answer.is_null == is_null
    if expected in (None, math.inf):
        assert answer == Reader(
            toy, windows=WINDOWS, runtime=WITHOUT_CACHE, decode=DecodeConfig(mode=mode)
        ).ask(f"{toy_model.UNANSWERABLE} who?", "the tower in paris")


@pytest.mark.parametrize("value", [3, "3", {"value": "3"}, {}, {"value": True}, {"value": math.nan}])
def test_a_card_with_something_else(toy: LoadedModel, value: Any) -> None:
    with pytest.raises(ValueError, match=r'card\.json: "null_threshold" is .*, expected a finite "value"'):
        Reader(replace(toy, card={"null_threshold": value}), windows=WINDOWS, runtime=WITHOUT_CACHE)


@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_other_thresholds_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"null_threshold is .*; expected a finite number"):
        DecodeConfig(null_threshold=value)


@pytest.fixture(scope="module")
def squad2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Questions without an answer are those that the tiny model doubts most; the others have its answers."""
    generator = random.Random(2)
    words = ("the", "city", "was", "on", "a", "river", "by", "first", "king", "who", "had", "there")
    paragraphs: list[dict[str, Any]] = []
    for index in range(10):
        question: dict[str, Any] = {
            "id": str(index),
            "question": " ".join(generator.choices(words, k=5)),
            "answers": [],
        }
        question["is_impossible"] = True
        paragraphs.append({"context": " ".join(generator.choices(words, k=30)), "qas": [question]})
    path = tmp_path_factory.mktemp("squad2") / "v2.json"
    path.write_text(json.dumps({"data": [{"title": "t", "paragraphs": paragraphs}]}))
    found = evaluate(Reader(TINY, runtime=WITHOUT_CACHE), load_squad(path))
    sure = sorted(found.null_odds, key=found.null_odds.__getitem__)[:6]
    for paragraph in paragraphs:
        (question,) = paragraph["qas"]
        if question["id"] in sure:
            question |= {"is_impossible": False, "answers": [{"text": found.spans[question["id"]]}]}
    path.write_text(json.dumps({"data": [{"title": "t", "paragraphs": paragraphs}]}))
    return path


def test_quantize_tunes_and_keeps_it(squad2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "measure_speed", lambda *_, **__: {})
    out = tmp_path / "int8"
    card = quantize_checkpoint(
        TINY, squad2, out, config=QuantizeConfig(samples=4), tuning=squad2, evaluation=squad2
    )
    kept = card["null_threshold"]
    assert (kept["data"], kept["total"], kept["mode"]) == ("v2.json", 10, "global")
    assert kept["f1"] > 40
    assert card["evaluation"]["decode"]["null_threshold"] == kept["value"]
    assert card["evaluation"]["int8"]["f1"] == kept["f1"]
    loaded = load_model(out)
    assert loaded.null_threshold == kept["value"]
    reader = Reader(loaded, runtime=RuntimeConfig(cache_dir=None))
    assert reader.decode.null_threshold == kept["value"]
    scores = evaluate(reader, load_squad(squad2)).scores
    assert scores.f1 == pytest.approx(kept["f1"], abs=0.01)


def command(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stderr


def test_eval_saves_it(squad2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = tmp_path / "model"
    companions = {name: TINY / name for name in ("config.json", "vocab.txt")}
    write_model_directory(model, load_model(TINY).model, card={"name": "tiny"}, companions=companions)
    assert command("eval", squad2, "-m", model, "--save-null-threshold") == (0, "")
    card = json.loads((model / "card.json").read_text())
    assert card["name"] == "tiny"
    assert card["null_threshold"]["f1"] > 40
    assert load_model(model).null_threshold == card["null_threshold"]["value"]
    assert {file.name for file in model.iterdir()} == set(card["bytes"]) | {"card.json"}
    before = (model / "card.json").read_bytes()
    code, error = command("eval", data / "squad" / "v1.1.json", "-m", model, "--save-null-threshold")
    assert (code, (model / "card.json").read_bytes()) == (2, before)
    assert error.startswith("spanjet: every question has an answer")


def test_where_it_cannot_be_saved(squad2: Path, tmp_path: Path) -> None:
    code, error = command("eval", squad2, "--save-null-threshold")
    assert code == 2
    assert error.startswith("spanjet: --save-null-threshold needs --model")
    checkpoint = shutil.copytree(TINY, tmp_path / "checkpoint")
    code, error = command("eval", squad2, "-m", checkpoint, "--save-null-threshold")
    assert code == 2
    assert "a checkpoint has no card; make a model directory of it with spanjet quantize" in error
    assert not (tmp_path / "checkpoint" / "card.json").exists()
