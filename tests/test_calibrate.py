"""Calibrating a reader: its candidates, the card, and a reader that says what was predicted."""

import json
import math
import random
import shutil
import string
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_model
from checkpoints import TINY
from spanjet import DecodeConfig, Reader, RuntimeConfig, WindowConfig
from spanjet.checkpoint import LoadedModel, load_model, write_model_directory
from spanjet.cli import app
from spanjet.config import Calibration
from spanjet.evaluate import Question, SquadDataset, calibrate_reader, evaluate, grade, load_squad
from spanjet.evaluate.calibrate import gather_by_sentence_margin, gather_candidates, other_paragraphs
from spanjet.evaluate.calibration import SENTENCE_MARGINS, predict
from spanjet.evaluate.retrieval import holds_reference
from spanjet.quantize import run
from typer.testing import CliRunner

RUNTIME = RuntimeConfig(precision="f32", cache_dir=None)
WINDOWS = WindowConfig(max_length=48, doc_stride=16)
N_BEST = 8


def made_up(seed: int, articles: int = 4, paragraphs: int = 6) -> SquadDataset:
    """Texts of different words; every third question has no answer, which the model mostly knows."""
    generator = random.Random(seed)
    texts, questions = {}, []
    for number in range(articles):
        title = f"A{number}"
        texts[title] = tuple(paragraph(generator) for _ in range(paragraphs))
        for place, text in enumerate(texts[title]):
            words = text.replace("!", "").split()
            start = generator.randrange(len(words) - 2)
            known = generator.random() < 2 / 3
            asked = generator.choices(toy_model.WORDS, k=3)
            if not known and generator.random() < 0.8:
                asked.append(toy_model.UNANSWERABLE)
            questions.append(
                Question(
                    id=f"{title}-{place}",
                    question=" ".join(asked),
                    context=text,
                    answers=(" ".join(words[start : start + 2]),) if known else (),
                    article=title,
                )
            )
    return SquadDataset(version="2.0", questions=tuple(questions), articles=texts)


def paragraph(generator: random.Random) -> str:
    """Three sentences, in which no word comes twice: the toy model tells words apart, not their places."""
    words = generator.sample([*toy_model.WORDS, *string.ascii_lowercase[1:]], 15)
    return "! ".join(" ".join(words[start : start + 5]) for start in (0, 5, 10))


def reader_of(model: LoadedModel, calibration: Calibration | None = None, **decode: Any) -> Reader:
    card = None
    if calibration is not None:
        names = ("slope", "intercept", "temperature", "sentence_margin", "threshold")
        card = {"calibration": {name: getattr(calibration, name) for name in names}}
    options = {"n_best": N_BEST, **decode}
    return Reader(replace(model, card=card), windows=WINDOWS, decode=DecodeConfig(**options), runtime=RUNTIME)


def drawn(dataset: SquadDataset, reader: Reader, temperature: float) -> SquadDataset:
    """The same questions, with answers that are drawn from the softmax of the reader's margins."""
    generator = random.Random(0)
    apart = Reader(
        reader.model, windows=WINDOWS, decode=DecodeConfig(n_best=N_BEST, overlap=True), runtime=RUNTIME
    )
    pairs = [(question.question, question.context) for question in dataset.questions]
    questions = []
    for question, answers in zip(dataset.questions, apart.stream(pairs, top_k=N_BEST), strict=True):
        weights = [
            math.exp((each.logit - each.null_logit - answers[0].logit + answers[0].null_logit) / temperature)
            for each in answers
        ]
        (answer,) = generator.choices(answers, weights)
        questions.append(replace(question, answers=(answer.text,)) if question.answers else question)
    return replace(dataset, questions=tuple(questions))


def test_sentence_margins_rank_as_decoding_does(toy: LoadedModel) -> None:
    dataset = made_up(3)
    wide: dict[str, Any] = {"n_best": 500}  # all candidates: none is missing that a margin would bring forward
    by_margin = gather_by_sentence_margin(reader_of(toy, **wide), dataset, [], SENTENCE_MARGINS)
    assert list(by_margin) == list(SENTENCE_MARGINS)
    for margin, found in by_margin.items():
        expected = gather_candidates(reader_of(toy, Calibration(sentence_margin=margin), **wide), dataset)
        np.testing.assert_allclose(found.margin, expected.margin, rtol=1e-6)
        np.testing.assert_array_equal(found.f1, expected.f1)
    assert (by_margin[0.0].margin != by_margin[4.0].margin).any()


