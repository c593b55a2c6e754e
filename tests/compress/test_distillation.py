"""Distillation: gradients of the loss that is described."""

from pathlib import Path

import networks
import numpy as np
import pytest
from distilling import cut, loss
from spanjet.compress.distill import distillation as module
from spanjet.compress.distill.distillation import Distillation
from spanjet.compress.prune.network import Network
from spanjet.compress.prune.packing import pack
from spanjet.model.layer_shape import LayerShape

LENGTHS = (40, 37, 33)


@pytest.fixture(scope="module")
def whole() -> Network:
    return networks.tiny()


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
