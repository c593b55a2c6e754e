"""Calibrating a reader: its candidates, the card, and a reader that says what was predicted."""

import math
import random
import string
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_model
from spanjet import DecodeConfig, Reader, RuntimeConfig, WindowConfig
from spanjet.config import Calibration
from spanjet.evaluate import Question, SquadDataset, calibrate_reader, evaluate, grade, load_squad
from spanjet.evaluate.calibrate import gather_by_sentence_margin, gather_candidates, other_paragraphs
from spanjet.evaluate.calibration import SENTENCE_MARGINS, predict
from spanjet.evaluate.retrieval import holds_reference
from spanjet.model import Model

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


def reader_of(model: Model, calibration: Calibration | None = None, **decode: Any) -> Reader:
    card = None
    if calibration is not None:
        names = ("slope", "intercept", "temperature", "sentence_margin", "threshold")
        card = {"calibration": {name: getattr(calibration, name) for name in names}}
    options = {"n_best": N_BEST, **decode}
    return Reader(
        replace(model, card=card),
        window_config=WINDOWS,
        decode_config=DecodeConfig(**options),
        runtime_config=RUNTIME,
    )


def drawn(dataset: SquadDataset, reader: Reader, temperature: float) -> SquadDataset:
    """The same questions, with answers that are drawn from the softmax of the reader's margins."""
    generator = random.Random(0)
    apart = Reader(
        reader.model,
        window_config=WINDOWS,
        decode_config=DecodeConfig(n_best=N_BEST, overlap=True),
        runtime_config=RUNTIME,
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


def test_sentence_margins_rank_as_decoding_does(toy: Model) -> None:
    dataset = made_up(3)
    # All candidates: none is missing that a margin would bring forward.
    wide: dict[str, Any] = {"n_best": 500}
    by_margin = gather_by_sentence_margin(reader_of(toy, **wide), dataset, [], SENTENCE_MARGINS)
    assert list(by_margin) == list(SENTENCE_MARGINS)
    for margin, found in by_margin.items():
        expected = gather_candidates(reader_of(toy, Calibration(sentence_margin=margin), **wide), dataset)
        np.testing.assert_allclose(found.margin, expected.margin, rtol=1e-6)
        np.testing.assert_array_equal(found.f1, expected.f1)
    assert (by_margin[0.0].margin != by_margin[4.0].margin).any()


def test_texts_are_tokenized_as_the_reader_does(toy: Model) -> None:
    """Special tokens in a text, too, which are hidden from the answers or not."""
    dataset = made_up(3)
    marked = [replace(each, context=each.context.replace("! ", " [SEP] ")) for each in dataset.questions]
    dataset = replace(dataset, questions=tuple(marked))
    plain, special = (reader_of(toy).with_config(match_special_tokens=match) for match in (False, True))
    for gather in (
        gather_candidates,
        lambda reader, data: gather_by_sentence_margin(reader, data, [], [0.0])[0.0],
    ):
        found, other = (gather(each, dataset).margin for each in (special, plain))
        answers = special.stream(
            [(each.question, each.context) for each in marked], top_k=N_BEST, threshold=None
        )
        assert found[:, 0].tolist() == pytest.approx([max(a.margin for a in each) for each in answers])
        assert not np.array_equal(found, other)


@pytest.mark.parametrize("sentence_margin", [0.0, 4.0])
@pytest.mark.parametrize("overlap", [False, True])
def test_a_reader_says_what_was_predicted(toy: Model, sentence_margin: float, overlap: bool) -> None:
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


def test_sentences_count(toy: Model) -> None:
    """The parameter of the test above makes a difference."""
    plain, strict = (
        gather_candidates(reader_of(toy, Calibration(sentence_margin=cost)), made_up(1))
        for cost in (0.0, 4.0)
    )
    assert (plain.margin != strict.margin).any()


def test_candidates(toy: Model) -> None:
    dataset = made_up(2)
    others = [replace(dataset.questions[0], id="other", answers=(), context=dataset.questions[1].context)]
    steps: list[tuple[int, int | None]] = []
    reader = reader_of(toy)
    found = gather_candidates(reader, dataset, others, on_step=lambda *step: steps.append(step))
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


def test_a_question_without_tokens_is_named_by_its_id(toy: Model) -> None:
    dataset = made_up(1)
    blank = replace(dataset.questions[1], id="blank", question="\ufffd")
    with pytest.raises(ValueError, match=r"^question 'blank': question is empty: it has no tokens"):
        gather_candidates(reader_of(toy), replace(dataset, questions=(*dataset.questions, blank)))


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


def test_calibrating_makes_it_better(toy: Model) -> None:
    reader = reader_of(toy, Calibration(sentence_margin=0.5))
    dataset = drawn(made_up(5, articles=10, paragraphs=30), reader, temperature=4)
    steps: list[tuple[int, int | None]] = []
    report = calibrate_reader(reader, dataset, seed=1, on_step=lambda *step: steps.append(step))
    assert report.calibration.sentence_margin in SENTENCE_MARGINS
    assert report.articles == 10
    assert report.unanswerable == sum(not question.answers for question in dataset.questions)
    assert report.other_paragraphs == report.unanswerable
    assert report.answerable == 2 * report.unanswerable
    assert steps[-1] == (len(dataset) + len(other_paragraphs(dataset, 1.0, seed=1)),) * 2
    for name in ("ece", "brier", "log_loss"):
        assert report.after[name] < report.before[name]
    assert report.after["f1"] > report.before["f1"]
    assert calibrate_reader(reader, dataset, seed=1) == report
    assert calibrate_reader(reader, dataset, seed=2) != report
    fewer = calibrate_reader(reader, dataset, negatives=0.0, seed=1)
    assert (fewer.other_paragraphs, fewer.answerable) == (0, report.unanswerable)
    assert fewer.calibration != report.calibration
    # A calibrated reader is what ``before`` is of; its threshold may be another.
    calibrated = reader_of(toy, report.calibration)
    again = calibrate_reader(calibrated, dataset, seed=1)
    assert again.calibration == report.calibration
    assert again.before["ece"] < report.before["ece"]


def test_what_cannot_be_calibrated(toy: Model, data: Path) -> None:
    dataset = made_up(1)
    with pytest.raises(ValueError, match="the reader's mode is 'squad'; expected 'global'"):
        calibrate_reader(reader_of(toy, mode="squad"), dataset)
    with pytest.raises(ValueError, match=r"every question has an answer; expected a SQuAD v2\.0 file"):
        calibrate_reader(reader_of(toy), load_squad(data / "squad" / "v1.1.json"))
    unanswered = tuple(replace(question, answers=()) for question in dataset.questions)
    with pytest.raises(ValueError, match=r"no question has an answer; expected a SQuAD v2\.0 file"):
        calibrate_reader(reader_of(toy), replace(dataset, questions=unanswered))
    with pytest.raises(ValueError, match="1 article; expected at least two to hold one out"):
        calibrate_reader(
            reader_of(toy), drawn(made_up(3, articles=1, paragraphs=60), reader_of(toy), temperature=1)
        )
