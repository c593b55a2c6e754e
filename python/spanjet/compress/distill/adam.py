"""Adam, for all weights at once."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["Adam"]

# Values that are updated at a time: what they need stays in the cache.
_CHUNK = 1 << 15


class Adam:
    """Adam (Kingma and Ba 2015, arXiv 1412.6980) on one vector, which is changed in place.

    Gradients are scaled down to norm 1 first, where they are longer, so that no batch counts for many.

    Args:
        values: float32[n], what is optimised.
        decays: of the running means of gradients and of their squares.
        epsilon: added to the root of the latter.
    """

    def __init__(
        self,
        values: NDArray[np.float32],
        *,
        decays: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
    ) -> None:
        self._values, self._decays, self._epsilon = values, decays, epsilon
        self._mean, self._square = np.zeros_like(values), np.zeros_like(values)
        self._steps = 0

    def step(self, gradient: NDArray[np.float32], rate: float) -> None:
        """Take one step.

        Args:
            gradient: float32[n]; it is overwritten.
            rate: how far, at most, each value goes.
        """
        self._steps += 1
        first, second = self._decays
        norm = float(np.sqrt(np.dot(gradient, gradient)))
        scale = 1 / max(norm, 1.0)
        far = rate / (1 - first**self._steps)
        unbiased = 1 / (1 - second**self._steps)
        for start in range(0, len(gradient), _CHUNK):
            part = slice(start, start + _CHUNK)
            change, mean, square = gradient[part], self._mean[part], self._square[part]
            change *= scale
            mean *= first
            mean += (1 - first) * change
            np.square(change, out=change)
            square *= second
            square += (1 - second) * change
            np.multiply(square, unbiased, out=change)
            np.sqrt(change, out=change)
            change += self._epsilon
            np.divide(mean, change, out=change)
            change *= far
            self._values[part] -= change
