"""INT4 in groups: codes and scales of least squared error, exact at the borders, packed as OpenVINO does."""

import numpy as np
import pytest
from numpy.typing import NDArray
from spanjet.compress.quantize.group_quantization import (
    MAGNITUDE,
    dequantize_groups,
    find_group_size,
    pack_int4,
    quantize_groups,
)
from spanjet.runtime.openvino import ops, ov, shared_core


def random_table(seed: int, rows: int = 40, width: int = 128) -> NDArray[np.float32]:
    """Rows of very different scales, some of them skewed, some with a value far out."""
    generator = np.random.default_rng(seed)
    table = generator.standard_normal((rows, width)) + generator.uniform(-1, 1, (rows, 1))
    table[::5, generator.integers(width)] *= 12
    return (table * np.geomspace(1e-3, 1e3, rows)[:, None]).astype(np.float32)


def errors(table: NDArray[np.float32], quantized: NDArray[np.float32]) -> NDArray[np.float64]:
    """Squared error of each group of 64."""
    found: NDArray[np.float64] = np.square(quantized.astype(np.float64) - table).reshape(-1, 64).sum(axis=1)
    return found


def best_of_many(table: NDArray[np.float32]) -> NDArray[np.float64]:
    """The least squared error of each group over a dense row of scales, by the obvious way."""
    groups = table.reshape(-1, 64).astype(np.float64)
    greatest = np.abs(groups).max(axis=1, keepdims=True)
    least = np.full(len(groups), np.inf)
    for share in np.linspace(0.4, 1.3, 700):
        for sign in (-1, 1):
            scale = sign * greatest * share / 8
            codes = np.clip(np.rint(groups / scale), -8, 7)
            least = np.minimum(least, np.square(codes * scale - groups).sum(axis=1))
    return least


@pytest.mark.parametrize("seed", range(5))
def test_scales_are_nearly_the_best(seed: int) -> None:
    table = random_table(seed)
    codes, scales = quantize_groups(table)
    assert codes.dtype == np.int8
    assert scales.dtype == np.float16
    assert (codes.shape, scales.shape) == ((40, 2, 64), (40, 2, 1))
    assert (codes.min(), codes.max()) == (-8, 7)
    found, best = errors(table, dequantize_groups(codes, scales)), best_of_many(table)
    assert (found <= 1.1 * best).all()
    assert found.sum() <= 1.02 * best.sum()
    to_the_greatest = np.abs(table.reshape(-1, 64)).max(axis=1, keepdims=True) / 7
    plain = np.rint(table.reshape(-1, 64) / to_the_greatest) * to_the_greatest
    assert found.sum() < 0.9 * errors(table, plain.reshape(table.shape)).sum()


@pytest.mark.parametrize("seed", range(3))
def test_codes_are_the_nearest(seed: int) -> None:
    """For the scale that was chosen, no other code is nearer."""
    table = random_table(seed)
    codes, scales = quantize_groups(table)
    groups, scale = table.reshape(codes.shape), scales.astype(np.float32)
    distance = np.abs(codes * scale - groups)
    for step in (-1, 1):
        other = np.clip(codes + step, -8, 7) * scale
        assert (distance <= np.abs(other - groups) * (1 + 1e-5)).all()


def test_what_has_sixteen_levels_is_exact() -> None:
    generator = np.random.default_rng(0)
    codes = generator.integers(-8, 8, (30, 128)).astype(np.float32)
    codes[:, ::64] = -8
    for scale in (2.0**-9, -(2.0**-3), 1.5):
        table = codes * np.float32(scale)
        assert np.array_equal(dequantize_groups(*quantize_groups(table)), table)


def test_the_borders() -> None:
    table = np.zeros((6, 64), np.float32)
    table[1, 5] = -3  # all but one are zero
    table[2] = 0.25  # all are equal
    table[3] = 1e-12  # below the least float16
    table[4] = np.linspace(-1, 1, 64, dtype=np.float32) * np.nextafter(np.float32(MAGNITUDE), 0)
    table[5] = 3e-5  # the scale is a subnormal float16
    codes, scales = quantize_groups(table)
    assert np.isfinite(scales).all()
    quantized = dequantize_groups(codes, scales)
    assert not quantized[[0, 3]].any()
    assert np.allclose(quantized[[1, 2]], table[[1, 2]], rtol=1e-3)
    assert np.abs(quantized[4] - table[4]).max() < 0.15 * MAGNITUDE
    assert np.allclose(quantized[5], table[5], rtol=0.02)


@pytest.mark.parametrize(
    ("width", "size"),
    [(384, 64), (768, 64), (64, 64), (312, 52), (128, 64), (32, 32), (16, 16), (98, 49), (14, None)],
)
def test_group_sizes(width: int, size: int | None) -> None:
    assert find_group_size(width) == size
    table = np.ones((2, width), np.float32)
    if size is None:
        with pytest.raises(ValueError, match=r"rows of 14 elements cannot be divided .* from 16 to 64"):
            quantize_groups(table)
    else:
        assert quantize_groups(table)[0].shape == (2, width // size, size)


@pytest.mark.parametrize("width", [63, 2 * 67, 384 + 1])
def test_widths_without_a_size(width: int) -> None:
    """Odd ones, and those without a divisor that is neither small nor large."""
    assert find_group_size(width) is None


def test_codes_are_packed_as_openvino_reads_them() -> None:
    codes = np.random.default_rng(2).integers(-8, 8, (5, 3, 18)).astype(np.int8)
    codes.flat[:16] = np.arange(-8, 8)
    packed = pack_int4(codes)
    assert packed.nbytes == codes.size // 2
    stored = ov.Tensor(ov.Type.i4, ov.Shape(codes.shape))
    stored.data[:] = packed
    number = ops.parameter([], np.float32)
    read = ops.add(ops.convert(ops.constant(stored), "f32"), number)
    compiled = shared_core().compile_model(ov.Model([ops.result(read)], [number], "read"), "CPU")
    assert np.array_equal(compiled([np.float32(0)])[0], codes)
