"""Distillation: gradients of the loss that is described, and training that lowers it."""

import math
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
from checkpoints import OUTPUTS, Batch, run
from numpy.typing import NDArray
from spanjet.compress.distill import distillation as module
from spanjet.compress.distill.adam import Adam
from spanjet.compress.distill.distillation import Distillation, distil
from spanjet.compress.prune import packing
from spanjet.compress.prune.network import Network
from spanjet.compress.prune.packing import pack
from spanjet.model.layer_shape import LayerShape
from spanjet.runtime.openvino import ops, ov, shared_core

LENGTHS = (40, 37, 33)


@pytest.fixture(scope="module")
def whole() -> Network:
    return networks.tiny()


def cut(
    network: Network,
    *,
    seed: int = 3,
    shapes: tuple[LayerShape, ...] = (LayerShape(3, 32), LayerShape(2, 64)),
) -> Network:
    """Other weights, fewer heads and units."""
    generator = np.random.default_rng(seed)
    small = networks.sliced(network, networks.simple_orders(network), shapes)
    names = [name for name in small.tensors if name.startswith(network.architecture.layers)]
    noisy = {
        name: (small.tensors[name] * generator.uniform(0.7, 1.3, small.tensors[name].shape)).astype(
            np.float32
        )
        for name in names
    }
    return small.with_layers(shapes, noisy)


