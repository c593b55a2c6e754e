"""Distillation: gradients of the loss that is described."""

import networks
import numpy as np
import pytest
from distilling import cut, loss
from spanjet.compress.distill import distillation as module
from spanjet.compress.distill.distillation import ANSWERS, Distillation
from spanjet.compress.prune.network import Network
from spanjet.compress.prune.packing import pack

LENGTHS = (40, 37, 33)


@pytest.fixture(scope="module")
def whole() -> Network:
    return networks.tiny()


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_gradients_of_the_loss(whole: Network, monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    """With answers: one that is known, "no answer", and one that is not known."""
    monkeypatch.setattr(module, "_PRECISION", {"INFERENCE_PRECISION_HINT": "f32"})
    monkeypatch.setattr(module, "_VECTORS", 2.0)
    start = cut(whole)
    batch = pack(networks.windows(whole, LENGTHS), padding=0)[0]
    for name, place in zip(ANSWERS, (7, 9), strict=True):
        batch[name] = np.zeros_like(batch["input_ids"])
        batch[name][0, place] = batch[name][1, 0] = 1
    gradient = Distillation(whole, start, answers=share)(batch).copy()
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
        ends = [loss(whole, side, batch, 2.0, share) for side in sides]
        assert length == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=3e-2, abs=2e-5), name
        compared += 1
    assert place == len(gradient)
    assert compared >= 25


def test_answers_change_the_gradient_where_they_are_known(whole: Network) -> None:
    start, batch = cut(whole), pack(networks.windows(whole, LENGTHS), padding=0)[0]
    for name in ANSWERS:
        batch[name] = np.zeros_like(batch["input_ids"])
    plain = Distillation(whole, start)(batch).copy()
    distillation = Distillation(whole, start, answers=0.5)
    assert np.array_equal(distillation(batch), plain)
    batch[ANSWERS[0]][1, 4] = 1
    assert not np.array_equal(distillation(batch), plain)
