"""Rank input columns of a linear layer for removal and refit the rest (optimal brain surgeon)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["DAMPING", "Order", "damped", "order_columns", "order_groups", "reduced"]

#: What is added to the diagonal of second moments, as a share of its mean.
DAMPING = 1e-3


@dataclass(frozen=True)
class Order:
    """Removal order of the heads or units of a block.

    Attributes:
        removed: int64[n], indices of heads or units in the order of their removal.
        error: float64[n + 1], squared output error after k removals and refitting, relative to that after all
            removals; 0 to 1.
    """

    removed: NDArray[np.int64]
    error: NDArray[np.float64]

    def kept(self, count: int) -> NDArray[np.int64]:
        """Return the indices of the ``count`` parts that are removed last, ascending."""
        return np.sort(self.removed[len(self.removed) - count :])


def damped(moment: NDArray[np.float64], damping: float = DAMPING) -> NDArray[np.float64]:
    """Add a share of the mean diagonal to the diagonal of second moments, except to the bias entry."""
    result: NDArray[np.float64] = moment.copy()
    inner = np.arange(len(moment) - 1)
    result[inner, inner] += damping * np.diagonal(moment)[:-1].mean() + np.finfo(np.float64).tiny
    return result


def order_columns(weight: NDArray[np.floating], moment: NDArray[np.float64], *, block: int = 16) -> Order:
    """Rank single input columns for removal.

    Optimal brain surgeon (Hassibi and Stork 1992) for the columns of a matrix, as OBC (Frantar and Alistarh
    2022, arXiv 2208.11580) and ZipLM (Kurtic et al. 2023, arXiv 2302.04089) apply it: the column with the
    least error after refitting all others is removed first.

    Args:
        weight: [outputs, inputs].
        moment: damped second moments of the inputs with a constant 1 appended, float64[inputs + 1, inputs +
            1]; see `damped`.
        block: number of columns to remove at once. For the fourth feed-forward block of MiniLM-L6 (1,536
            units), errors with 16 are within 0.1 % of those with 1, in a third of the time.
    """
    rest, inverse = _start(weight, moment)
    left = np.arange(rest.shape[1])
    removed, costs = [], []
    while len(left):
        scores = np.einsum("ij,ij->j", rest, rest) / np.diagonal(inverse)
        chosen = np.argsort(scores, kind="stable")[:block]
        removed.append(left[chosen])
        costs.append(_costs(rest, inverse, chosen))
        rest, inverse = _without(rest, inverse, chosen)
        left = np.delete(left, chosen)
    return _order(np.concatenate(removed), np.concatenate(costs))


def order_groups(weight: NDArray[np.floating], moment: NDArray[np.float64], groups: int) -> Order:
    """Rank equal groups of consecutive input columns for removal.

    Args:
        weight: [outputs, groups * size].
        moment: damped second moments of the inputs with a constant 1 appended; see `damped`.
        groups: number of groups.
    """
    rest, inverse = _start(weight, moment)
    size = rest.shape[1] // groups
    left, removed, costs = list(range(groups)), [], []
    while left:
        inputs = [np.arange(place * size, (place + 1) * size) for place in range(len(left))]
        each = [float(_costs(rest, inverse, group).sum()) for group in inputs]
        place = int(np.argmin(each))
        removed.append(left.pop(place))
        costs.append(each[place])
        rest, inverse = _without(rest, inverse, inputs[place])
    return _order(np.array(removed, np.int64), np.array(costs))


def reduced(
    weight: NDArray[np.floating],
    bias: NDArray[np.floating],
    moment: NDArray[np.float64],
    kept: NDArray[np.int64],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fit the weight and bias of the kept inputs to a linear layer's outputs by least squares.

    Closed form of all updates of optimal brain surgeon: W_R = W A_:R A_RR⁻¹, where the bias is a column of W
    that is always kept.

    Args:
        weight: [outputs, inputs].
        bias: [outputs].
        moment: damped second moments of the inputs with a constant 1 appended; see `damped`.
        kept: indices of the kept inputs.

    Returns:
        float32[outputs, kept] and float32[outputs].
    """
    places = np.append(kept, len(moment) - 1)
    whole = np.concatenate([weight, bias[:, None]], axis=1).astype(np.float64)
    right = moment[np.ix_(places, np.arange(len(moment)))] @ whole.T
    solution = np.linalg.solve(moment[np.ix_(places, places)], right).T.astype(np.float32)
    return np.ascontiguousarray(solution[:, :-1]), np.ascontiguousarray(solution[:, -1])


def _start(
    weight: NDArray[np.floating], moment: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weight in float64, and the inverse second moments of the inputs given a refitted bias."""
    inverse = np.linalg.inv(moment)[:-1, :-1]
    return weight.astype(np.float64), (inverse + inverse.T) / 2


def _costs(
    weight: NDArray[np.float64], inverse: NDArray[np.float64], chosen: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Compute the squared error that each input adds when the chosen ones are removed in order."""
    factor = np.linalg.cholesky(inverse[np.ix_(chosen, chosen)])
    columns = np.linalg.solve(factor, weight[:, chosen].T)
    costs: NDArray[np.float64] = np.square(columns).sum(axis=1)
    return costs


def _without(
    weight: NDArray[np.float64], inverse: NDArray[np.float64], chosen: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Remove inputs from the weight and the inverse second moments, and refit the others."""
    left = np.delete(np.arange(weight.shape[1]), chosen)
    update = np.linalg.solve(inverse[np.ix_(chosen, chosen)], inverse[np.ix_(chosen, left)])
    smaller = inverse[np.ix_(left, left)] - inverse[np.ix_(left, chosen)] @ update
    return weight[:, left] - weight[:, chosen] @ update, smaller


def _order(removed: NDArray[np.int64], costs: NDArray[np.float64]) -> Order:
    error = np.concatenate([[0.0], np.cumsum(costs)])
    total = error[-1] if error[-1] > 0 else 1.0
    error /= total
    error[-1] = 1.0
    return Order(removed.astype(np.int64), error)
