"""Embedding tables in INT8 and INT4: what is stored, what is looked up, what stays, what it weighs."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from spanjet.compress.quantize.config import TablePrecision
from spanjet.compress.quantize.embeddings import (
    check_suits_int4,
    choose_precisions,
    compress_tables,
    describe_tables,
    suits_int4,
    table_bytes,
)
from spanjet.compress.quantize.group_quantization import (
    MAGNITUDE,
    dequantize_groups,
    find_group_size,
    quantize_groups,
)
from spanjet.runtime.openvino import ops, ov, shared_core

ROWS = 2000


def table_model(table: np.ndarray) -> ov.Model:
    indices = ops.parameter([-1, -1], np.int32, name="indices")
    vectors = ops.gather(ops.constant(table, name="table.weight"), indices, np.int64(0), name="table")
    return ov.Model([ops.result(vectors)], [indices], "table")


def test_tables_become_int8_by_row() -> None:
    generator = np.random.default_rng(0)
    scales = np.geomspace(1e-3, 1e3, 2000)[:, None]
    table = (generator.standard_normal((2000, 16)) * scales).astype(np.float32)
    table[7] = 0
    model = table_model(table)
    assert compress_tables(model) == ["table"]
    types = {
        node.get_friendly_name(): node.get_element_type()
        for node in model.get_ordered_ops()
        if node.get_type_name() == "Constant"
    }
    assert types["table.weight"] == ov.Type.i8
    indices = np.arange(2000, dtype=np.int32).reshape(2, 1000)
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    looked_up = shared_core().compile_model(model, "CPU", options)([indices])[0].reshape(2000, 16)
    step = np.abs(table).max(axis=1, keepdims=True) / 127
    assert (np.abs(looked_up - table) <= 0.5001 * step).all()
    assert np.abs(looked_up - table).max() > 0
    assert compress_tables(model) == []


def test_tables_may_be_kept() -> None:
    model = table_model(np.ones((2000, 4), np.float32))
    assert compress_tables(model, restored=["table"]) == []
    assert compress_tables(model, restored=["another"]) == ["table"]


def test_small_tables_stay() -> None:
    assert compress_tables(table_model(np.ones((512, 4), np.float32))) == []


def normal_table(width: int = 64) -> NDArray[np.float32]:
    return np.random.default_rng(1).standard_normal((ROWS, width)).astype(np.float32)


def int4_model(table: NDArray[np.float32]) -> ov.Model:
    model = table_model(table)
    assert compress_tables(model, precision="int4") == ["table"]
    return model


def look_up(model: ov.Model, indices: NDArray[np.int32]) -> NDArray[np.float32]:
    compiled = shared_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found: NDArray[np.float32] = compiled([indices])[0]
    return found


@pytest.mark.parametrize("width", [16, 32, 64, 98, 312, 384])
def test_int4_rows_are_looked_up_exactly(width: int, tmp_path: Path) -> None:
    """In the model as it was made, and as it is read again."""
    table = normal_table(width)
    model = int4_model(table)
    expected = dequantize_groups(*quantize_groups(table))
    indices = np.random.default_rng(3).integers(0, ROWS, (3, 50)).astype(np.int32)
    indices[0, :2] = 0, ROWS - 1
    assert np.array_equal(look_up(model, indices), expected[indices])
    ov.save_model(model, tmp_path / "model.xml", compress_to_fp16=True)
    read = shared_core().read_model(tmp_path / "model.xml")
    assert np.array_equal(look_up(read, indices), expected[indices])
    whole = np.square(expected - table).mean() / table.var()
    assert 0.004 < whole < 0.012


def test_int4_tables_take_four_bits_in_the_file(tmp_path: Path) -> None:
    model = int4_model(normal_table(384))
    ov.save_model(model, tmp_path / "model.xml", compress_to_fp16=True)
    codes, scales = ROWS * 384 // 2, ROWS * 6 * 2
    assert 0 <= (tmp_path / "model.bin").stat().st_size - codes - scales < 100
    assert table_bytes(table_model(normal_table(384)), "int4") == codes + scales


@pytest.mark.parametrize("hint", ["f32", "bf16"])
@pytest.mark.parametrize("quantizes", [False, True])
@pytest.mark.parametrize(("precision", "kind"), [("int8", "i8"), ("int4", "i4")])
def test_openvino_does_not_unfold_tables(
    precision: TablePrecision, kind: str, quantizes: bool, hint: str, tmp_path: Path
) -> None:
    """The compiled model holds the table as the file does, whether activations are quantized or not."""
    model = table_model(normal_table(384))
    compress_tables(model, precision=precision)
    if quantizes:
        (result,) = model.get_results()
        limits = [np.float32(limit) for limit in (-1, 1, -1, 1)]
        quantized = ops.fake_quantize(result.input_value(0), *limits, 256)
        weight = ops.multiply(ops.convert(ops.constant(np.ones((8, 384), np.int8)), "f32"), np.float32(0.1))
        product = ops.matmul(quantized, weight, transpose_a=False, transpose_b=True)
        result.input(0).replace_source_output(product.output(0))
        model.validate_nodes_and_infer_types()
    ov.save_model(model, tmp_path / "model.xml", compress_to_fp16=True)
    for each in (model, shared_core().read_model(tmp_path / "model.xml")):
        compiled = shared_core().compile_model(each, "CPU", {"INFERENCE_PRECISION_HINT": hint})
        constants = [
            node.get_rt_info()["outputPrecisions"].astype(str)
            for node in compiled.get_runtime_model().get_ops()
            if node.get_rt_info()["layerType"].astype(str) == "Const"
            and node.get_output_partial_shape(0) == ov.PartialShape([ROWS, 384])
        ]
        assert constants == [kind]


def test_rows_do_not_depend_on_their_neighbours() -> None:
    model = int4_model(normal_table(384))
    indices = np.random.default_rng(4).integers(0, ROWS, (7, 33)).astype(np.int32)
    together = look_up(model, indices)
    for row, line in enumerate(indices):
        assert np.array_equal(look_up(model, line[None])[0], together[row])


def test_precisions() -> None:
    """INT4 tables are restored to INT8, INT8 ones to float32; what INT4 does not suit is INT8."""
    model = table_model(normal_table(64))
    assert choose_precisions(model, "int8") == {"table": "int8"}
    assert choose_precisions(model, "int4") == {"table": "int4"}
    assert choose_precisions(model, "int4", restored=["other"]) == {"table": "int4"}
    assert choose_precisions(model, "int4", restored=["table"]) == {"table": "int8"}
    assert choose_precisions(model, "int8", restored=["table"]) == {"table": "float32"}
    large = normal_table(64)
    large[5, 5] = -MAGNITUDE
    for table in (large, normal_table(14), normal_table(63)):
        model = table_model(table)
        assert choose_precisions(model, "int4") == {"table": "int8"}
        assert choose_precisions(model, "int4", restored=["table"]) == {"table": "float32"}
        assert compress_tables(model, precision="int4") == ["table"]
        kinds = [node.get_element_type() for node in model.get_ops() if node.get_type_name() == "Constant"]
        assert ov.Type.i8 in kinds
        assert ov.Type.i4 not in kinds


def test_models_that_int4_does_not_suit() -> None:
    assert suits_int4(table_model(normal_table(64)))
    check_suits_int4(table_model(normal_table(64)), Path("model"))
    for table in (normal_table(63), normal_table(64)[:1000]):
        assert not suits_int4(table_model(table))
        with pytest.raises(
            ValueError, match=r"^model: no embedding table can be INT4; .* at least 1024 rows"
        ):
            check_suits_int4(table_model(table), Path("model"))


@pytest.mark.parametrize(
    ("precision", "restored", "expected", "size", "error"),
    [
        ("int4", [], "int4", find_group_size(312), (0.004, 0.012)),
        ("int8", [], "int8", 312, (1e-6, 1e-3)),
        ("int4", ["table"], "int8", 312, (1e-6, 1e-3)),
        ("int8", ["table"], "float32", None, (0, 0)),
    ],
)
def test_descriptions(
    tmp_path: Path,
    precision: TablePrecision,
    restored: list[str],
    expected: str,
    size: int | None,
    error: tuple[float, float],
) -> None:
    """What the card says of a table is what the file holds."""
    model = table_model(normal_table(312))
    described = describe_tables(model, precision, restored=restored)["table"]
    assert (described["precision"], described["group_size"]) == (expected, size)
    assert error[0] <= described["relative_error"] <= error[1]
    assert described["bytes"] == table_bytes(model, precision, restored=restored)
    compress_tables(model, precision=precision, restored=restored)
    ov.save_model(model, tmp_path / "model.xml", compress_to_fp16=False)
    assert 0 <= (tmp_path / "model.bin").stat().st_size - described["bytes"] < 100


@pytest.mark.parametrize("precision", ["int8", "int4"])
@pytest.mark.parametrize("value", [0, 0.5])
def test_tables_of_equal_values(precision: TablePrecision, value: float) -> None:
    described = describe_tables(table_model(np.full((ROWS, 64), value, np.float32)), precision)
    assert described["table"]["relative_error"] < 1e-6
