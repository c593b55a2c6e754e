"""Metrics of confidence against brute force: every pair, every bin, every order of ties."""

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from spanjet.evaluate.metrics import (
    area_under_roc,
    brier_score,
    expected_calibration_error,
    reliability_bins,
    risk_coverage,
)

CASES = range(40)


def random_case(seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Confidences, in half of the cases with many ties, and events that they say something about."""
    generator = np.random.default_rng(seed)
    confidence = generator.random(generator.integers(2, 60))
    if seed % 2:
        confidence = np.round(confidence, 1)
    return confidence, generator.random(len(confidence)) < confidence


@pytest.mark.parametrize("seed", CASES)
def test_auc_counts_pairs(seed: int) -> None:
    score, positive = random_case(seed)
    positive[:2] = True, False
    pairs = list(itertools.product(score[positive], score[~positive]))
    expected = sum(1.0 if high > low else 0.5 if high == low else 0.0 for high, low in pairs) / len(pairs)
    assert area_under_roc(score, positive) == pytest.approx(expected, abs=1e-12)
    assert area_under_roc(-score, positive) == pytest.approx(1 - expected, abs=1e-12)


def test_auc_of_infinite_scores() -> None:
    assert area_under_roc([np.inf, 1.0, -np.inf, np.inf], [True, True, False, False]) == 0.625


@pytest.mark.parametrize("seed", CASES)
def test_calibration_error_bin_by_bin(seed: int) -> None:
    confidence, event = random_case(seed)
    confidence = np.random.default_rng(seed).permutation(len(confidence)) / len(confidence)  # no ties
    found = reliability_bins(confidence, event, bins=7)
    parts = min(7, len(confidence))
    order = sorted(range(len(confidence)), key=confidence.__getitem__)
    error = 0.0
    for part in range(parts):
        members = [
            item for rank, item in enumerate(order) if (rank + 1) * parts > part * len(order)
        ]  # everything from this bin on
        members = members[: found.count[part]]
        assert found.confidence[part] == pytest.approx(np.mean([confidence[item] for item in members]))
        assert found.accuracy[part] == pytest.approx(np.mean([event[item] for item in members]))
        error += len(members) / len(order) * abs(found.accuracy[part] - found.confidence[part])
    assert found.count.sum() == len(order)
    assert found.count.max() - found.count.min() <= 1
    assert found.error == pytest.approx(error)
    assert expected_calibration_error(confidence, event, bins=7) == found.error


def test_calibration_error_by_hand() -> None:
    confidence = [0.1, 0.3, 0.6, 1.0]
    event = [0, 1, 1, 1]
    assert expected_calibration_error(confidence, event, bins=2) == pytest.approx((0.3 + 0.2) / 2)
    assert expected_calibration_error(confidence, event, bins=1) == pytest.approx(0.25)
    assert expected_calibration_error(confidence, event) == pytest.approx((0.1 + 0.7 + 0.4 + 0) / 4)
    assert expected_calibration_error([0.25] * 40, [1] * 10 + [0] * 30) == pytest.approx(0)


@pytest.mark.parametrize("seed", CASES)
def test_risk_coverage_is_the_mean_of_all_orders_of_ties(seed: int) -> None:
    generator = np.random.default_rng(seed)
    confidence = generator.integers(0, 3, 6) / 2
    value = generator.random(6)
    curves = [
        np.cumsum(value[list(order)]) / np.arange(1, 7)
        for order in itertools.permutations(range(6))
        if all(confidence[a] >= confidence[b] for a, b in itertools.pairwise(order))
    ]
    found = risk_coverage(confidence, value)
    assert found.accuracy == pytest.approx(np.mean(curves, axis=0))
    assert found.area == pytest.approx(1 - np.mean(curves))
    assert found.coverage == pytest.approx(np.arange(1, 7) / 6)
    for coverage in (0.1, 0.25, 0.5, 0.75, 1.0):
        kept = next(count for count in range(1, 7) if count >= coverage * 6)
        assert found.at(coverage) == found.accuracy[kept - 1]


def test_coverage_counts_whole_items() -> None:
    found = risk_coverage(np.linspace(1, 0, 100), np.arange(100) < 55)
    assert found.at(0.55) == 1
    assert found.at(1.0) == 0.55
    assert found.at(0.551) == pytest.approx(55 / 56)


def test_coverage_is_of_one_item_at_least() -> None:
    assert risk_coverage([0.9, 0.8, 0.7, 0.6], [1, 0, 0, 0]).at(1e-12) == 1


def test_infinite_confidences_are_ties() -> None:
    for values in ([1, 0], [0, 1]):
        assert risk_coverage([-np.inf, -np.inf], values).accuracy.tolist() == [0.5, 0.5]


@pytest.mark.parametrize("seed", CASES)
def test_order_of_the_items_does_not_matter(seed: int) -> None:
    confidence, event = random_case(seed)
    event[:2] = True, False
    order = np.random.default_rng(seed).permutation(len(confidence))
    for metric in (
        area_under_roc,
        brier_score,
        expected_calibration_error,
        lambda *x: risk_coverage(*x).area,
    ):
        assert metric(confidence[order], event[order]) == pytest.approx(metric(confidence, event), abs=1e-12)


def test_brier_score() -> None:
    assert brier_score([0.0, 0.5, 1.0, 0.8], [False, True, True, False]) == pytest.approx(0.89 / 4)


@pytest.mark.parametrize(
    ("metric", "first", "second", "message"),
    [
        (brier_score, [], [], r"shapes \(0,\) and \(0,\); expected two arrays of one length, not empty"),
        (brier_score, [0.5], [1, 0], r"shapes \(1,\) and \(2,\)"),
        (brier_score, [0.5, 1.5], [1, 0], r"confidence 1 is 1\.5; expected 0 to 1"),
        (expected_calibration_error, [0.5, 0.5], [1, -1], r"event 1 is -1\.0; expected 0 to 1"),
        (expected_calibration_error, [0.5, np.nan], [1, 0], "confidence 1 is not a number"),
        (risk_coverage, [0.5, 0.5], [np.nan, 0], "value 0 is not a number"),
        (area_under_roc, [0.5, 0.5], [True, True], "2 positive and 0 negative items; expected some of both"),
        (area_under_roc, [0.5], [True, False], r"score has the shape \(1,\), positive \(2,\)"),
        (area_under_roc, [0.5, np.nan], [True, False], "score 1 is not a number"),
    ],
)
def test_refuses(metric: Any, first: Any, second: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metric(first, second)


def test_refuses_other_shares_and_bins() -> None:
    with pytest.raises(ValueError, match="coverage is 0; expected a share above 0 and at most 1"):
        risk_coverage([0.5], [1]).at(0)
    with pytest.raises(ValueError, match="bins is 0; expected at least 1"):
        reliability_bins([0.5], [1], bins=0)
