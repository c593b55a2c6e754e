"""CPUs without VNNI: known by their flags, quantized for with 7-bit weights, which compute in float."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from checkpoints import TINY
from numpy.typing import NDArray
from spanjet.compress.quantize import embeddings
from spanjet.compress.quantize.config import QuantizeConfig
from spanjet.compress.quantize.ptq import calibrate, finish
from spanjet.config import RuntimeConfig
from spanjet.model import load_model
from spanjet.reader.reader import Reader
from spanjet.runtime import cpu as cpu_module
from spanjet.runtime.openvino import ops, ov, shared_core
from spanjet.runtime.precision import HALF_RANGE, can_saturate, in_float, suited
from spanjet.runtime.products import is_quantized_product, is_weight

CPUS = {
    "avx2": "sse4_1 avx2",
    "avx512": "sse4_1 avx2 avx512f",
    "avx-vnni": "sse4_1 avx2 avx_vnni",
    "avx512-vnni": "sse4_1 avx2 avx512f avx512_vnni",
    "amx": "sse4_1 avx2 avx512f avx512_vnni amx_int8",
    "arm": "asimd",
}
SATURATING = {"avx2", "avx512"}
IN_FLOAT = SATURATING | {"arm"}


@pytest.fixture(params=CPUS)
def cpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A machine of another kind, by its name."""
    return fake(request.param, monkeypatch)


