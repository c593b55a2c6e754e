"""The latency table: batches like the production path's, curves, predictions, and a measurement."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from checkpoints import ARCHITECTURES, TINY
from spanjet.compress.latency import profile
from spanjet.compress.latency.profile import LatencySettings, measure_latency
from spanjet.compress.latency.synthetic_int8 import VOCABULARY, RandomTensors, random_int8_model
from spanjet.compress.latency.table import Check, Curve, LatencyTable, fitted
from spanjet.compress.latency.typical_batches import typical_batches
from spanjet.compress.prune.structures import levels_of
from spanjet.compress.quantize.mixed_precision import find_layers
from spanjet.compress.quantize.ptq import quantize
from spanjet.config import RuntimeConfig
from spanjet.measure.rounds import WARM_UPS
from spanjet.model.graph.architectures import read_architecture
from spanjet.model.graph.encoder import Encoder
from spanjet.model.layer_shape import LayerShape
from spanjet.reader.batching import schedule
from spanjet.runtime.openvino import ov, shared_core

LENGTHS = np.random.default_rng(0).integers(20, 384, 500)
TABLE = LatencyTable(
    curves={"heads": Curve((0, 2, 4), (0.0, 1.0, 4.0)), "units": Curve((0, 32, 64), (0.0, 2.0, 3.0))},
    rest=10.0,
)


def tiny() -> Encoder:
    sizes = read_architecture(Path(TINY) / "config.json")
    assert isinstance(sizes, Encoder)
    return sizes


def test_batches_are_some_of_the_schedule_s() -> None:
    config = RuntimeConfig(batch_tokens=640)
    batches = typical_batches(LENGTHS, count=6, vocabulary=100, max_length=384, config=config)
    plan = schedule(LENGTHS, batch_tokens=640, max_length=384)
    planned = [(sorted(LENGTHS[rows].tolist()), length) for rows, length in plan]
    found = [
        (sorted(batch.attention_mask.sum(axis=1).tolist()), batch.input_ids.shape[1]) for batch in batches
    ]
    assert len(found) == 6
    assert all(place in planned for place in found)
    assert [length for _, length in found] == sorted((length for _, length in found), reverse=True)
    assert all(batch.input_ids.max() < 100 for batch in batches)
    tokens = sum(sum(lengths) for lengths, _ in found) / sum(len(lengths) for lengths, _ in found)
    assert tokens == pytest.approx(LENGTHS.mean(), rel=0.15)
    assert len(typical_batches(LENGTHS[:3], count=9, vocabulary=9, max_length=384, config=config)) <= 3


def test_predictions() -> None:
    assert TABLE.total([LayerShape(4, 64), LayerShape(0, 0)]) == 17
    assert TABLE.total([LayerShape(3, 48)]) == 10 + 2.5 + 2.5
    assert TABLE.seconds("units", np.array([0, 16, 64])) == pytest.approx([0, 1, 3])


def test_factor_of_whole_models() -> None:
    """Least squares of the relative errors: no other factor is better."""
    checks = [
        Check((LayerShape(4, 64),) * 2, 25.0),
        Check((LayerShape(2, 32),), 14.0),
        Check((LayerShape(0, 64),), 13.0),
    ]
    table = fitted(TABLE, checks)

    def error(factor: float) -> float:
        other = replace(table, factor=factor)
        return sum((other.total(check.shapes) / check.seconds - 1) ** 2 for check in checks)

    assert error(table.factor) < min(error(table.factor * 0.99), error(table.factor * 1.01), error(1.0))
    assert table.checks == tuple(checks)


def test_table_through_json() -> None:
    table = LatencyTable.from_dict(
        {**TABLE.as_dict(), "checks": [{"shapes": [{"heads": 4, "units": 64}], "seconds": 20.0}]}
    )
    assert LatencyTable.from_dict(json.loads(json.dumps(table.as_dict()))) == table
    assert table.errors == pytest.approx([17 / 20 - 1])


def tiny_mpnet() -> Encoder:
    sizes = read_architecture(ARCHITECTURES / "mpnet" / "config.json")
    assert isinstance(sizes, Encoder)
    return replace(sizes, hidden_size=32, num_attention_heads=4, intermediate_size=64)


@pytest.mark.parametrize("architecture", [tiny, tiny_mpnet])
def test_random_models_are_what_quantization_makes(architecture: Callable[[], Encoder]) -> None:
    """The same operations, before and after they are compiled, in INT8 or not as there."""
    shapes = (LayerShape(4, 64), LayerShape(2, 0), LayerShape(0, 32))
    random = random_int8_model(architecture(), shapes)
    sizes = replace(architecture(), num_hidden_layers=3, layer_shapes=shapes, vocab_size=VOCABULARY)
    ids = np.random.default_rng(0).integers(0, VOCABULARY, (1, 36), np.int32)
    window = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    if sizes.layout.token_types:
        window["token_type_ids"] = np.zeros_like(ids)
    quantized = quantize(sizes.build(RandomTensors()), [window], half_range=True)
    assert operations(random) == operations(quantized)
    assert find_layers(random) == find_layers(quantized)
    found, expected = compiled_operations(random), compiled_operations(quantized)
    # Whether activations of random weights are symmetric, i8, or not, u8, is chance.
    different = set(found - expected) | set(expected - found)
    assert different <= {("FullyConnected", "i8"), ("FullyConnected", "u8")}
    assert sum(found.values()) == sum(expected.values())


def operations(model: ov.Model) -> Counter[str]:
    return Counter(node.get_type_name() for node in model.get_ops() if node.get_type_name() != "Constant")


def compiled_operations(model: ov.Model) -> Counter[tuple[str, str]]:
    compiled = shared_core().compile_model(model, "CPU")
    about = [node.get_rt_info() for node in compiled.get_runtime_model().get_ordered_ops()]
    kinds = [tuple(each[key].astype(str) for key in ("layerType", "runtimePrecision")) for each in about]
    return Counter((kind, precision) for kind, precision in kinds if kind != "Const")


def test_curves_rise_from_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured ratios become seconds of one block; what is off its neighbours' line, or falls, is evened out.

    32 units: 0.3 a block, 0.03 on the line; 0.165 halfway; 0.1275 with the 0.09 of more units.
    """

    def times(sides: dict[str, object], *_: object, **__: object) -> tuple[dict[str, float], float]:
        ratios = {"stack of 0": 0.25, "whole of 0": 0.3}
        ratios |= {f"{count} heads": 0.25 + 0.1 * count for count in range(1, 5)}
        ratios |= {"16 units": 0.24, "32 units": 0.85, "64 units": 0.43}
        ratios |= {name: 0.7 for name in sides if name.startswith("check")}
        assert set(ratios) == set(sides)
        return ratios, 2.0

    monkeypatch.setattr(profile, "relative_times", times)
    steps: list[tuple[int, int | None]] = []
    settings = LatencySettings(batches=2, checks=2, rounds=1)
    table = measure_latency(
        tiny(),
        LENGTHS,
        {"heads": range(5), "units": [0, 16, 32, 64]},
        settings=settings,
        on_step=lambda *step: steps.append(step),
    )
    windows = 0.3 * 2.0 / table.rest
    heads, units = table.curves["heads"], table.curves["units"]
    assert heads.sizes == (0, 1, 2, 3, 4)
    assert np.diff(heads.seconds) * windows / 2 == pytest.approx([0.05] * 4)
    assert units.sizes == (0, 16, 32, 64)
    assert np.array(units.seconds) * windows / 2 == pytest.approx([0, 0, 0.1275, 0.1275])
    assert len(table.checks) == 3
    assert table.checks[-1].shapes == (LayerShape(4, 64),) * 2
    assert table.checks[-1].seconds * windows == pytest.approx(2)


def test_a_measurement() -> None:
    """On this machine: more takes longer, and whole models are predicted, if only roughly so small."""
    settings = LatencySettings(depth=2, sizes=2, checks=1, batches=4, rounds=2)
    steps: list[int] = []
    table = measure_latency(
        tiny(), LENGTHS, levels_of(tiny()), settings=settings, on_step=lambda *_: steps.append(1)
    )
    assert table.curves["heads"].sizes == (0, 1, 4)
    assert table.curves["units"].sizes == (0, 32, 64)
    assert table.curves["heads"].seconds[-1] > 0
    assert table.rest > 0
    assert len(table.errors) == 2
    assert len(steps) == 7 * (WARM_UPS + 2)
