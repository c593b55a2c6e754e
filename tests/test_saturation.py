"""CPUs without VNNI: known by their flags, quantized for with 7-bit weights, warned about."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from checkpoints import TINY
from spanjet import machine
from spanjet.checkpoint import load_model
from spanjet.checkpoint.saturation import HALF_RANGE, can_saturate
from spanjet.quantize import tables
from spanjet.quantize.int8 import calibrate, finish
from spanjet.quantize.settings import QuantizeConfig

CPUS = {
    "avx2": "sse4_1 avx2",
    "avx512": "sse4_1 avx2 avx512f",
    "avx-vnni": "sse4_1 avx2 avx_vnni",
    "avx512-vnni": "sse4_1 avx2 avx512f avx512_vnni",
    "amx": "sse4_1 avx2 avx512f avx512_vnni amx_int8",
    "arm": "asimd",
}
SATURATING = {"avx2", "avx512"}


@pytest.fixture(params=CPUS)
def cpu(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A machine of another kind, by its name."""
    return fake(request.param, tmp_path, monkeypatch)


def fake(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "cpuinfo").write_text(f"model name : Some CPU\nflags : fpu {CPUS[name]}\n")
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "cpuinfo")
    return name


@pytest.fixture(scope="module")
def int8(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """INT8 directories, by whether their weights have 7 bits; the table has 8 in both."""
    generator = np.random.default_rng(0)
    inputs = [
        {
            "input_ids": generator.integers(5, 90, (1, 24), np.int32),
            "attention_mask": np.ones((1, 24), np.int32),
            "token_type_ids": generator.integers(0, 2, (1, 24), np.int32),
        }
    ]
    made = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "_LEAST_ROWS", 64)
        for half in (False, True):
            made[half] = tmp_path_factory.mktemp("int8")
            model = finish(calibrate(load_model(TINY).model, inputs, half_range=half))
            ov.save_model(model, made[half] / "openvino_model.xml")
            for name in ("config.json", "vocab.txt"):
                shutil.copyfile(TINY / name, made[half] / name)
    return made


def test_which_cpus_saturate(cpu: str) -> None:
    assert machine.int8_saturates() == (cpu in SATURATING)
    assert QuantizeConfig().target == ("any" if cpu in SATURATING else "vnni")
    assert QuantizeConfig(cpu="vnni").target == "vnni"
    assert QuantizeConfig(cpu="any").target == "any"


def test_weights_of_seven_bits(int8: dict[bool, Path]) -> None:
    for half, path in int8.items():
        model = ov.Core().read_model(path / "openvino_model.xml")
        weights = {
            node.get_friendly_name(): np.abs(node.data.astype(int)).max()
            for node in model.get_ordered_ops()
            if node.get_type_name() == "Constant" and node.get_element_type() == ov.Type.i8
        }
        table = weights.pop("embeddings.word.weight")
        assert table == 127
        assert len(weights) == 13
        assert max(weights.values()) == (HALF_RANGE if half else 127)
        assert can_saturate(model) == (not half)
    assert not can_saturate(load_model(TINY).model)


def test_loading(cpu: str, int8: dict[bool, Path]) -> None:
    """Only a model of full-range weights is warned about, and only where it matters."""
    load_model(int8[True])
    load_model(TINY)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load_model(int8[False])
    messages = [str(warning.message) for warning in caught]
    assert len(messages) == (cpu in SATURATING)
    if messages:
        assert messages[0].startswith(f"{int8[False]}: this CPU has no VNNI")
        assert "--cpu any" in messages[0]
        assert caught[0].category is RuntimeWarning
        assert caught[0].filename == __file__