@pytest.mark.parametrize("sentence_margin", [0.0, 4.0])
@pytest.mark.parametrize("overlap", [False, True])
def test_a_reader_says_what_was_predicted(toy: LoadedModel, sentence_margin: float, overlap: bool) -> None:
    """All that a fit knows of a question gives the scores that Rust gives, with any calibration."""
    dataset = made_up(1)
    uncalibrated = Calibration(sentence_margin=sentence_margin)
    candidates = gather_candidates(reader_of(toy, uncalibrated, overlap=overlap), dataset)
    assert candidates.margin.shape == (len(dataset), N_BEST)
    for temperature in (0.5, 3.0):
        calibration = Calibration(
            slope=0.21,
            intercept=-2.5,
            temperature=temperature,
            sentence_margin=sentence_margin,
            threshold=0.55,
        )
        expected = predict(calibration, candidates)
        found = evaluate(reader_of(toy, calibration, overlap=overlap), dataset)
        assert list(found.confidence.values()) == pytest.approx(expected.score, rel=1e-5)
        assert list(found.no_answer.values()) == pytest.approx(1 - expected.answered, rel=1e-4, abs=1e-6)
        assert [text == "" for text in found.predictions.values()] == expected.null.tolist()
        assert 0 < expected.null.sum() < len(dataset)
        graded = [
            grade(found.spans[question.id], question, "2.0") if question.answers else (0, 0)
            for question in dataset.questions
        ]
        assert [exact for exact, _ in graded] == candidates.exact.tolist()
        assert [f1 for _, f1 in graded] == candidates.f1.tolist()


def test_sentences_count(toy: LoadedModel) -> None:
    """The parameter of the test above makes a difference."""
    plain, strict = (
        gather_candidates(reader_of(toy, Calibration(sentence_margin=cost)), made_up(1))
        for cost in (0.0, 4.0)
    )
    assert (plain.margin != strict.margin).any()


def test_candidates(toy: LoadedModel) -> None:
    dataset = made_up(2)
    others = [replace(dataset.questions[0], id="other", answers=(), context=dataset.questions[1].context)]
    steps: list[tuple[int, int]] = []
    reader = reader_of(toy)
    found = gather_candidates(reader, dataset, others, progress=lambda *step: steps.append(step))
    assert len(found) == len(dataset) + 1
    assert found.answerable.tolist() == [*(bool(question.answers) for question in dataset.questions), False]
    assert found.own.tolist() == [True] * len(dataset) + [False]
    assert found.article.tolist() == [*np.repeat(range(4), 6), 0]
    assert (np.diff(found.margin, axis=1) < 1e-4).all()
    assert steps == [(done, len(found)) for done in range(len(found) + 1)]
    best = reader.ask_many(
        [question.question for question in dataset.questions],
        [question.context for question in dataset.questions],
    )
    logits = [answer.logit - answer.null_logit for (answer,) in best]
    assert found.best[:-1].tolist() == pytest.approx(logits)
    bare = replace(dataset, questions=tuple(replace(each, article="") for each in dataset.questions))
    assert gather_candidates(reader, bare).article.tolist() == list(range(len(bare)))


def test_other_paragraphs() -> None:
    dataset = made_up(3, articles=8)
    # Answers of one word are in many paragraphs.
    questions = [
        replace(each, answers=tuple(a.split()[0] for a in each.answers)) for each in dataset.questions
    ]
    dataset = replace(dataset, questions=tuple(questions))
    answerable = {question.id: question for question in dataset.questions if question.answers}
    found = other_paragraphs(dataset, 1.0, seed=4)
    assert len(found) > 0.8 * len(answerable)
    for other in found:
        question = answerable[other.id.removesuffix("/other")]
        assert other.context in dataset.articles[question.article]
        assert other.context != question.context
        assert not holds_reference(other.context, question)
        assert (other.question, other.answers, other.article) == (question.question, (), question.article)
    assert other_paragraphs(dataset, 1.0, seed=4) == found
    assert other_paragraphs(dataset, 1.0, seed=5) != found
    half = other_paragraphs(dataset, 0.5, seed=4)
    assert 0.3 < len(half) / len(found) < 0.7
    assert all(other in found for other in half)
    assert other_paragraphs(dataset, 0.0) == []
    for share in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match=r"negatives is .*; expected a share, 0 to 1"):
            other_paragraphs(dataset, share)


