"""Batches: every window once, within the budget, and little padding."""

import numpy as np
import pytest
from numpy.typing import NDArray
from spanjet.reader import batching as module
from spanjet.reader.batching import PlannedBatch, padded_lengths, schedule


def random_lengths(seed: int, most: int = 500) -> NDArray[np.int64]:
    generator = np.random.default_rng(seed)
    return generator.integers(5, 385, size=int(generator.integers(1, most)))


def like_squad(seed: int, count: int = 2000) -> NDArray[np.int64]:
    """Lengths with SQuAD's median of 164 and mean of 178, cut off at 384."""
    lengths = np.random.default_rng(seed).lognormal(np.log(164), 0.4, count)
    return np.clip(lengths, 30, 384).astype(np.int64)


def positions(batches: list[PlannedBatch]) -> int:
    return sum(len(rows) * length for rows, length in batches)


def slow_padded_length(length: int, multiple: int, excess: int) -> int:
    while not (length % multiple == 0 or (length % multiple == excess and length > excess)):
        length += 1
    return length


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("streams", [0, 1, 2, 7])
def test_each_window_once_within_the_budget(seed: int, streams: int) -> None:
    lengths = random_lengths(seed)
    batches = schedule(lengths, batch_tokens=1000, length_multiple=16, length_excess=4, streams=streams)
    np.testing.assert_array_equal(
        np.sort(np.concatenate([rows for rows, _ in batches])), np.arange(len(lengths))
    )
    for rows, length in batches:
        assert rows.dtype == np.int64
        assert length % 16 in (0, 4)
        assert lengths[rows].max() <= length < lengths[rows].max() + 16
        assert len(rows) * length <= 1000


@pytest.mark.parametrize(("multiple", "excess"), [(16, 4), (16, 0), (8, 3), (1, 0), (5, 5), (4, 9)])
def test_padded_lengths(multiple: int, excess: int) -> None:
    lengths = np.arange(1, 200)
    padded = padded_lengths(lengths, length_multiple=multiple, length_excess=excess)
    if excess >= multiple:
        excess = 0
    expected = [slow_padded_length(length, multiple, excess) for length in lengths[excess:].tolist()]
    assert padded[excess:].tolist() == expected
    assert padded[:excess].tolist() == [excess] * excess


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("multiple", "excess"), [(16, 4), (8, 3), (16, 0), (1, 0)])
def test_a_windows_vectors_do_not_depend_on_its_neighbours(seed: int, multiple: int, excess: int) -> None:
    """Each window's positions behind the last whole vector are the same as if it were alone."""
    lengths = random_lengths(seed)
    options = {"length_multiple": multiple, "length_excess": excess}
    for rows, length in schedule(lengths, batch_tokens=1000, **options):
        for window in lengths[rows].tolist():
            alone = schedule(np.array([window]), batch_tokens=1000, **options)[0].length
            assert max(window, length // 16 * 16) == max(window, alone // 16 * 16) or (
                window <= alone // 16 * 16 and window <= length // 16 * 16
            )


def fewest(lengths: tuple[int, ...], budget: int) -> int:
    """Positions and overhead of the best cut among all into full, half full and single batches and a rest."""
    if not lengths:
        return 0
    full = max(1, budget // lengths[0])
    return min(
        rows * lengths[0] + module.BATCH_OVERHEAD + fewest(lengths[rows:], budget)
        for rows in {full, full // 2, 1, min(full, len(lengths))}
        if 0 < rows <= len(lengths)
    )


@pytest.mark.parametrize("seed", range(10))
def test_no_other_cut_has_fewer_positions(seed: int) -> None:
    lengths = random_lengths(seed, most=24) // 16 * 16 + 16
    batches = schedule(lengths, batch_tokens=1000, streams=1)
    cost = positions(batches) + module.BATCH_OVERHEAD * len(batches)
    assert cost == fewest(tuple(sorted(lengths.tolist(), reverse=True)), 1000)


@pytest.mark.parametrize("seed", range(10))
def test_batches_are_full_where_others_follow(seed: int) -> None:
    lengths = random_lengths(seed)
    left = len(lengths)
    for rows, length in schedule(lengths, batch_tokens=1000, length_excess=0):
        full = 1000 // length
        assert len(rows) in ({full} if left >= full else {full // 2, 1})
        left -= len(rows)
    assert left == 0


@pytest.mark.parametrize("seed", range(5))
def test_few_shapes(seed: int) -> None:
    """Three numbers of rows for each length; where no other batches follow, also what is left at the end."""
    lengths = like_squad(seed)
    for streams, rests in ((0, 0), (1, 1)):
        others = [
            len(rows)
            for rows, length in schedule(lengths, batch_tokens=1024, streams=streams)
            if len(rows) not in (1024 // length, 1024 // length // 2, 1)
        ]
        assert len(others) <= rests


def test_memory_stays_flat_over_a_long_run() -> None:
    """OpenVINO keeps memory for each shape: hardly any are new after a tenth of 100,000 windows."""
    lengths = like_squad(9, 100_000)
    shapes = [{(len(rows), length) for rows, length in schedule(part)} for part in np.split(lengths, 100)]
    early, all_of_them = set().union(*shapes[:10]), set().union(*shapes)
    assert len(all_of_them) <= 90
    assert len(all_of_them - early) <= 5


def test_longest_first_and_equal_lengths_in_order() -> None:
    batches = schedule(np.array([3, 90, 3, 90, 3]), batch_tokens=200, length_excess=0, streams=1)
    assert [(rows.tolist(), length) for rows, length in batches] == [([1, 3], 96), ([0, 2, 4], 16)]


def test_a_window_over_the_budget_is_alone() -> None:
    batches = schedule(np.array([100, 7, 120]), batch_tokens=50, length_multiple=16, length_excess=4)
    assert [(rows.tolist(), length) for rows, length in batches] == [([2], 128), ([0], 100), ([1], 16)]


def test_rounds_up_to_what_the_model_takes_at_most() -> None:
    batches = schedule(np.array([70, 60]), batch_tokens=1, length_excess=0, max_length=75)
    assert [length for _, length in batches] == [75, 64]


@pytest.mark.parametrize("seed", range(3))
def test_little_padding(seed: int) -> None:
    lengths = like_squad(seed)
    assert positions(schedule(lengths)) / lengths.sum() < 1.03
    assert positions(schedule(lengths, length_excess=0)) / lengths.sum() < 1.05


def finish(batches: list[PlannedBatch], streams: int) -> list[int]:
    """When each stream is done, if each batch takes its positions and goes to the first that is free."""
    done = [0] * streams
    for rows, length in batches:
        done[done.index(min(done))] += len(rows) * length
    return done


@pytest.mark.parametrize("streams", [2, 4])
@pytest.mark.parametrize("seed", range(5))
def test_streams_end_at_nearly_the_same_time(streams: int, seed: int) -> None:
    done = finish(schedule(like_squad(seed, 300), streams=streams), streams)
    assert max(done) - min(done) <= 400


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_the_windows_does_not_matter(seed: int) -> None:
    lengths = like_squad(seed, 200)
    order = np.random.default_rng(seed).permutation(len(lengths))
    shapes = [(len(rows), length) for rows, length in schedule(lengths)]
    assert [(len(rows), length) for rows, length in schedule(lengths[order])] == shapes


def test_nothing_to_do() -> None:
    assert schedule(np.array([], np.int64)) == []
    assert schedule(np.array([], np.int64), streams=2) == []
