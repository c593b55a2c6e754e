"""What errors of blocks cost, against the curvature by brute force."""

from collections.abc import Mapping

import networks
import numpy as np
import pytest
from checkpoints import OUTPUTS, Batch
from numpy.typing import NDArray
from spanjet.compress.prune.gauss_newton import Curvature, measure_curvature
from spanjet.compress.prune.network import Network
from spanjet.compress.prune.one_shot import OneShot
from spanjet.compress.prune.optimal_brain_surgeon import damped
from spanjet.compress.prune.removal_order import find_orders
from spanjet.compress.prune.second_moments import measure_second_moments
from spanjet.model.layer_shape import LayerShape
from spanjet.runtime.openvino import ops, ov, shared_core

OUTPUT = {"heads": "attention.output", "units": "ffn.down"}
INNER = {"heads": "attention.context", "units": "ffn.activation"}
BLOCKS = [(kind, index) for index in range(2) for kind in ("heads", "units")]


@pytest.fixture(scope="module")
def network() -> Network:
    return networks.alive(networks.tiny())


class Shifted:
    """A network with something added to a block's output."""

    def __init__(self, network: Network, kind: str, index: int) -> None:
        model = network.build()
        nodes = {node.get_friendly_name(): node for node in model.get_ordered_ops()}
        output = nodes[f"encoder.layer.{index}.{OUTPUT[kind]}"].output(0)
        shift = ops.parameter([-1, -1, network.architecture.hidden_size], np.float32, name="shift")
        shift.output(0).set_names({"shift"})
        readers = list(output.get_target_inputs())
        total = ops.add(output, shift)
        for reader in readers:
            reader.replace_source_output(total.output(0))
        inner = ops.result(nodes[f"encoder.layer.{index}.{INNER[kind]}"].output(0))
        model = ov.Model([*model.get_results(), inner], [*model.get_parameters(), shift], "shifted")
        self._compiled = shared_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def __call__(self, batch: Batch, shift: NDArray[np.float32]) -> tuple[NDArray[np.float64], ...]:
        """Logits, float64[2, length], and what the product reads, float64[length, inner]."""
        found = self._compiled({**batch, "shift": shift})
        logits = np.stack([found[name][0] for name in OUTPUTS]).astype(np.float64)
        return logits, found[2][0].astype(np.float64)


def curvature(network: Network, kind: str, index: int, batch: Batch) -> tuple[NDArray[np.float64], ...]:
    """Of each token J' (diag p - p p') J, float64[length, hidden, hidden], and what the product reads."""
    width, length = network.architecture.hidden_size, batch["input_ids"].shape[1]
    shifted, step = Shifted(network, kind, index), 1e-2
    plain, inner = shifted(batch, np.zeros((1, length, width), np.float32))
    likely = np.exp(plain - plain.max(axis=1, keepdims=True))
    likely /= likely.sum(axis=1, keepdims=True)
    found = np.zeros((length, width, width))
    for token in range(length):
        slopes = np.zeros((2, length, width))
        for place in range(width):
            shift = np.zeros((1, length, width), np.float32)
            shift[0, token, place] = step
            slopes[:, :, place] = (shifted(batch, shift)[0] - shifted(batch, -shift)[0]) / (2 * step)
        for end in range(2):
            middle = np.diag(likely[end]) - np.outer(likely[end], likely[end])
            found[token] += slopes[end].T @ middle @ slopes[end]
    return found, inner


@pytest.mark.parametrize(("kind", "index"), BLOCKS)
def test_the_curvature_of_the_divergence(network: Network, kind: str, index: int) -> None:
    """On average over the random numbers: here over many draws on two windows."""
    windows = networks.windows(network, [9, 7], seed=4)
    draws = 900
    found = measure_curvature(network, windows * draws, seed=1)
    costs, readers = zip(*(curvature(network, kind, index, window) for window in windows), strict=True)
    expected = sum(each.sum(axis=0) for each in costs)
    outputs = found.outputs[kind, index] / draws
    assert np.linalg.norm(outputs - expected) < 0.15 * np.linalg.norm(expected)
    assert np.trace(outputs) == pytest.approx(np.trace(expected), rel=0.1)
    moment = np.zeros_like(found.inner[kind, index])
    for cost, inner in zip(costs, readers, strict=True):
        longer = np.concatenate([inner, np.ones((len(inner), 1))], axis=1)
        moment += (longer * np.trace(cost, axis1=1, axis2=2)[:, None]).T @ longer
    assert np.linalg.norm(found.inner[kind, index] / draws - moment) < 0.15 * np.linalg.norm(moment)


