"""Update all weights with the Adam optimiser."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["Adam"]

# Values that are updated at a time: their working set fits in the CPU cache.
_CHUNK = 1 << 15


class Adam:
    """Adam optimiser (Kingma and Ba 2015, arXiv 1412.6980) of one vector, updated in place.

    Gradients are clipped to norm 1 first, so that no batch dominates.

    Args:
        values: float32[n], the vector to optimise.
        decays: decay rates of the first and second moment estimates (beta 1 and beta 2).
        epsilon: term added to the root of the second moment.

    Attributes:
        steps: number of steps taken.
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
        self.steps = 0

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return the moment estimates by name, to be stored and restored in place."""
        return {"mean": self._mean, "square": self._square}

    def step(self, gradient: NDArray[np.float32], rate: float) -> None:
        """Take one optimiser step.

        Args:
            gradient: float32[n]; overwritten.
            rate: learning rate.
        """
        self.steps += 1
        first, second = self._decays
        norm = float(np.sqrt(np.dot(gradient, gradient)))
        scale = 1 / max(norm, 1.0)
        far = rate / (1 - first**self.steps)
        unbiased = 1 / (1 - second**self.steps)
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
