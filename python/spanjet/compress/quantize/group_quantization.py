"""Quantize rows to INT4 in groups with one scale each (group-wise quantization)."""

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "GROUP_SIZE",
    "LEAST_SIZE",
    "MAGNITUDE",
    "dequantize_groups",
    "find_group_size",
    "pack_int4",
    "quantize_groups",
]

GROUP_SIZE = 64
"""Maximum number of elements that share a scale."""

LEAST_SIZE = 16
"""Minimum number of elements that share a scale, whose 16 bits are then at most a bit for each of them."""

_LOW, _HIGH = -8, 7

_LARGEST = np.float32(np.finfo(np.float16).max)

MAGNITUDE = _HIGH * float(_LARGEST)
"""Magnitude from which a scale could exceed float16."""

# The scales to try for a group: its value of greatest magnitude over each of these, so that this value gets
# a code between them, or is clipped. Signed, because the range reaches to -8, but only to 7.
_DIVISORS = np.concatenate([-np.arange(6.5, 11.5, 0.5), np.arange(6, 10.5, 0.5)]).astype(np.float32)
# Groups at a time, 1 MB of values, so that they stay in the cache.
_GROUPS = 4096


def find_group_size(width: int) -> int | None:
    """Return the largest group size that divides a row, at most `GROUP_SIZE`; None if there is none.

    Args:
        width: number of elements of a row. An odd one has no group size, because two elements share a byte.
    """
    sizes = range(GROUP_SIZE, LEAST_SIZE - 1, -1)
    return None if width % 2 else next((size for size in sizes if width % size == 0), None)


def quantize_groups(table: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float16]]:
    """Quantize a table to symmetric INT4 with the scale of least squared error for each group.

    Several scales are tried for each group, each refitted to the codes it gives by least squares and rounded
    to float16. A scale may be negative.

    Args:
        table: float32[rows, width], of magnitudes below `MAGNITUDE`, with a group size.

    Returns:
        Codes int8[rows, groups, size], -8 to 7, and scales float16[rows, groups, 1], whose products are the
        quantized values.

    Raises:
        ValueError: the width has no group size.
    """
    size = find_group_size(table.shape[1])
    if size is None:
        raise ValueError(
            f"rows of {table.shape[1]} elements cannot be divided into groups; expected an even number of "
            f"them, with a divisor from {LEAST_SIZE} to {GROUP_SIZE}"
        )
    values = table.reshape(-1, size)
    codes, scales = np.empty(values.shape, np.int8), np.empty((len(values), 1), np.float16)
    for first in range(0, len(values), _GROUPS):
        part = slice(first, first + _GROUPS)
        scales[part] = _best_scales(values[part])
        codes[part] = _round(values[part], scales[part].astype(np.float32))
    shape = len(table), table.shape[1] // size
    return codes.reshape(*shape, size), scales.reshape(*shape, 1)


def dequantize_groups(codes: NDArray[np.int8], scales: NDArray[np.float16]) -> NDArray[np.float32]:
    """Multiply codes by their scales, float32[rows, width]."""
    values: NDArray[np.float32] = codes.astype(np.float32) * scales
    return values.reshape(len(codes), -1)


def pack_int4(codes: NDArray[np.int8]) -> NDArray[np.int8]:
    """Pack two codes into each byte, the first of them into the lower bits, as OpenVINO stores INT4."""
    low, high = codes.reshape(-1, 2).view(np.uint8).T & np.uint8(15)
    packed: NDArray[np.uint8] = low | high << np.uint8(4)
    return packed.view(np.int8)


def _best_scales(values: NDArray[np.float32]) -> NDArray[np.float16]:
    """Choose the scale of each group, float16[groups, 1]; 0 for groups of zeros."""
    place = np.abs(values).argmax(axis=1)[:, None]
    extreme = np.take_along_axis(values, place, axis=1)
    best = np.zeros(extreme.shape, np.float16)
    # Decrease of the squared error, from that of codes that are all 0.
    gain = np.zeros(extreme.shape, np.float32)
    for divisor in _DIVISORS:
        codes = _round(values, extreme / divisor)
        product, square = _dots(codes, values), _dots(codes, codes)
        fitted = np.divide(product, square, out=np.zeros_like(product), where=square > 0)
        fitted = np.clip(fitted, -_LARGEST, _LARGEST).astype(np.float16)
        scale = fitted.astype(np.float32)
        found = scale * (2 * product - scale * square)
        better = found > gain
        best[better], gain[better] = fitted[better], found[better]
    return best


def _round(values: NDArray[np.float32], scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round the values over their scales to the nearest codes; a scale of 0 gives codes of 0."""
    codes = np.divide(values, scales, out=np.zeros_like(values), where=scales != 0)
    np.rint(codes, out=codes)
    return np.clip(codes, _LOW, _HIGH, out=codes)


def _dots(one: NDArray[np.float32], two: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the dot products of corresponding rows, float32[rows, 1]."""
    dots: NDArray[np.float32] = np.einsum("ij,ij->i", one, two)
    return dots[:, None]