def test_calibrating_makes_it_better(toy: LoadedModel) -> None:
    reader = reader_of(toy, Calibration(sentence_margin=0.5))
    dataset = drawn(made_up(5, articles=10, paragraphs=30), reader, temperature=4)
    steps: list[tuple[int, int]] = []
    report = calibrate_reader(reader, dataset, seed=1, progress=lambda *step: steps.append(step))
    assert report.calibration.sentence_margin in SENTENCE_MARGINS
    assert report.articles == 10
    assert report.answerable == sum(bool(question.answers) for question in dataset.questions)
    assert report.unanswerable == len(dataset) - report.answerable
    assert report.other_paragraphs == len(other_paragraphs(dataset, 1.0, seed=1))
    assert steps[-1] == (len(dataset) + report.other_paragraphs,) * 2
    for name in ("ece", "brier", "log_loss"):
        assert report.after[name] < report.before[name]
    assert report.after["f1"] > report.before["f1"]
    assert calibrate_reader(reader, dataset, seed=1) == report
    assert calibrate_reader(reader, dataset, seed=2) != report
    fewer = calibrate_reader(reader, dataset, negatives=0.0, seed=1)
    assert fewer.other_paragraphs == 0
    assert fewer.calibration.intercept > report.calibration.intercept
    # A calibrated reader is what ``before`` is of; its threshold may be another.
    calibrated = reader_of(toy, report.calibration)
    again = calibrate_reader(calibrated, dataset, seed=1)
    assert again.calibration == report.calibration
    assert again.before["ece"] < report.before["ece"]
    scores = evaluate(calibrated, dataset).scores
    assert scores.f1 == pytest.approx(again.before["f1"])
    assert scores.f1 == pytest.approx(scores.best_f1)


def test_what_cannot_be_calibrated(toy: LoadedModel, data: Path) -> None:
    dataset = made_up(1)
    with pytest.raises(ValueError, match="the reader's mode is 'squad'; expected 'global'"):
        calibrate_reader(reader_of(toy, mode="squad"), dataset)
    with pytest.raises(ValueError, match=r"every question has an answer; expected a SQuAD v2\.0 file"):
        calibrate_reader(reader_of(toy), load_squad(data / "squad" / "v1.1.json"))
    with pytest.raises(ValueError, match="1 article; expected at least two to hold one out"):
        calibrate_reader(
            reader_of(toy), drawn(made_up(3, articles=1, paragraphs=60), reader_of(toy), temperature=1)
        )


