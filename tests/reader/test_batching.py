"""Batches: every window once, within the budget, and little padding."""

import numpy as np
import pytest
from numpy.typing import NDArray
from spanjet import Reader
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


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("streams", [0, 1, 2, 7])
def test_each_window_once_within_the_budget(seed: int, streams: int) -> None:
    lengths = random_lengths(seed)
    batches = schedule(lengths, batch_tokens=1000, streams=streams)
    np.testing.assert_array_equal(
        np.sort(np.concatenate([rows for rows, _ in batches])), np.arange(len(lengths))
    )
    for rows, length in batches:
        assert rows.dtype == np.int64
        assert length % 16 == 0
        assert lengths[rows].max() <= length < lengths[rows].max() + 16
        assert len(rows) * length <= 1000


def test_padded_lengths() -> None:
    assert padded_lengths(np.array([1, 15, 16, 17, 160, 161])).tolist() == [16, 16, 16, 32, 160, 176]
    assert padded_lengths(np.array([1, 64, 65, 77]), max_length=77).tolist() == [16, 64, 77, 77]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("streams", [0, 2])
def test_windows_of_the_last_odd_positions_share_no_batch_with_others(seed: int, streams: int) -> None:
    """Of 377 positions: what is longer than 368 is padded to 377, and nothing else is."""
    lengths = np.minimum(random_lengths(seed), 377)
    lengths[::3] = 369 + lengths[::3] % 9
    batches = schedule(lengths, batch_tokens=1000, max_length=377, streams=streams)
    assert sorted(np.concatenate([rows for rows, _ in batches]).tolist()) == list(range(len(lengths)))
    assert {length % 16 for _, length in batches} <= {0, 377 % 16}
    for rows, length in batches:
        assert set((lengths[rows] > 368).tolist()) == {length == 377}


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
    for rows, length in schedule(lengths, batch_tokens=1000):
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
    batches = schedule(np.array([3, 90, 3, 90, 3]), batch_tokens=200, streams=1)
    assert [(rows.tolist(), length) for rows, length in batches] == [([1, 3], 96), ([0, 2, 4], 16)]


def test_a_window_over_the_budget_is_alone() -> None:
    batches = schedule(np.array([100, 7, 120]), batch_tokens=50)
    assert [(rows.tolist(), length) for rows, length in batches] == [([2], 128), ([0], 112), ([1], 16)]


def test_rounds_up_to_what_the_model_takes_at_most() -> None:
    batches = schedule(np.array([70, 60]), batch_tokens=1, max_length=75)
    assert [length for _, length in batches] == [75, 64]


@pytest.mark.parametrize("seed", range(3))
def test_little_padding(seed: int) -> None:
    lengths = like_squad(seed)
    assert positions(schedule(lengths)) / lengths.sum() < 1.05


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


def test_what_is_planned(reader: Reader) -> None:
    with pytest.raises(TypeError, match="windows: expected Windows or an array of their lengths, found list"):
        reader.batches([10, 20])  # type: ignore[arg-type]