def values_of(network: Network, names: list[str], batch: Batch) -> list[NDArray[Any]]:
    """Of some nodes."""
    model = network.build()
    nodes = {node.get_friendly_name(): node for node in model.get_ordered_ops()}
    tapped = ov.Model([ops.result(nodes[name].output(0)) for name in names], model.get_parameters(), "tapped")
    compiled = shared_core().compile_model(tapped, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    given = compiled(dict(batch))
    return [np.array(given[index]) for index in range(len(names))]


def vectors(network: Network, batch: Batch) -> list[NDArray[np.float64]]:
    """After each layer."""
    names = [f"encoder.layer.{index}.ffn.norm" for index in range(len(network.shapes))]
    return [values.astype(np.float64) for values in values_of(network, names, batch)]


def loss(network: Network, start: Network, batch: Batch, weight: float) -> float:
    """What the docstring says, by numpy."""
    mask = batch["attention_mask"] == 1
    total = 0.0
    answers = [run(each.build(), batch) for each in (network, start)]
    for name in OUTPUTS:
        wanted, found = (np.where(mask, each[name].astype(np.float64), -np.inf) for each in answers)
        wanted, found = (each - np.log(np.exp(each).sum(axis=1, keepdims=True)) for each in (wanted, found))
        likely = np.exp(wanted)
        total += float((likely[mask] * (wanted[mask] - found[mask])).sum()) / len(mask)
    errors = [
        np.square(found - wanted)[mask].sum() / np.square(wanted[mask]).sum()
        for wanted, found in zip(vectors(network, batch), vectors(start, batch), strict=True)
    ]
    return total + weight * float(np.mean(errors))


@pytest.mark.parametrize("family", ["bert", "mpnet"])
def test_gradients_of_the_loss(
    whole: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    monkeypatch.setattr(module, "_PRECISION", {"INFERENCE_PRECISION_HINT": "f32"})
    monkeypatch.setattr(module, "_VECTORS", 2.0)
    start, lengths = cut(whole), LENGTHS
    if family == "mpnet":
        whole = networks.load("mpnet", tmp_path)
        start, lengths = cut(whole, shapes=(LayerShape(1, 20), LayerShape(2, 16))), (36, 31, 29)
    batch = pack(networks.windows(whole, lengths), padding=0)[0]
    gradient = Distillation(whole, start)(batch).copy()
    place, compared = 0, 0
    for name, tensor in Distillation(whole, start).tensors().items():
        part = gradient[place : place + tensor.size].reshape(tensor.shape)
        place += tensor.size
        length = float(np.linalg.norm(part))
        if length < 1e-6:  # biases of keys, and of the answers: probabilities do not depend on them
            continue
        direction = (part / length).astype(np.float32)
        step = 2e-2
        sides = [start.with_tensors({name: tensor + sign * step * direction}) for sign in (1, -1)]
        ends = [loss(whole, side, batch, 2.0) for side in sides]
        assert length == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=3e-2, abs=2e-5), name
        compared += 1
    assert place == len(gradient)
    assert compared >= 25


def test_training_comes_nearer(whole: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RATE", 2e-3)
    monkeypatch.setattr(module, "_TOKENS", 256)
    start = cut(whole)
    inputs = networks.windows(whole, [20 + index % 25 for index in range(160)], seed=1)
    steps: list[tuple[int, int]] = []
    trained = distil(whole, start, inputs, on_step=lambda *done: steps.append(done))
    assert steps[-1][0] == steps[-1][1] == len(steps)
    fresh = pack(networks.windows(whole, [25, 35, 40, 30] * 3, seed=8), padding=0)
    before, after = (
        np.mean(
            [
                np.square(expected - found)[batch["attention_mask"][:, : expected.shape[1]] == 1].mean()
                for batch in fresh
                for expected, found in [(vectors(whole, batch)[0], vectors(each, batch)[0])]
            ]
        )
        for each in (start, trained)
    )
    assert after < 0.5 * before
    assert np.mean([loss(whole, trained, batch, 0.0) for batch in fresh]) < 0.6 * np.mean(
        [loss(whole, start, batch, 0.0) for batch in fresh]
    )
    changed = {name for name in start.tensors if trained.tensors[name] is not start.tensors[name]}
    assert not any("embeddings" in name for name in changed)
    assert trained.shapes == start.shapes


def test_the_same_seed_gives_the_same_bits(whole: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TOKENS", 256)
    start = cut(whole)
    inputs = networks.windows(whole, [20 + index % 25 for index in range(40)], seed=1)
    first, again, other = (distil(whole, start, inputs, seed=seed) for seed in (0, 0, 1))
    assert all(np.array_equal(first.tensors[name], again.tensors[name]) for name in first.tensors)
    assert any(not np.array_equal(first.tensors[name], other.tensors[name]) for name in first.tensors)


def test_gradients_that_are_not_finite(whole: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Computed once more, and then left out."""
    monkeypatch.setattr(module, "_TOKENS", 256)
    start, right = cut(whole), Distillation.__call__
    inputs = networks.windows(whole, [20 + index % 25 for index in range(40)], seed=1)
    calls: list[int] = []

    def train(wrong: set[int]) -> Network:
        def gradient(self: Distillation, batch: Batch) -> NDArray[np.float32]:
            found = right(self, batch)
            if len(calls) in wrong:
                found[7] = np.nan if len(calls) % 2 else np.inf
            calls.append(len(calls))
            return found

        calls.clear()
        monkeypatch.setattr(Distillation, "__call__", gradient)
        return distil(whole, start, inputs)

    expected = train(set())
    steps = len(calls)
    assert steps >= 5
    again = train({2})
    assert len(calls) == steps + 1
    assert all(np.array_equal(expected.tensors[name], again.tensors[name]) for name in expected.tensors)
    without = train({2, 3})
    assert len(calls) == steps + 1
    assert all(np.isfinite(tensor).all() for tensor in without.tensors.values())
    assert any(not np.array_equal(expected.tensors[name], without.tensors[name]) for name in expected.tensors)
    untrained = train(set(range(2 * steps)))
    assert all(np.array_equal(start.tensors[name], untrained.tensors[name]) for name in start.tensors)


def test_large_steps_are_taken_in_small_batches(whole: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gradient is that of all windows, however many go into a batch."""
    monkeypatch.setattr(module, "_PRECISION", {"INFERENCE_PRECISION_HINT": "f32"})
    monkeypatch.setattr(module, "_VECTORS", 0.0)
    start, items = cut(whole), networks.windows(whole, (40, 37, 33))
    distillation = Distillation(whole, start)
    (together,) = pack(items, padding=0)
    expected = distillation(together).copy()
    parts = pack(items, padding=0, tokens=80)
    assert [len(part["input_ids"]) for part in parts] == [2, 1]
    found = module._mean(distillation, parts)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())

    inputs = networks.windows(whole, [20 + index % 25 for index in range(40)], seed=1)
    monkeypatch.setattr(module, "_TOKENS", 512)
    sizes: list[list[int]] = []

    def mean(_: Distillation, step: list[Batch]) -> NDArray[np.float32]:
        sizes.append([each["input_ids"].size for each in step])
        return np.zeros(1, np.float32)

    monkeypatch.setattr(module, "_mean", mean)
    monkeypatch.setattr(Adam, "step", lambda *_: None)
    for kept in (10**9, 32 * 2 * 128):
        monkeypatch.setattr(packing, "_KEPT", kept)
        distil(whole, start, inputs)
    largest = [max(max(step) for step in sizes if len(step) == count) for count in (1, 4)]
    assert 256 < largest[0] <= 512
    assert largest[1] <= 128


def test_adam_is_what_the_paper_says() -> None:
    generator = np.random.default_rng(0)
    start = generator.standard_normal(70_000).astype(np.float32)
    found, expected = start.copy(), start.astype(np.float64)
    adam = Adam(found)
    mean, square = np.zeros(start.size), np.zeros(start.size)
    for step, rate in enumerate((1e-2, 5e-3, 1e-3), 1):
        gradient = generator.standard_normal(start.size).astype(np.float32) * (0.001 if step == 2 else 3)
        scaled = gradient / max(1.0, float(np.linalg.norm(gradient.astype(np.float64))))
        mean, square = 0.9 * mean + 0.1 * scaled, 0.999 * square + 0.001 * scaled.astype(np.float64) ** 2
        root = np.sqrt(square / (1 - 0.999**step)) + 1e-8
        expected -= rate * mean / (1 - 0.9**step) / root
        adam.step(gradient.copy(), rate)
        np.testing.assert_allclose(found, expected, atol=2e-6)


def test_the_rate_rises_and_falls() -> None:
    rates = [module._schedule(done / 100) for done in range(1, 101)]
    assert rates[0] == pytest.approx(0.2, abs=0.01)
    assert max(rates) == rates[4]
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert math.isclose(rates[-1], 0, abs_tol=1e-9)


def test_batches_hold_every_window_once(whole: Network) -> None:
    inputs = networks.windows(whole, [20 + index % 25 for index in range(700)], seed=2)
    batches = module._shuffled(inputs, padding=0, tokens=300, seed=0)
    rows = sorted(
        tuple(ids[mask == 1].tolist())
        for batch in batches
        for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)
    )
    assert rows == sorted(tuple(item["input_ids"][0].tolist()) for item in inputs)
    assert all(batch["input_ids"].size <= 300 for batch in batches)
    lengths = [batch["input_ids"].shape[1] for batch in batches]
    assert lengths != sorted(lengths)
