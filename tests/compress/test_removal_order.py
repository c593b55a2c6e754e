"""Removal orders and updates against the closed form, and against greedy removal by brute force."""

from dataclasses import replace
from itertools import combinations, pairwise

import networks
import numpy as np
import pytest
from numpy.typing import NDArray
from spanjet.compress.prune.optimal_brain_surgeon import Order, damped, order_columns, order_groups, reduced
from spanjet.compress.prune.removal_order import Orders, find_orders
from spanjet.compress.prune.second_moments import measure_second_moments
from spanjet.compress.prune.structures.feed_forward_units import FeedForwardUnits


def problem(
    inputs: int, outputs: int = 5, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """A weight, a bias and correlated inputs, float64[tokens, inputs]."""
    generator = np.random.default_rng(seed)
    mixed = generator.standard_normal((inputs, inputs)) * generator.uniform(0.2, 2, inputs)
    values = generator.standard_normal((200, inputs)) @ mixed + generator.standard_normal(inputs)
    return generator.standard_normal((outputs, inputs)), generator.standard_normal(outputs), values


def gram(values: NDArray[np.float64]) -> NDArray[np.float64]:
    longer = np.concatenate([values, np.ones((len(values), 1))], axis=1)
    total: NDArray[np.float64] = longer.T @ longer
    return total


def ridge_error(weight: NDArray[np.float64], total: NDArray[np.float64], kept: list[int]) -> float:
    """The least of ‖Y - X_R V‖² + damping ‖W - V‖², found by least squares on stacked rows."""
    root = np.linalg.cholesky(total).T  # rows whose Gram matrix is the damped one
    target = root @ np.concatenate([weight, np.zeros((len(weight), 1))], axis=1).T
    rows = root[:, [*kept, len(total) - 1]]
    solution = np.linalg.lstsq(rows, target, rcond=None)[0]
    return float(np.square(target - rows @ solution).sum())


def brute_force(weight: NDArray[np.float64], total: NDArray[np.float64], groups: list[list[int]]) -> Order:
    """Greedy removal, each candidate computed from scratch."""
    left, removed, errors = list(range(len(groups))), [], [0.0]
    while left:
        tried = {
            group: ridge_error(weight, total, [i for each in left if each != group for i in groups[each]])
            for group in left
        }
        best = min(tried, key=lambda group: tried[group])
        left.remove(best)
        removed.append(best)
        errors.append(tried[best])
    return Order(np.array(removed), np.array(errors) / errors[-1])


@pytest.mark.parametrize("seed", range(3))
def test_units_one_by_one_are_removed_as_by_brute_force(seed: int) -> None:
    weight, _, values = problem(12, seed=seed)
    total = damped(gram(values), 1e-2)
    order, expected = (
        order_columns(weight, total, block=1),
        brute_force(weight, total, [[i] for i in range(12)]),
    )
    assert order.removed.tolist() == expected.removed.tolist()
    np.testing.assert_allclose(order.error, expected.error, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_heads_are_removed_as_by_brute_force(seed: int) -> None:
    weight, _, values = problem(12, seed=seed)
    total = damped(gram(values), 1e-2)
    groups = [list(range(3 * head, 3 * head + 3)) for head in range(4)]
    order, expected = order_groups(weight, total, 4), brute_force(weight, total, groups)
    assert order.removed.tolist() == expected.removed.tolist()
    np.testing.assert_allclose(order.error, expected.error, atol=1e-9)


@pytest.mark.parametrize("block", [1, 4, 5, 64])
def test_the_error_of_any_order_is_that_of_the_closed_form(block: int) -> None:
    """Whatever is chosen, the error after each removal is that of the refitted rest."""
    weight, _, values = problem(20)
    total = damped(gram(values), 1e-3)
    order = order_columns(weight, total, block=block)
    assert sorted(order.removed.tolist()) == list(range(20))
    whole = ridge_error(weight, total, [])
    for count in range(21):
        expected = ridge_error(weight, total, order.kept(20 - count).tolist()) / whole
        assert order.error[count] == pytest.approx(expected, abs=1e-9)
    assert (np.diff(order.error) >= 0).all()
    assert (order.error[0], order.error[-1]) == (0, 1)


def test_small_blocks_are_nearly_as_good_as_one() -> None:
    weight, _, values = problem(128, outputs=16, seed=4)
    total = damped(gram(values), 1e-3)
    one, four = (order_columns(weight, total, block=block) for block in (1, 4))
    assert one.removed.tolist() != four.removed.tolist()
    assert four.error[64] < 1.1 * one.error[64]


def test_greedy_is_near_the_best_subset() -> None:
    weight, _, values = problem(10, seed=2)
    total = damped(gram(values), 1e-3)
    order = order_columns(weight, total, block=1)
    whole = ridge_error(weight, total, [])
    best = min(ridge_error(weight, total, list(kept)) for kept in combinations(range(10), 5)) / whole
    assert best * (1 - 1e-9) <= order.error[5] < 1.5 * best


@pytest.mark.parametrize("count", [0, 1, 7, 12])
def test_what_is_left_is_the_least_squares_fit(count: int) -> None:
    """Nearly undamped, weight and bias are those that numpy fits to the outputs themselves."""
    weight, bias, values = problem(12)
    kept = np.sort(np.random.default_rng(1).permutation(12)[:count])
    fitted, shift = reduced(weight, bias, damped(gram(values), 1e-12), kept)
    assert fitted.dtype == shift.dtype == np.float32
    assert (fitted.shape, shift.shape) == ((5, count), (5,))
    rows = np.concatenate([values[:, kept], np.ones((len(values), 1))], axis=1)
    expected = np.linalg.lstsq(rows, values @ weight.T + bias, rcond=None)[0].T
    np.testing.assert_allclose(np.column_stack([fitted, shift]), expected, rtol=1e-4, atol=1e-4)


def test_updates_one_after_another_are_the_closed_form() -> None:
    """W - W_S (H⁻¹_SS)⁻¹ H⁻¹_S:, input by input, as optimal brain surgeon has it."""
    weight, bias, values = problem(9)
    total = damped(gram(values), 1e-2)
    order = order_columns(weight, total, block=1)
    rest, inverse = np.column_stack([weight, bias]), np.linalg.inv(total)
    for removed in order.removed[:5].tolist():
        rest = rest - np.outer(rest[:, removed], inverse[removed]) / inverse[removed, removed]
        inverse = inverse - np.outer(inverse[:, removed], inverse[removed]) / inverse[removed, removed]
        inverse[removed, removed] = 1.0  # never chosen again
    kept = order.kept(4)
    fitted, shift = reduced(weight, bias, total, kept)
    np.testing.assert_allclose(fitted, rest[:, kept], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(shift, rest[:, -1], rtol=1e-4, atol=1e-5)


def test_the_update_is_worth_more_than_the_score() -> None:
    """On correlated inputs, half of them refitted miss far less than the same half as they were."""
    weight, bias, values = problem(40, outputs=8, seed=3)
    total = damped(gram(values), 1e-3)
    kept = order_columns(weight, total).kept(20)
    outputs = values @ weight.T + bias
    fitted, shift = reduced(weight, bias, total, kept)

    def missed(found: NDArray[np.floating]) -> float:
        return float(np.square(outputs - found).sum())

    assert missed(values[:, kept] @ fitted.T + shift) < 0.5 * missed(
        values[:, kept] @ weight[:, kept].T + bias
    )


def test_damping_is_a_share_of_the_mean_and_leaves_the_bias() -> None:
    _, _, values = problem(6)
    total = gram(values)
    added = damped(total, 0.5) - total
    mean = np.diagonal(total)[:-1].mean()
    np.testing.assert_allclose(np.diagonal(added), [0.5 * mean] * 6 + [0.0], rtol=1e-9, atol=1e-9)
    assert np.count_nonzero(added) == 6


def test_a_dead_unit_goes_first() -> None:
    weight, _, values = problem(8)
    values[:, 3] = 0
    weight[:, 5] = 0
    order = order_columns(weight, damped(gram(values), 1e-6), block=1)
    assert {3, 5} == set(order.removed[:2].tolist())
    nothing = order_columns(np.zeros((5, 8)), damped(np.zeros((9, 9)) + np.diag([0.0] * 8 + [1.0])), block=3)
    assert sorted(nothing.removed.tolist()) == list(range(8))
    assert np.isfinite(nothing.error).all()


def test_orders_of_a_network() -> None:
    network = networks.alive(networks.tiny())
    moments = measure_second_moments(network, networks.windows(network, (20, 31, 17)))
    steps: list[tuple[int, int | None]] = []
    orders = find_orders(network, moments, on_step=lambda done, total: steps.append((done, total)))
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    for index in range(2):
        names = network.layer(index)
        heads, units = (orders.blocks[name, index] for name in ("heads", "units"))
        weight = network.tensors[f"{names.down}.weight"]
        expected = order_columns(weight, damped(moments.blocks["units", index]))
        assert np.array_equal(units.removed, expected.removed)
        weight = network.tensors[f"{names.attention_output}.weight"]
        expected = order_groups(weight, damped(moments.blocks["heads", index]), 4)
        assert np.array_equal(heads.removed, expected.removed)
        assert (len(heads.error), len(units.error)) == (5, 65)
    back = Orders.from_arrays(orders.arrays())
    for name, values in orders.arrays().items():
        assert np.array_equal(values, back.arrays()[name]), name
    other = find_orders(network, moments, damping=1.0)
    assert any(
        not np.allclose(order.error, other.blocks[block].error)
        for block, order in orders.blocks.items()
        if block[0] == "units"
    )


def test_outputs_that_cost_nothing_do_not_count() -> None:
    """With one output that matters, the order is that of its row alone."""
    network = networks.alive(networks.tiny())
    moments = measure_second_moments(network, networks.windows(network, (20, 31, 17)))
    cost = np.zeros((32, 32))
    cost[7, 7] = 4.0
    places = {(kind, index): cost for kind in ("heads", "units") for index in range(2)}
    orders = find_orders(network, moments, outputs=places)
    row = network.tensors[f"{network.layer(1).down}.weight"][7:8]
    expected = order_columns(row, damped(moments.blocks["units", 1]))
    assert orders.blocks["units", 1].removed.tolist() == expected.removed.tolist()
    np.testing.assert_allclose(orders.blocks["units", 1].error, expected.error, atol=1e-6)


@pytest.mark.parametrize("units", [1, 31, 32, 64, 100, 1536, 4096])
def test_levels(units: int) -> None:
    config = replace(networks.tiny().architecture, intermediate_size=units)
    levels = FeedForwardUnits().levels(config)
    assert levels[0] == 0
    assert levels[-1] == units
    assert levels == sorted(set(levels))
    assert all(level % 32 == 0 for level in levels[:-1])
    larger = [level for level in levels if level > 320]
    assert all(small >= 0.8 * large for small, large in pairwise(larger))
