"""The bench of the latency table: models are predicted from the others, shapes are those of the papers."""

import sys
from pathlib import Path
from typing import Any

import pytest
from spanjet.compress.latency.table import Check, Curve, LatencyTable
from spanjet.model.layer_shape import LayerShape
from spanjet.model.random_weights import Shape

sys.path.insert(0, str(Path(__file__).parents[2]))

from benches import latency_table as command


def test_each_model_is_predicted_from_the_others() -> None:
    """A model that takes too long does not change its own prediction."""
    checks = tuple(Check((LayerShape(4, 64),) * count, 1.0 + 2 * count) for count in (1, 2, 3, 4))
    slow = (*checks[:3], Check(checks[3].shapes, 2 * checks[3].seconds))
    table = LatencyTable(
        curves={"heads": Curve((0, 4), (0.0, 1.0)), "units": Curve((0, 64), (0.0, 1.0))},
        rest=1.0,
        checks=slow,
    )
    measured, predicted, error = command.left_out(table)[3]
    assert (measured, predicted, error) == pytest.approx((18_000, 9_000, -0.5))
    assert command.left_out(table)[0][1] != pytest.approx(3000)


def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    tiny = Shape(width=32, layers=3, heads=2, vocabulary=300, positions=400)
    monkeypatch.setattr(command, "ALL_SHAPES", {"minilm-l6": tiny})
    code = command.main(["--shape", "minilm-l6", "--checks", "2", "--rounds", "1"])
    out = capsys.readouterr().out
    assert code in (0, 1)
    assert "minilm-l6, random weights" in out
    assert out.count(" %") == 3


def test_shapes() -> None:
    sizes = {name: command.architecture(shape) for name, shape in command.ALL_SHAPES.items()}
    assert {name: (each.num_hidden_layers, each.intermediate_size) for name, each in sizes.items()} == {
        "minilm-l6": (6, 1536),
        "bert-base": (12, 3072),
        "bert-large": (24, 4096),
    }
