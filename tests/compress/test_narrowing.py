"""Probes that rank tokens, and how far layers are narrowed."""

import itertools

import networks
import numpy as np
import pytest
from checkpoints import OUTPUTS, TINY, run
from spanjet.compress.prune.narrowing import SHARES, Shares, find_shares, fit_probes, narrow, widened
from spanjet.compress.prune.network import Network
from spanjet.compress.prune.packing import Taps
from spanjet.model.graph.narrowing import probe_name
from spanjet.model.layer_shape import LayerShape


@pytest.fixture(scope="module")
def network() -> Network:
    return Network.load(TINY)


def test_a_probe_is_the_weighted_least_squares_fit(network: Network) -> None:
    windows = networks.windows(network, [20, 31, 20, 45], seed=3)
    probes = fit_probes(network, windows)
    rows, targets, weights = [], [], []
    taps = Taps(network, ["encoder.layer.0.ffn.norm"])
    for window in windows:
        ((_, vectors),) = taps(window)
        logits = run(network.build(), window)
        target = np.maximum(np.stack([logits[name][0] - logits[name].max() for name in OUTPUTS], 1), -8)
        rows.append(np.concatenate([vectors, np.ones((len(vectors), 1))], axis=1).astype(np.float64))
        targets.append(target)
        weights.append(np.sqrt(np.exp(target.max(axis=1) / 2) + 0.02))
    rows_, weight = np.concatenate(rows), np.concatenate(weights)[:, None]
    moment = (rows_ * weight).T @ (rows_ * weight)
    ridge = np.sqrt(1e-3 * np.trace(moment) / len(moment)) * np.eye(len(moment))
    left = np.concatenate([rows_ * weight, ridge])
    right = np.concatenate([np.concatenate(targets) * weight, np.zeros((len(moment), 2))])
    expected = np.linalg.lstsq(left, right, rcond=None)[0]
    name = probe_name(f"{network.architecture.layers}.1")
    assert set(probes) == {f"{name}.weight", f"{name}.bias"}
    assert probes[f"{name}.weight"] == pytest.approx(expected[:-1].T, abs=1e-3)
    assert probes[f"{name}.bias"] == pytest.approx(expected[-1], abs=1e-3)


def test_probes_find_the_answer_better_than_chance(network: Network) -> None:
    """Of the tokens with the greatest logits, more are left than of all."""
    fitted = fit_probes(network, networks.windows(network, [40] * 12, seed=5))
    small = narrow(network, (1.0, 0.25), fitted).build()
    kept = 0
    windows = networks.windows(network, [40] * 20, seed=6)
    for window in windows:
        best = run(network.build(), window)["start_logits"][0].argmax()
        kept += run(small, window)["start_logits"][0][best] > -9999
    assert kept > 10


def test_the_path_of_shares() -> None:
    """Each step lowers one layer, costs the least for its time, and later layers never have more."""
    weights = (0.0, 3.0, 1.0, 0.1)

    def divergence(shares: Shares) -> float:
        return 0.05 * sum(weight * (1 - share) for weight, share in zip(weights, shares, strict=True))

    found = find_shares(4, divergence, sum)
    assert found[0] == (1.0,) * 4
    assert found[1] == (1.0, 1.0, 1.0, SHARES[1])
    for before, after in itertools.pairwise(found):
        changed = [index for index in range(4) if before[index] != after[index]]
        assert len(changed) == 1
        assert SHARES.index(after[changed[0]]) == SHARES.index(before[changed[0]]) + 1
        assert list(after) == sorted(after, reverse=True)
    assert found[-1] == (1.0, *(SHARES[-1],) * 3)
    assert found.index((1.0, 1.0, 1.0, SHARES[-1])) == len(SHARES) - 1


def test_a_step_that_frees_no_time_is_the_last_resort() -> None:
    """Choosing tokens takes time: the first share alone would not pay, the next does."""

    def seconds(shares: Shares) -> float:
        return sum(shares) + 0.4 * sum(after < before for before, after in itertools.pairwise(shares))

    def divergence(shares: Shares) -> float:
        return 0.01 * sum(1 - share for share in shares)

    found = find_shares(2, divergence, seconds)
    assert seconds(found[1]) > seconds(found[0])
    assert found == [(1.0, share) for share in SHARES]
    three = find_shares(3, divergence, seconds)
    assert len(three) == len(set(three))
    assert three[-1] == (1.0, SHARES[-1], SHARES[-1])


def test_the_path_ends_where_little_is_left() -> None:
    def divergence(shares: Shares) -> float:
        return sum(1 - share for share in shares)

    assert find_shares(3, divergence, sum) == [(1.0, 1.0, 1.0), (1.0, 1.0, SHARES[1])]


def test_widened() -> None:
    shapes = (LayerShape(2, 3, 0.5), LayerShape(1, 0, 0.25))
    assert widened(shapes) == (LayerShape(2, 3), LayerShape(1, 0))
