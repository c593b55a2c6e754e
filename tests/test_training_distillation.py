"""Distillation: gradients of the loss that is described, and training that lowers it."""

import math

import networks
import numpy as np
import openvino as ov
import openvino.opset13 as ops
import pytest
from checkpoints import OUTPUTS, Batch, run
from numpy.typing import NDArray
from spanjet.checkpoint.narrowing import probe_name
from spanjet.checkpoint.shape import LayerShape
from spanjet.optimize.narrowing import fit_probes
from spanjet.optimize.network import Network
from spanjet.optimize.training import distillation as module
from spanjet.optimize.training.adam import Adam
from spanjet.optimize.training.distillation import Distillation, distil
from spanjet.optimize.windows import pack

LENGTHS = (40, 37, 33)


@pytest.fixture(scope="module")
def whole() -> Network:
    return networks.tiny()


def cut(network: Network, *, tokens: float = 1.0, seed: int = 3) -> Network:
    """Other weights, fewer heads and units, and a second layer that narrows."""
    generator = np.random.default_rng(seed)
    shapes = (LayerShape(3, 32), LayerShape(2, 64, tokens))
    small = networks.sliced(network, networks.simple_orders(network), shapes)
    names = [name for name in small.tensors if name.startswith(network.architecture.layers)]
    noisy = {
        name: (small.tensors[name] * generator.uniform(0.7, 1.3, small.tensors[name].shape)).astype(
            np.float32
        )
        for name in names
    }
    if tokens < 1:
        noisy |= fit_probes(network, networks.windows(network, [30] * 8, seed=9))
    return small.with_layers(shapes, noisy)


def vectors(network: Network, batch: Batch) -> list[NDArray[np.float64]]:
    """After each layer."""
    model = network.build()
    nodes = {node.get_friendly_name(): node for node in model.get_ordered_ops()}
    names = [f"encoder.layer.{index}.ffn.norm" for index in range(len(network.shapes))]
    tapped = ov.Model([ops.result(nodes[name].output(0)) for name in names], model.get_parameters(), "tapped")
    compiled = ov.Core().compile_model(tapped, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    given = compiled(dict(batch))
    return [given[index].astype(np.float64) for index in range(len(names))]


def loss(network: Network, start: Network, batch: Batch, weight: float) -> float:
    """What the docstring says, by numpy; of networks that do not narrow."""
    mask = batch["attention_mask"] == 1
    total = 0.0
    answers = [run(each.build(), batch) for each in (network, start)]
    for name in OUTPUTS:
        wanted, found = (np.where(mask, each[name].astype(np.float64), -np.inf) for each in answers)
        wanted, found = (each - np.log(np.exp(each).sum(axis=1, keepdims=True)) for each in (wanted, found))
        likely = np.exp(wanted)
        total += float((likely[mask] * (wanted[mask] - found[mask])).sum()) / len(mask)
    layers = zip(vectors(network, batch), vectors(start, batch), strict=True)
    errors = [
        np.square(found - wanted)[mask].sum() / np.square(wanted[mask]).sum() for wanted, found in layers
    ]
    return total + weight * float(np.mean(errors))


def test_gradients_of_the_loss(whole: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PRECISION", {"INFERENCE_PRECISION_HINT": "f32"})
    monkeypatch.setattr(module, "_VECTORS", 2.0)
    start = cut(whole)
    batch = pack(networks.windows(whole, LENGTHS), padding=0)[0]
    gradient = Distillation(whole, start)(batch).copy()
    place = 0
    for name, tensor in Distillation(whole, start).tensors().items():
        part = gradient[place : place + tensor.size].reshape(tensor.shape)
        place += tensor.size
        length = float(np.linalg.norm(part))
        if length < 1e-6:  # biases of keys, and of the answers: probabilities do not depend on them
            continue
        direction = (part / length).astype(np.float32)
        step = 2e-2
        ends = [
            loss(whole, start.with_tensors({name: tensor + sign * step * direction}), batch, 2.0)
            for sign in (1, -1)
        ]
        assert length == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=3e-2, abs=2e-5), name
    assert place == len(gradient)


def test_narrowed_vectors_are_learned_where_they_change(whole: Network) -> None:
    """A network that leaves tokens behind has gradients, and they follow the weights."""
    start = cut(whole, tokens=0.5)
    batch = pack(networks.windows(whole, LENGTHS), padding=0)[0]
    distillation = Distillation(whole, start)
    gradient = distillation(batch)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 1e-4
    before = distillation.weights.copy()
    distillation.weights -= 1e-3 * gradient / np.linalg.norm(gradient)
    after = distillation(batch).copy()
    assert not np.array_equal(before, distillation.weights)
    assert not np.array_equal(after, np.zeros_like(after))


@pytest.mark.parametrize("tokens", [1.0, 0.5])
def test_training_comes_nearer(whole: Network, tokens: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RATE", 2e-3)
    monkeypatch.setattr(module, "_TOKENS", 256)
    start = cut(whole, tokens=tokens)
    inputs = networks.windows(whole, [20 + index % 25 for index in range(160)], seed=1)
    steps: list[tuple[int, int]] = []
    trained = distil(whole, start, inputs, on_batch=lambda *done: steps.append(done))
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
    if tokens == 1:
        assert np.mean([loss(whole, trained, batch, 0.0) for batch in fresh]) < 0.6 * np.mean(
            [loss(whole, start, batch, 0.0) for batch in fresh]
        )
    changed = {name for name in start.tensors if trained.tensors[name] is not start.tensors[name]}
    assert not any("embeddings" in name or probe_name("") in name for name in changed)
    assert trained.shapes == start.shapes


def test_the_same_seed_gives_the_same_bits(whole: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TOKENS", 256)
    start = cut(whole)
    inputs = networks.windows(whole, [20 + index % 25 for index in range(40)], seed=1)
    first, again, other = (distil(whole, start, inputs, seed=seed) for seed in (0, 0, 1))
    assert all(np.array_equal(first.tensors[name], again.tensors[name]) for name in first.tensors)
    assert any(not np.array_equal(first.tensors[name], other.tensors[name]) for name in first.tensors)


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
    batches = module._shuffled(inputs, padding=0, seed=0)
    rows = sorted(
        tuple(ids[mask == 1].tolist())
        for batch in batches
        for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)
    )
    assert rows == sorted(tuple(item["input_ids"][0].tolist()) for item in inputs)
    assert all(batch["input_ids"].size <= module._TOKENS for batch in batches)
    lengths = [batch["input_ids"].shape[1] for batch in batches]
    assert lengths != sorted(lengths)