def fake(name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(cpu_module, "instruction_sets", CPUS[name].split)
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
        patch.setattr(embeddings, "_LEAST_ROWS", 64)
        for half in (False, True):
            made[half] = tmp_path_factory.mktemp("int8")
            model = finish(calibrate(load_model(TINY).model, inputs, half_range=half))
            ov.save_model(model, made[half] / "openvino_model.xml")
            for name in ("config.json", "vocab.txt"):
                shutil.copyfile(TINY / name, made[half] / name)
    return made


def test_which_cpus_saturate(cpu: str) -> None:
    assert cpu_module.int8_saturates() == (cpu in SATURATING)
    assert QuantizeConfig().target == ("any" if cpu in SATURATING else "vnni")
    assert QuantizeConfig(cpu="vnni").target == "vnni"
    assert QuantizeConfig(cpu="any").target == "any"


def test_weights_of_seven_bits(int8: dict[bool, Path]) -> None:
    for half, path in int8.items():
        model = shared_core().read_model(path / "openvino_model.xml")
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


def test_what_is_computed(cpu: str, int8: dict[bool, Path]) -> None:
    """INT8 products where they are fast and right, float elsewhere, and what is asked for."""
    for path in int8.values():
        model = load_model(path).model
        assert quantizers(suited(model)) == (0 if cpu in IN_FLOAT else quantizers(model))
        assert quantizers(suited(model, int8=False)) == 0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert quantizers(suited(load_model(int8[True]).model, int8=True)) > 0
    assert ["not tested on this kind of CPU" in str(each.message) for each in caught] == [True] * (
        cpu == "arm"
    )
    plain = load_model(TINY).model
    # Elsewhere functions are kept apart from products: see test_fusion.
    if cpu not in ("avx2", "avx-vnni"):
        assert all(suited(plain, int8=chosen) is plain for chosen in (None, False, True))


def test_a_warning_of_wrong_sums(cpu: str, int8: dict[bool, Path]) -> None:
    """Only full-range weights are warned about, only where it matters, and only who asks for INT8."""
    model = load_model(int8[False]).model
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        suited(model, int8=True)
    assert len(caught) == (cpu in IN_FLOAT)
    if caught:
        assert ("this CPU has no VNNI" in str(caught[0].message)) == (cpu in SATURATING)
        assert ("--cpu any" in str(caught[0].message)) == (cpu in SATURATING)
        assert caught[0].category is RuntimeWarning
        assert caught[0].filename == __file__


@pytest.mark.parametrize("half", [False, True])
def test_float_keeps_the_weights(int8: dict[bool, Path], half: bool) -> None:
    """The float form gives the logits of the checkpoint, but for the weights' rounding."""
    model = load_model(int8[half]).model
    generator = np.random.default_rng(1)
    inputs = {
        "input_ids": generator.integers(5, 90, (3, 24), np.int32),
        "attention_mask": np.ones((3, 24), np.int32),
        "token_type_ids": generator.integers(0, 2, (3, 24), np.int32),
    }
    expected, found = (logits(each, inputs) for each in (load_model(TINY).model, in_float(model)))
    error = np.abs(found - expected).max() / np.abs(expected).max()
    assert 0 < error < (0.06 if half else 0.03)
    constants = [node for node in in_float(model).get_ops() if node.get_type_name() == "Constant"]
    tables = [node for node in constants if node.get_element_type() == ov.Type.i8]
    assert [node.get_friendly_name() for node in tables] == ["embeddings.word.weight"]
    assert quantizers(model) > 0


@pytest.mark.parametrize(("chosen", "products"), [(True, {"u8", "i8"}), (False, {"f32"})])
def test_the_runtime_computes_so(int8: dict[bool, Path], chosen: bool, products: set[str]) -> None:
    config = RuntimeConfig(int8=chosen, precision="f32", cache_dir=None)
    reader = Reader(int8[True], runtime_config=config)
    reader.ask("the", "the quick brown fox")
    compiled = reader.engine._lane("LATENCY", None).compiled
    kinds = [node.get_rt_info() for node in compiled.get_runtime_model().get_ops()]
    found = {
        kind["runtimePrecision"].astype(str)
        for kind in kinds
        if kind["layerType"].astype(str) == "FullyConnected"
    }
    assert found
    assert found <= products


def stored_otherwise(weight: ov.Node) -> ov.Model:
    """A product of a quantized activation with a weight of 2 rows that is stored in another shape."""
    vectors = ops.parameter([-1, 3], np.float32, name="vectors")
    limits = [np.float32(limit) for limit in (-1, 1, -1, 1)]
    quantized = ops.fake_quantize(vectors, *limits, 256)
    product = ops.matmul(quantized, weight, transpose_a=False, transpose_b=True, name="product")
    return ov.Model([ops.result(product)], [vectors], "stored otherwise")


@pytest.mark.parametrize("step", ["reshape", "transpose"])
def test_weights_stored_in_another_shape(step: str) -> None:
    """They count as weights and as INT8, and become float32 in the shape that the product reads."""
    rows = np.array([[1, 2, 3], [4, 5, 6]], np.int8)
    stored = rows.T if step == "transpose" else rows.reshape(6, 1)
    scaled = ops.multiply(ops.convert(ops.constant(stored), "f32"), ops.constant(np.float32(0.5)))
    order = np.array([1, 0] if step == "transpose" else [2, 3], np.int64)
    weight = ops.transpose(scaled, order) if step == "transpose" else ops.reshape(scaled, order, False)
    model = stored_otherwise(weight)
    (product,) = (node for node in model.get_ops() if is_quantized_product(node))
    assert [is_weight(value) for value in product.input_values()] == [False, True]
    kinds = {node.get_type_name(): node for node in in_float(model).get_ops()}
    assert set(kinds) == {"Parameter", "Constant", "MatMul", "Result"}
    assert np.array_equal(kinds["Constant"].data, rows / np.float32(2))


@pytest.mark.parametrize("half", [False, True])
def test_models_are_measured_in_int8_where_that_is_right(cpu: str, half: bool) -> None:
    expected = None if cpu == "arm" or (cpu in SATURATING and not half) else True
    assert cpu_module.int8_unless_saturating(half_range=half) == expected


def quantizers(model: ov.Model) -> int:
    return sum(node.get_type_name() == "FakeQuantize" for node in model.get_ops())


def logits(model: ov.Model, inputs: dict[str, NDArray[np.int32]]) -> NDArray[np.float32]:
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    outputs = shared_core().compile_model(model, "CPU", settings)(inputs)
    return np.stack([outputs["start_logits"], outputs["end_logits"]])
