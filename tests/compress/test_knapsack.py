"""The dynamic programme of the knapsack against all choices, one by one."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from spanjet.compress.search.knapsack import Knapsack, Options


def blocks(generator: np.random.Generator, *, whole: bool) -> list[Options]:
    """A few blocks, some with an option of time 0; with ``whole``, times are whole numbers of buckets."""
    found = []
    for _ in range(int(generator.integers(1, 5))):
        count = int(generator.integers(1, 6))
        seconds = generator.integers(0, 40, count).astype(float) if whole else generator.uniform(0, 40, count)
        if generator.random() < 0.5:
            seconds[generator.integers(count)] = 0.0
        found.append(Options(seconds, generator.uniform(0, 1, count).round(2)))
    return found


def brute_force(options: Sequence[Options], budget: float) -> float | None:
    """The least cost of all choices that fit."""
    costs = [
        sum(option.cost[place] for option, place in zip(options, choice, strict=True))
        for choice in itertools.product(*(range(len(option.cost)) for option in options))
        if sum(option.seconds[place] for option, place in zip(options, choice, strict=True)) <= budget + 1e-9
    ]
    return min(costs, default=None)


def totals(options: Sequence[Options], choice: Sequence[int]) -> tuple[float, float]:
    seconds = sum(each.seconds[place] for each, place in zip(options, choice, strict=True))
    return seconds, sum(each.cost[place] for each, place in zip(options, choice, strict=True))


@pytest.mark.parametrize("seed", range(60))
def test_equals_brute_force(seed: int) -> None:
    generator = np.random.default_rng(seed)
    options = blocks(generator, whole=True)
    knapsack = Knapsack(options, 120.0, buckets=120)
    for budget in (0.0, 1.0, *generator.integers(2, 121, 6).astype(float).tolist()):
        expected = brute_force(options, budget)
        if expected is None:
            with pytest.raises(ValueError, match=r"no choice fits into .* the smallest feasible budget is"):
                knapsack.solve(budget)
            continue
        seconds, cost = totals(options, knapsack.solve(budget))
        assert seconds <= budget
        assert cost == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(30))
def test_any_times(seed: int) -> None:
    """What it finds fits, and is as good as the best of what fits with a bucket a block to spare."""
    generator = np.random.default_rng(100 + seed)
    options = blocks(generator, whole=False)
    budget = float(generator.uniform(60, 160))
    spare = budget * len(options) / 10_000
    expected = brute_force(options, budget - spare)
    if expected is None:
        return
    seconds, cost = totals(options, Knapsack(options, budget).solve(budget))
    assert seconds <= budget
    assert cost <= expected + 1e-12


def test_a_dropped_block_is_an_option() -> None:
    options = [Options(np.array([0.0, 5.0]), np.array([0.1, 0.0])) for _ in range(3)]
    assert Knapsack(options, 10.0).solve(10.0) in ([0, 1, 1], [1, 0, 1], [1, 1, 0])
    assert Knapsack(options, 10.0).solve(0.0) == [0, 0, 0]


@pytest.mark.parametrize(
    ("options", "most", "message"),
    [
        (Options(np.array([]), np.array([])), 1.0, "block 0 has 0 times and 0 costs"),
        (Options(np.array([1.0, 2.0]), np.array([1.0])), 1.0, "block 0 has 2 times and 1 costs"),
        (Options(np.array([-1.0]), np.array([1.0])), 1.0, "a time that is not finite and at least 0"),
        (Options(np.array([1.0]), np.array([np.nan])), 1.0, "a cost that is not finite and at least 0"),
        (Options(np.array([1.0]), np.array([1.0])), 0.0, "expected more than 0 s"),
    ],
)
def test_refused(options: Options, most: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Knapsack([options], most)


def test_a_budget_beyond_the_greatest() -> None:
    knapsack = Knapsack([Options(np.array([1.0]), np.array([1.0]))], 2.0)
    assert knapsack.solve(2.0) == [0]
    with pytest.raises(ValueError, match="exceeds the maximum"):
        knapsack.solve(2.1)
