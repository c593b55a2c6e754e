"""Average the weights of a training over its last steps."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["Average"]


class Average:
    """Exponential moving average of a vector (Polyak and Juditsky 1992), whose first values count little.

    Args:
        values: float32[n], the vector.
        decay: decay rate of the average; 0: no average, the vector itself.
    """

    def __init__(self, values: NDArray[np.float32], decay: float) -> None:
        self._values, self._decay = values, decay
        self._average = values.copy() if decay else values

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return what the average consists of, by name, to be stored and restored in place."""
        return {"average": self._average} if self._decay else {}

    def update(self, steps: int) -> None:
        """Take the vector after so many steps into the average."""
        if self._decay:
            decay = min(self._decay, (1 + steps) / (10 + steps))
            self._average += np.float32(1 - decay) * (self._values - self._average)

    def take(self) -> None:
        """Replace the vector by its average, in place."""
        if self._decay:
            self._values[:] = self._average
