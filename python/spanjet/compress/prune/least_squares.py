"""Fit corrections of linear layers by ridge regression on streamed batches."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.prune.second_moments import second_moment

__all__ = ["LeastSquares"]


class LeastSquares:
    """Accumulated normal equations of a correction of ``x Wᵀ + b`` towards a target.

    Products are in float32, sums in float64.

    Args:
        inputs: number of features of x.
        outputs: number of features of the target.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        self._gram = np.zeros((inputs + 1, inputs + 1))
        self._cross = np.zeros((inputs + 1, outputs))

    def add(self, inner: NDArray[np.float32], missing: NDArray[np.float32]) -> None:
        """Accumulate some tokens.

        Args:
            inner: x, float32[tokens, inputs].
            missing: residual, the target minus ``x Wᵀ + b``, float32[tokens, outputs].
        """
        self._gram += second_moment(inner)
        self._cross[:-1] += inner.T @ missing
        self._cross[-1] += missing.sum(axis=0, dtype=np.float64)

    def corrections(self, dampings: Sequence[float]) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Solve for the corrections of W, float32[outputs, inputs], and b, float32[outputs], per damping.

        Ridge regression (Hoerl and Kennard 1970) that shrinks the correction towards 0, except that of b. A
        damping is the ridge as a share of the mean square of x.
        """
        inner = np.arange(len(self._gram) - 1)
        scale = np.diagonal(self._gram)[:-1].mean() if len(inner) else 0.0
        found = []
        for damping in dampings:
            damped = self._gram.copy()
            damped[inner, inner] += damping * scale + np.finfo(np.float64).tiny
            solution = np.linalg.solve(damped, self._cross).T.astype(np.float32)
            found.append((np.ascontiguousarray(solution[:, :-1]), np.ascontiguousarray(solution[:, -1])))
        return found
