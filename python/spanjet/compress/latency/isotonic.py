"""The monotone curve that is nearest to measurements."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["isotonic"]


def isotonic(values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """The nondecreasing values of least squared distance, by pooling adjacent violators.

    Ayer et al. 1955 (The Annals of Mathematical Statistics 26).

    Args:
        values: float64[n].

    Returns:
        float64[n], nondecreasing.
    """
    means: list[float] = []
    sizes: list[int] = []
    for value in np.asarray(values, np.float64).tolist():
        means.append(value)
        sizes.append(1)
        while len(means) > 1 and means[-2] > means[-1]:
            mean, size = means.pop(), sizes.pop()
            total = sizes[-1] + size
            means[-1] += (mean - means[-1]) * size / total
            sizes[-1] = total
    return np.repeat(means, sizes)