def test_padding_costs_nothing(network: Network) -> None:
    """A long window beside a short one changes nothing about the latter but the random numbers."""
    together = measure_curvature(network, networks.windows(network, [30, 12], seed=2))
    assert all(np.isfinite(values).all() for values in together.outputs.values())
    alone = measure_curvature(network, networks.windows(network, [30], seed=2))
    for block in BLOCKS:
        both, one = (each.inner[block][-1, -1] for each in (together, alone))
        assert both > one * 0.2


def test_the_seed_decides(network: Network) -> None:
    windows = networks.windows(network, [20, 25], seed=2)
    first, again, other = (measure_curvature(network, windows, seed=seed) for seed in (0, 0, 1))
    for block in BLOCKS:
        np.testing.assert_array_equal(first.outputs[block], again.outputs[block])
        assert not np.array_equal(first.outputs[block], other.outputs[block])


def test_arrays_and_back(network: Network) -> None:
    found = measure_curvature(network, networks.windows(network, [20], seed=2))
    back = Curvature.from_arrays(found.arrays())
    for part in ("outputs", "inner"):
        mine: Mapping[tuple[str, int], NDArray[np.float64]] = getattr(found, part)
        assert mine.keys() == getattr(back, part).keys()
        assert all(np.array_equal(values, getattr(back, part)[block]) for block, values in mine.items())


def test_tokens_count_by_what_they_cost(network: Network) -> None:
    windows = networks.windows(network, [20, 33], seed=2)
    moments, found = measure_second_moments(network, windows), measure_curvature(network, windows)
    blended = found.weighted(moments)
    assert blended.tokens == moments.tokens
    for block, mixed in blended.blocks.items():
        plain = moments.blocks[block]
        assert mixed[-1, -1] == pytest.approx(moments.tokens)
        assert not np.allclose(plain, mixed)
        assert np.linalg.eigvalsh(mixed).min() > -1e-6 * np.trace(mixed)
    shares = found.inner["units", 0] / found.inner["units", 0][-1, -1]
    plain = moments.blocks["units", 0]
    np.testing.assert_allclose(blended.blocks["units", 0], 0.7 * plain + 0.3 * moments.tokens * shares)


def test_a_network_without_some_blocks(network: Network) -> None:
    windows = networks.windows(network, [20, 33], seed=2)
    small = networks.sliced(network, networks.simple_orders(network), [LayerShape(0, 64), LayerShape(4, 0)])
    moments, found = measure_second_moments(small, windows), measure_curvature(small, windows)
    assert set(found.outputs) == {("units", 0), ("heads", 1)}
    blended = found.weighted(moments)
    assert blended.blocks.keys() == found.outputs.keys()


def test_orders_by_cost_keep_what_answers_need(network: Network) -> None:
    """What the answers' curvature says of the cut is less than with orders that take all outputs alike."""
    windows = networks.windows(network, [20 + index for index in range(24)], seed=5)
    moments, found = measure_second_moments(network, windows), measure_curvature(network, windows)
    better = []
    for outputs in (None, found.outputs):
        orders = find_orders(network, moments, outputs=outputs)
        total = 0.0
        for index in range(2):
            names, order = network.layer(index), orders.blocks["units", index]
            shapes = [LayerShape(4, 24) if place == index else LayerShape(4, 64) for place in range(2)]
            fitted = OneShot(network, moments, orders)(shapes)
            whole = np.zeros((32, 65))
            whole[:, order.kept(24)] = fitted.tensors[f"{names.down}.weight"]
            whole[:, -1] = fitted.tensors[f"{names.down}.bias"]
            missing = whole - np.concatenate(
                [network.tensors[f"{names.down}.weight"], network.tensors[f"{names.down}.bias"][:, None]],
                axis=1,
            )
            total += float(
                np.trace(
                    found.outputs["units", index]
                    @ missing
                    @ damped(moments.blocks["units", index])
                    @ missing.T
                )
            )
        better.append(total)
    assert better[1] < better[0]
