"""Batches: every window once, within the budget, and little padding."""

import numpy as np
import pytest
from numpy.typing import NDArray
from spanjet.schedule import schedule


def random_lengths(seed: int) -> NDArray[np.int64]:
    generator = np.random.default_rng(seed)
    return generator.integers(5, 385, size=int(generator.integers(1, 500)))


@pytest.mark.parametrize("seed", range(20))
def test_each_window_once_within_the_budget(seed: int) -> None:
    lengths = random_lengths(seed)
    batches = schedule(lengths, batch_tokens=1000, length_multiple=16)
    np.testing.assert_array_equal(
        np.sort(np.concatenate([rows for rows, _ in batches])), np.arange(len(lengths))
    )
    for rows, length in batches:
        assert rows.dtype == np.int64
        assert length % 16 == 0
        assert lengths[rows].max() <= length < lengths[rows].max() + 16
        assert len(rows) * length <= 1000


@pytest.mark.parametrize("seed", range(5))
def test_as_full_as_can_be(seed: int) -> None:
    lengths = random_lengths(seed)
    for rows, length in schedule(lengths, batch_tokens=1000)[:-1]:
        assert (len(rows) + 1) * length > 1000


def test_longest_first_and_equal_lengths_in_order() -> None:
    batches = schedule(np.array([3, 9, 3, 9, 3]), batch_tokens=20, length_multiple=1)
    assert [(rows.tolist(), length) for rows, length in batches] == [([1, 3], 9), ([0, 2, 4], 3)]


def test_a_window_over_the_budget_is_alone() -> None:
    batches = schedule(np.array([100, 7, 120]), batch_tokens=50, length_multiple=16)
    assert [(rows.tolist(), length) for rows, length in batches] == [([2], 128), ([0], 112), ([1], 16)]


def test_rounds_up_to_what_the_model_takes_at_most() -> None:
    batches = schedule(np.array([70, 60]), batch_tokens=1, length_multiple=16, max_length=75)
    assert [length for _, length in batches] == [75, 64]


def test_little_padding() -> None:
    lengths = random_lengths(7)
    padded = sum(len(rows) * length for rows, length in schedule(lengths))
    assert padded / lengths.sum() < 1.1


def test_nothing_to_do() -> None:
    assert schedule(np.array([], np.int64)) == []
