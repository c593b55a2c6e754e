"""The search: cost curves, and candidates that get better."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from spanjet.compress.prune.structures import STRUCTURES
from spanjet.compress.search.cost_curves import SHARES, cost_curve, measure_costs
from spanjet.compress.search.local_search import LocalSearch
from spanjet.compress.search.pareto import ParetoFront, ParetoPoint, choose, extend, without_repeats
from spanjet.compress.search.search_space import Block, SearchSpace
from spanjet.model.layer_shape import LayerShape


def space(layers: int, *, heads: int = 4, units: int = 6) -> SearchSpace:
    """Blocks whose error falls with the square of what is left."""
    shape, blocks = LayerShape(heads, units), []
    for layer in range(layers):
        for structure in STRUCTURES:
            count = structure.size(shape)
            levels = np.arange(count + 1)
            blocks.append(Block(structure, layer, levels, (1 - levels / count) ** 2))
    return SearchSpace((shape,) * layers, tuple(blocks))


class Landscape:
    """Divergences of made-up candidates: hidden weights, and pairs of neighbours that are worse together."""

    def __init__(self, where: SearchSpace, seed: int) -> None:
        generator = np.random.default_rng(seed)
        self.space = where
        self.weights = np.exp(generator.normal(size=len(where.blocks)))
        self.calls = 0

    def __call__(self, shapes: Sequence[LayerShape]) -> float:
        self.calls += 1
        left = np.array([count for shape in shapes for count in (shape.heads, shape.units)])
        cut = 1 - left / np.array([block.levels[-1] for block in self.space.blocks])
        parts = self.weights * cut**2
        return float(parts.sum() + 2 * (parts[:-1] * parts[1:]).sum())


def seconds(where: SearchSpace) -> list[np.ndarray]:
    return [block.levels * (1.0 if index % 2 else 2.0) for index, block in enumerate(where.blocks)]


def searcher(landscape: Landscape, seed: int = 0) -> LocalSearch:
    where = landscape.space
    costs = measure_costs(where, landscape)
    return LocalSearch(where, seconds(where), costs, landscape, seed=seed)


def test_better_than_the_knapsack_alone() -> None:
    """Mostly the best of all choices, which costs of single modules do not find."""
    budget, shares = 18.0, []
    for seed in range(6):
        landscape = Landscape(space(2), seed)
        where, times = landscape.space, seconds(landscape.space)
        best = min(
            landscape(where.chosen(choice))
            for choice in itertools.product(*(range(len(block.levels)) for block in where.blocks))
            if sum(time[option] for time, option in zip(times, choice, strict=True)) <= budget
        )
        search = searcher(landscape)
        start = landscape(where.chosen(search.run(budget, 0)))
        choice = search.run(budget, 20)
        assert search.time(choice) <= budget
        found = landscape(where.chosen(choice))
        assert best <= found <= start
        shares.append((start / best, found / best))
    started, found_shares = np.array(shares).T
    assert started.min() > 1.1
    assert np.median(found_shares) == pytest.approx(1)
    assert found_shares.max() < 1.25


def test_each_candidate_is_tried_once() -> None:
    landscape = Landscape(space(2), 0)
    search = searcher(landscape)
    before = landscape.calls
    steps: list[tuple[int, int | None]] = []
    search.run(18.0, 25, lambda *step: steps.append(step))
    assert steps == [(done, 25) for done in range(1, 26)]
    assert landscape.calls - before <= 26
    before = landscape.calls
    search.run(18.0, 0)
    assert landscape.calls == before


def test_the_seed_decides() -> None:
    found = [searcher(Landscape(space(3), 1), seed).run(25.0, 20) for seed in (0, 0)]
    assert found[0] == found[1]
    tried = []
    for seed in (0, 1):
        landscape = Landscape(space(3), 1)
        search = searcher(landscape, seed)
        search.run(25.0, 20)
        tried.append(set(search._tried))
    assert tried[0] != tried[1]


def test_nothing_fits() -> None:
    blocks = tuple(Block(each, 0, np.array([3, 6]), np.array([0.5, 0.0])) for each in STRUCTURES)
    landscape = Landscape(SearchSpace((LayerShape(6, 6),), blocks), 0)
    search = LocalSearch(
        landscape.space, [np.array([3.0, 6.0])] * 2, [np.array([1.0, 0.0])] * 2, landscape, seed=0
    )
    with pytest.raises(ValueError, match="no choice fits into 5 s; the smallest feasible budget is 6 s"):
        search.run(5.0, 3)


def test_cost_curve() -> None:
    block = Block(STRUCTURES[0], 0, np.arange(5), np.array([1.0, 0.5, 0.25, 0.1, 0.0]))
    curve = cost_curve(block, {0: 8.0, 2: 0.5})  # a divergence of the squared error
    assert curve == pytest.approx([8.0, 2.0, 0.5, 0.08, 0.0])
    assert cost_curve(block, {0: 3.0}) == pytest.approx([3.0, 1.5, 0.75, 0.3, 0.0])
    # What was measured need not be monotone; what comes out is.
    assert (np.diff(cost_curve(block, {0: 1.0, 1: 2.0, 2: 0.3, 3: 0.4})) <= 0).all()


def test_costs_are_measured_at_some_levels() -> None:
    where = space(1, heads=8, units=8)
    tried: list[tuple[LayerShape, ...]] = []

    def divergence(shapes: tuple[LayerShape, ...]) -> float:
        tried.append(shapes)
        return float(16 - shapes[0].heads - shapes[0].units)

    costs = measure_costs(where, divergence)
    left = [round(share * 8) for share in (*SHARES, 0)]
    assert tried == [(LayerShape(count, 8),) for count in left] + [(LayerShape(8, count),) for count in left]
    for cost in costs:
        assert cost[left] == pytest.approx([8 - count for count in left])


def point(budget: float, f1: float, units: int = 0) -> ParetoPoint:
    return ParetoPoint(
        budget=budget,
        shapes=(LayerShape(1, units or round(1000 * budget)),),
        predicted=budget,
        measured=budget,
        divergence=1 - budget,
        f1=f1,
        exact_match=f1 / 2,
    )


def test_bisection() -> None:
    """F1 falls with the budget; the gap around the floor is halved each time."""
    front = ParetoFront(points=(point(1.0, 100), point(0.8, 90), point(0.4, 50)), least=75.0)
    assert front.gap == (0.8, 0.4)
    asked: list[float] = []

    def measure(budget: float) -> ParetoPoint:
        asked.append(round(budget, 6))
        return point(budget, 100 * budget + 10)

    found = extend(front, measure, 3)
    assert asked == [0.6, 0.7, 0.65]
    assert found.fastest is not None
    assert found.fastest.budget == pytest.approx(0.65)
    assert [each.budget for each in found.points] == pytest.approx([1.0, 0.8, 0.7, 0.65, 0.6, 0.4])
    assert extend(ParetoFront(points=front.points, least=10.0), measure, 3).points == front.points


def test_choice() -> None:
    points = (point(1.0, 80.0), point(0.8, 79.5), point(0.6, 79.6), point(0.4, 60.0))
    front = ParetoFront(points=points, least=79.2)
    assert choose(front, None, keep_best=False) == points[2]
    assert choose(front, 0.5, keep_best=False) == points[3]
    assert choose(front, 0.9, keep_best=False) == points[2]
    high = ParetoFront(points=points, least=81.0)
    with pytest.raises(ValueError, match=r"F1 is 80\.00 at best, at 100% of the time, and 81\.00 is wanted"):
        choose(high, None, keep_best=False)
    assert choose(high, None, keep_best=True) == points[0]
    twice = [point(0.7, 70, units=5), point(0.8, 70, units=5), point(0.9, 70, units=6)]
    assert without_repeats(twice) == (twice[2], twice[1])
