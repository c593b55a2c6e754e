"""Training: nearer to the original, by the same steps however often it is stopped."""

import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import networks
import numpy as np
import pytest
from checkpoints import Batch
from distilling import cut, loss, vectors
from numpy.typing import NDArray
from spanjet.compress.distill import distillation as distillation_module
from spanjet.compress.distill import training as module
from spanjet.compress.distill.adam import Adam
from spanjet.compress.distill.distillation import Distillation
from spanjet.compress.distill.training import Training, distil
from spanjet.compress.distill.training_state import Place, TrainingState
from spanjet.compress.prune import packing
from spanjet.compress.prune.network import Network
from spanjet.compress.prune.packing import pack


@pytest.fixture(scope="module")
def whole() -> Network:
    return networks.tiny()


def test_training_comes_nearer(whole: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TOKENS", 256)
    start = cut(whole)
    inputs = networks.windows(whole, [20 + index % 25 for index in range(160)], seed=1)
    steps: list[tuple[int, int]] = []
    trained = distil(
        whole, start, inputs, training=Training(rate=2e-3), on_step=lambda *done: steps.append(done)
    )
    assert steps[-1] == (160, 160)
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
    first, again, other = (distil(whole, start, inputs, training=Training(seed=seed)) for seed in (0, 0, 1))
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
    monkeypatch.setattr(distillation_module, "_PRECISION", {"INFERENCE_PRECISION_HINT": "f32"})
    monkeypatch.setattr(distillation_module, "_VECTORS", 0.0)
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
    training = Training(rate=1.0)
    rates = [training.rate_at(seen, 100) for seen in range(1, 101)]
    assert rates[0] == pytest.approx(0.2, abs=0.01)
    assert max(rates) == rates[4]
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert math.isclose(rates[-1], 0, abs_tol=1e-9)
    assert training.rate_at(4096, 1_000_000) == pytest.approx(1, abs=1e-3)


def test_batches_hold_every_window_once(whole: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = networks.windows(whole, [20 + index % 25 for index in range(700)], seed=2)
    monkeypatch.setattr(module, "_TOKENS", 300)
    steps = module._steps(inputs, whole, seed=(0, 0))
    batches = [batch for step in steps for batch in step]
    rows = sorted(
        tuple(ids[mask == 1].tolist())
        for batch in batches
        for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)
    )
    assert rows == sorted(tuple(item["input_ids"][0].tolist()) for item in inputs)
    assert all(batch["input_ids"].size <= 300 for batch in batches)
    lengths = [batch["input_ids"].shape[1] for batch in batches]
    assert lengths != sorted(lengths)


def test_windows_are_seen_again_in_another_order(whole: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TOKENS", 256)
    inputs = networks.windows(whole, [20 + index % 25 for index in range(40)], seed=1)
    epochs: list[tuple[int, ...]] = []
    right = module._steps

    def steps(*given: object, seed: tuple[int, ...]) -> list[list[Batch]]:
        epochs.append(seed)
        return right(*given, seed=seed)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_steps", steps)
    done: list[int] = []
    training = Training(windows=100, seed=7)
    distil(whole, cut(whole), inputs, training=training, on_step=lambda seen, _: done.append(seen))
    assert epochs == [(7, 0), (7, 1), (7, 2)]
    assert done == sorted(done)
    assert done[-1] == 100
    first, again = (right(inputs, whole, seed=(7, epoch)) for epoch in (0, 1))
    assert not all(
        np.array_equal(one[0]["input_ids"], other[0]["input_ids"])
        for one, other in zip(first, again, strict=False)
    )


TRAINING = """
import os, signal, sys
from pathlib import Path
import networks
from distilling import cut
from spanjet.compress.distill import training as module
from spanjet.compress.distill.training import Training, distil

module._TOKENS = 256
whole, (file, out, stop) = networks.tiny(), sys.argv[1:]
inputs = networks.windows(whole, [20 + index % 25 for index in range(40)], seed=1)
steps = []

def on_step(seen, total):
    steps.append(seen)
    if len(steps) == int(stop):
        os.kill(os.getpid(), signal.SIGKILL)

training = Training(windows=90, save_every=0)
distil(whole, cut(whole), inputs, training=training, state=Path(file), on_step=on_step).save(Path(out))
"""


def test_a_killed_training_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    """Killed within the first pass, and within the second one."""

    def train(state: str, out: str, stop: int) -> int:
        paths = [str(Path(networks.__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        command = [sys.executable, "-c", TRAINING, str(tmp_path / state), str(tmp_path / out), str(stop)]
        return subprocess.run(command, env=environment, check=False).returncode

    assert train("whole.npz", "expected", 0) == 0
    assert train("stopped.npz", "found", 2) == -signal.SIGKILL
    (tmp_path / "stopped.new.npz").write_bytes(b"half")  # of a process that was killed while it stored
    assert train("stopped.npz", "found", 7) == -signal.SIGKILL
    assert train("stopped.npz", "found", 0) == 0
    expected, found = (Network.load(tmp_path / name).tensors for name in ("expected", "found"))
    assert all(np.array_equal(expected[name], found[name]) for name in expected)


def test_a_state_that_is_no_state(tmp_path: Path) -> None:
    file = tmp_path / "state.npz"
    values = np.arange(4, dtype=np.float32)
    TrainingState(file, {"weights": values}).save(Place(1, 2, 3, 4))
    restored = np.zeros(4, np.float32)
    assert TrainingState(file, {"weights": restored}).load() == Place(1, 2, 3, 4)
    assert np.array_equal(restored, values)
    with pytest.raises(ValueError, match="state of another training"):
        TrainingState(file, {"weights": np.zeros(5, np.float32)}).load()
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(ValueError, match="not the state of this training"):
        TrainingState(file, {"weights": restored}).load()
    assert TrainingState(None, {"weights": restored}).load() == Place()
    assert TrainingState(tmp_path / "none.npz", {"weights": restored}).load() == Place()


def test_there_must_be_windows(whole: Network) -> None:
    with pytest.raises(ValueError, match="there are no windows to train on"):
        distil(whole, whole, [])