@pytest.fixture(scope="module")
def squad2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Questions without an answer are those that the tiny model doubts most; the others have its answers."""
    generator = random.Random(2)
    words = ("the", "city", "was", "on", "a", "river", "by", "first", "king", "who", "had", "there")
    articles: list[dict[str, Any]] = [{"title": f"A{number}", "paragraphs": []} for number in range(4)]
    for index in range(40):
        question: dict[str, Any] = {"id": str(index), "question": " ".join(generator.choices(words, k=5))}
        question |= {"answers": [], "is_impossible": True}
        paragraph = {"context": " ".join(generator.choices(words, k=30)), "qas": [question]}
        articles[index % 4]["paragraphs"].append(paragraph)
    path = tmp_path_factory.mktemp("squad2") / "v2.json"
    path.write_text(json.dumps({"data": articles}))
    found = evaluate(Reader(TINY, runtime=RUNTIME), load_squad(path))
    sure = sorted(found.no_answer, key=found.no_answer.__getitem__)[:20]
    for article in articles:
        for paragraph in article["paragraphs"]:
            (question,) = paragraph["qas"]
            if question["id"] in sure and generator.random() < 0.9:
                question |= {"is_impossible": False, "answers": [{"text": found.spans[question["id"]]}]}
    path.write_text(json.dumps({"data": articles}))
    return path


def command(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "model"
    companions = {name: TINY / name for name in ("config.json", "vocab.txt")}
    write_model_directory(path, load_model(TINY).model, card={"name": "tiny"}, companions=companions)
    return path


def test_command(squad2: Path, model: Path) -> None:
    code, out, error = command("calibrate", model, "--data", squad2, "--negatives", "0")
    assert (code, error) == (0, "")
    rows = dict(line.split("\t", 1) for line in out.splitlines())
    assert rows["measure"] == "before\tafter"
    card = json.loads((model / "card.json").read_text())
    kept = card["calibration"]
    assert (card["name"], kept["data"], kept["negatives"], kept["seed"]) == ("tiny", "v2.json", 0, 0)
    assert (kept["articles"], kept["answerable"] + kept["unanswerable"]) == (4, 40)
    assert rows["ece"].split("\t")[1] == f"{kept['cross_fitted']['ece']:.4f}"
    assert rows["calibration.threshold"] == f"{kept['threshold']:.4f}"
    assert (kept["windows"], kept["decode"]) == (asdict(WindowConfig().completed()), asdict(DecodeConfig()))
    loaded = load_model(model)
    assert loaded.calibration is not None
    assert loaded.calibration.slope == kept["slope"] != 1
    reader = Reader(model, runtime=RuntimeConfig(cache_dir=None))
    assert (reader.threshold, reader.calibration) == (kept["threshold"], loaded.calibration)
    assert {file.name for file in model.iterdir()} == set(card["bytes"]) | {"card.json"}
    # What was fitted is what a second run finds there.
    code, out, _ = command("calibrate", model, "--data", squad2, "--negatives", "0", "--json")
    second = json.loads(out)
    assert code == 0
    assert second["calibration"] == kept
    assert second["before"]["ece"] != float(rows["ece"].split("\t")[0])


def test_command_takes_articles_negatives_and_seed(squad2: Path, model: Path, tmp_path: Path) -> None:
    titles = tmp_path / "titles.json"
    titles.write_text('{"titles": ["A0", "A1", "A3"]}')
    options = ("--data", squad2, "--json", "--threads", "1")

    def kept(*more: str | Path) -> dict[str, Any]:
        code, out, error = command("calibrate", model, *options, *more)
        assert (code, error) == (0, "")
        found: dict[str, Any] = json.loads(out)["calibration"]
        return found

    everything, some = kept("--seed", "1"), kept("--articles", titles, "--negatives", "0.5")
    assert (everything["articles"], some["articles"]) == (4, 3)
    assert (everything["seed"], some["seed"]) == (1, 0)
    assert everything["answerable"] >= everything["other_paragraphs"] > some["other_paragraphs"] > 0
    assert everything["answerable"] + everything["unanswerable"] == 40
    assert some["answerable"] + some["unanswerable"] == 30
    # Which questions, and which paragraphs, is the seed's choice.
    half = [kept("--negatives", "0.5", "--seed", seed)["slope"] for seed in ("1", "1", "2")]
    assert half[0] == half[1] != half[2]


def test_command_refuses(squad2: Path, model: Path, data: Path, tmp_path: Path) -> None:
    before = (model / "card.json").read_bytes()
    code, _, error = command("calibrate", model, "--data", data / "squad" / "v1.1.json")
    assert (code, (model / "card.json").read_bytes()) == (2, before)
    assert error.startswith("spanjet: every question has an answer")
    (tmp_path / "titles.json").write_text('{"titles": ["Atlantis"]}')
    code, _, error = command("calibrate", model, "--data", squad2, "--articles", tmp_path / "titles.json")
    assert (code, error) == (
        2,
        "spanjet: article 'Atlantis': not in the data; expected titles of its articles\n",
    )
    checkpoint = shutil.copytree(TINY, tmp_path / "checkpoint")
    code, _, error = command("calibrate", checkpoint, "--data", squad2)
    assert code == 2
    assert "a checkpoint has no card; make a model directory of it with spanjet quantize" in error
    assert not (tmp_path / "checkpoint" / "card.json").exists()


def test_quantize_calibrates_and_keeps_it(
    squad2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "measure_speed", lambda *_, **__: {})
    out = tmp_path / "int8"
    options = ("--calibrate", squad2, "--eval", squad2, "--samples", "4", "--seed", "3")
    assert command("quantize", TINY, "--data", squad2, "--out", out, *options)[0] == 0
    card = json.loads((out / "card.json").read_text())
    kept = card["calibration"]
    assert (kept["data"], kept["articles"], kept["seed"], kept["negatives"]) == ("v2.json", 4, 3, 1.0)
    assert kept["other_paragraphs"] > 0
    evaluation = card["evaluation"]
    assert evaluation["threshold"] == kept["threshold"]
    assert evaluation["int8"]["f1"] == evaluation["int8"]["best_f1"] > 50
    assert evaluation["int8"]["NoAns_f1"] > 0
    reader = Reader(out, runtime=RuntimeConfig(cache_dir=None))
    assert reader.threshold == kept["threshold"]
    assert evaluate(reader, load_squad(squad2)).scores.f1 == pytest.approx(evaluation["int8"]["f1"], abs=0.01)
