"""Fits of a calibration: known parameters come back, and no other value has a smaller loss."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from spanjet.config import Calibration
from spanjet.evaluate.calibration import (
    Candidates,
    balance,
    cross_predict,
    fit,
    fit_answerability,
    fit_sentence_margin,
    fit_temperature,
    fit_threshold,
    folds,
    log_loss,
    predict,
)
from spanjet.evaluate.metrics import expected_calibration_error

SEEDS = range(10)
SLOPE, INTERCEPT, TEMPERATURE = 0.7, -1.3, 2.5


def softmax(values: NDArray[Any]) -> NDArray[Any]:
    powers = np.exp(values - values.max())
    return np.asarray(powers / powers.sum())


def made_up(seed: int, count: int = 400, width: int = 5) -> Candidates:
    """Pairs whose answers are drawn from a calibration with the parameters above."""
    generator = np.random.default_rng(seed)
    margin = -np.sort(-generator.normal(2, 4, (count, 1)) + generator.exponential(2, (count, width)), axis=1)
    margin[generator.random(count) < 0.2, -1] = -np.inf
    answered = 1 / (1 + np.exp(-(SLOPE * margin[:, 0] + INTERCEPT)))
    answerable = generator.random(count) < answered
    drawn = [generator.choice(width, p=softmax(row / TEMPERATURE)) for row in margin]
    exact = answerable & (np.array(drawn) == 0)
    return Candidates(
        margin=margin,
        exact=exact.astype(np.float64),
        f1=np.maximum(exact, 0.25 * answerable),
        answerable=answerable,
        article=generator.integers(0, 8, count),
        own=generator.random(count) < 0.8,
    )


def test_known_parameters_come_back() -> None:
    candidates = made_up(0, 40000)
    found = fit(candidates)
    assert found.slope == pytest.approx(SLOPE, rel=0.03)
    assert found.intercept == pytest.approx(INTERCEPT, abs=0.05)
    assert found.temperature == pytest.approx(TEMPERATURE, rel=0.05)
    predicted = predict(found, candidates)
    assert expected_calibration_error(predicted.score, candidates.exact) < 0.01
    assert fit(candidates) == found
    assert fit(candidates, sentence_margin=1.5) == replace(found, sentence_margin=1.5)


@pytest.mark.parametrize(
    ("losses", "expected"),
    [([0, 0, 0], 2.0), ([0, 0.0004, 0.0004], 2.0), ([0, 0.0004, 0.0006], 1.0), ([0.01, 0.01, 0], 2.0)],
)
def test_the_greatest_sentence_margin_that_costs_no_f1(losses: list[float], expected: float) -> None:
    candidates = replace(made_up(1), f1=np.full(400, 0.5))
    by_margin = {
        margin: replace(candidates, f1=np.where(candidates.answerable, 0.5 - loss, 1.0))
        for margin, loss in zip((0.0, 1.0, 2.0), losses, strict=True)
    }
    assert fit_sentence_margin(by_margin) == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_no_other_slope_or_intercept_is_better(seed: int) -> None:
    candidates = made_up(seed)
    best, answerable = candidates.best, candidates.answerable
    positives, negatives = answerable.sum(), (~answerable).sum()
    target = np.where(answerable, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(slope: float, intercept: float) -> float:
        return log_loss(1 / (1 + np.exp(-(slope * best + intercept))), target)

    slope, intercept = fit_answerability(best, answerable)
    least = loss(slope, intercept)
    for step in (1e-3, 0.1):
        for along, across in ((step, 0), (-step, 0), (0, step), (0, -step), (step, -step), (-step, step)):
            assert loss(slope + along, intercept + across) > least


def test_margins_that_tell_all_pairs_apart() -> None:
    answerable = np.arange(20) >= 10
    slope, intercept = fit_answerability(np.arange(20.0), answerable)
    assert np.isfinite([slope, intercept]).all()
    assert -intercept / slope == pytest.approx(9.5)


@pytest.mark.parametrize(
    ("best", "answerable", "message"),
    [
        ([1.0, 2.0], [True, True], "2 pairs with an answer and 0 without; expected some of both"),
        ([1.0, 2.0], [False, False], "0 pairs with an answer and 2 without"),
        ([1.0, -np.inf], [True, False], "the best margin of pair 1 is not finite"),
        ([1.0, 2.0, 1.1, 2.1], [True, False, True, False], "the model does not tell"),
        ([1.0, 1.0], [True, False], "the model does not tell"),
    ],
)
def test_what_cannot_be_fitted(best: Any, answerable: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_answerability(np.array(best), np.array(answerable))


def shares_by_hand(candidates: Candidates, temperature: float) -> NDArray[Any]:
    return np.array([softmax(margin / temperature)[0] for margin in candidates.margin])


@pytest.mark.parametrize("seed", SEEDS)
def test_predictions_by_hand(seed: int) -> None:
    candidates = made_up(seed, 60)
    calibration = Calibration(slope=0.5, intercept=0.25, temperature=1.5, threshold=0.6)
    found = predict(calibration, candidates)
    answered = 1 / (1 + np.exp(-(0.5 * candidates.margin[:, 0] + 0.25)))
    assert found.answered == pytest.approx(answered)
    assert found.score == pytest.approx(answered * shares_by_hand(candidates, 1.5))
    assert found.null.tolist() == (answered < 0.6).tolist()
    assert 0 < found.null.sum() < 60
    assert not predict(replace(calibration, threshold=None), candidates).null.any()


@pytest.mark.parametrize("seed", SEEDS)
def test_no_other_temperature_is_better(seed: int) -> None:
    candidates = made_up(seed)
    answered = 1 / (1 + np.exp(-(SLOPE * candidates.best + INTERCEPT)))

    def loss(temperature: float) -> float:
        return log_loss(answered * shares_by_hand(candidates, temperature), candidates.exact)

    found = fit_temperature(candidates, answered)
    others = [found * 0.99, found * 1.01, *np.exp(np.linspace(np.log(0.05), np.log(50), 100))]
    assert loss(found) < min(loss(float(other)) for other in others)


def best_by_hand(answered: NDArray[Any], f1: NDArray[Any], answerable: NDArray[Any]) -> float:
    """The best F1 of all thresholds, by trying each."""
    tried = [0.0, *answered, 2.0]
    return float(max(np.where(answered < each, ~answerable, f1 * answerable).mean() for each in tried))


@pytest.mark.parametrize("seed", range(40))
def test_no_other_threshold_is_better(seed: int) -> None:
    generator = np.random.default_rng(seed)
    count = int(generator.integers(2, 30))
    answerable = generator.random(count) < 0.6
    answered = np.clip(generator.normal(0.3 + 0.4 * answerable, 0.3), 0, 1)
    if seed % 2:
        answered = np.round(answered, 1)
    f1 = generator.random(count) * answerable
    best = best_by_hand(answered, f1, answerable)
    if best <= np.mean(~answerable):
        with pytest.raises(ValueError, match=f"better F1 than {100 * np.mean(~answerable):.2f}"):
            fit_threshold(answered, f1, answerable)
        return
    threshold = fit_threshold(answered, f1, answerable)
    assert np.where(answered < threshold, ~answerable, f1).mean() == pytest.approx(best)
    # Halfway between two probabilities: far from both.
    assert threshold not in answered or threshold == 0


def test_threshold_with_nothing_to_refuse() -> None:
    assert fit_threshold(np.array([0.4, 0.9]), np.ones(2), np.ones(2, np.bool_)) == 0.2


@pytest.mark.parametrize(
    ("answerable", "unanswerable", "other", "expected"),
    [
        (100, 20, 90, (40, 20, 20)),
        (100, 90, 20, (40, 20, 20)),
        (100, 30, 0, (30, 30, 0)),
        (10, 40, 40, (10, 5, 5)),
        (1, 40, 40, (1, 1, 1)),
    ],
)
def test_pairs_are_balanced(
    answerable: int, unanswerable: int, other: int, expected: tuple[int, int, int]
) -> None:
    count = answerable + unanswerable + other
    pairs = made_up(4, count)
    order = np.random.default_rng(1).permutation(count)
    pairs = replace(pairs, answerable=order < answerable, own=order < answerable + unanswerable)
    kept = balance(pairs, seed=0)
    negative = ~kept.answerable
    numbers = (kept.answerable.sum(), (negative & kept.own).sum(), (negative & ~kept.own).sum())
    assert numbers == expected
    assert set(kept.best) <= set(pairs.best)
    np.testing.assert_array_equal(balance(pairs, seed=0).margin, kept.margin)
    if len(kept) < count - 50:
        assert set(balance(pairs, seed=1).best) != set(kept.best)


def test_folds_hold_whole_articles_and_like_numbers() -> None:
    article = np.repeat([5, 3, 9, 1], [50, 30, 15, 5])
    fold = folds(article)
    assert {int(each): set(fold[article == each].tolist()) for each in np.unique(article)} == {
        5: {0},
        3: {1},
        9: {1},
        1: {1},
    }
    with pytest.raises(ValueError, match="1 article; expected at least two to hold one out"):
        folds(np.array([7, 7]))


def test_cross_fitting_sees_no_article_that_it_predicts() -> None:
    candidates = made_up(1, 3000)
    fold = folds(candidates.article)
    found = cross_predict(candidates)
    for part in (0, 1):
        expected = predict(fit(candidates.where(fold != part)), candidates.where(fold == part))
        for name in ("answered", "score", "null"):
            assert getattr(found, name)[fold == part].tolist() == getattr(expected, name).tolist()
    # Answers of one half do not change what is said of it, only what is said of the other.
    flipped = replace(candidates, answerable=candidates.answerable ^ ((fold == 0) & (candidates.best > 8)))
    other = cross_predict(flipped)
    assert other.answered[fold == 0].tolist() == found.answered[fold == 0].tolist()
    assert other.answered[fold == 1].tolist() != found.answered[fold == 1].tolist()
