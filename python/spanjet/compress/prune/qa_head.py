"""Fit the question-answering head of a pruned network to the original's probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.prune.network import Network

__all__ = ["HeadData", "refit_head"]

# Ridge strengths, as shares of the mean curvature.
_RIDGES = (1e-3, 1e-2, 1e-1, 1.0)
# Newton's method stops when a step gains less than this, in nats per window, or after this many steps.
_ENOUGH, _MOST_STEPS = 1e-5, 8
_NAME = "qa_outputs.weight"


@dataclass(frozen=True)
class HeadData:
    """Final hidden states of some windows in both networks.

    Attributes:
        masks: int32[rows, length] of each batch.
        teacher, student: inputs of the head, float32[rows, length, hidden] of each batch.
    """

    masks: Sequence[NDArray[np.int32]]
    teacher: Sequence[NDArray[np.float32]]
    student: Sequence[NDArray[np.float32]]


def refit_head(teacher: Network, fit: HeadData, held_out: HeadData) -> dict[str, NDArray[np.float32]]:
    """Fit the head's weight to minimise the divergence of the student's probabilities from the teacher's.

    The Kullback-Leibler divergences of start and end, convex functions of the weight, are minimised by
    Newton's method with a ridge penalty towards the teacher's weight. The bias does not affect the
    probabilities and stays.

    Args:
        teacher: the original network.
        fit: windows to fit to.
        held_out: windows to select the ridge on, or the unchanged weight.

    Returns:
        The fitted tensor by its name; empty if no fit is better.
    """
    start = teacher.tensors[_NAME].astype(np.float64)
    changed = start.copy()
    for row, weight in enumerate(start):
        loss, kept = _Divergence(fit, weight), _Divergence(held_out, weight)
        found = [weight, *(_newton(loss, weight, ridge) for ridge in _RIDGES)]
        changed[row] = min(found, key=kept.value)
    return {} if np.array_equal(changed, start) else {_NAME: changed.astype(np.float32)}


class _Divergence:
    """Mean divergence over windows of the start or end probabilities, as a function of the head's weight.

    Args:
        data: the windows.
        weight: the teacher's weight, float64[hidden].
    """

    def __init__(self, data: HeadData, weight: NDArray[np.float64]) -> None:
        self._data = data
        self._windows = sum(len(mask) for mask in data.masks)
        self._expected = [
            _log_probabilities(vectors, mask, weight)
            for vectors, mask in zip(data.teacher, data.masks, strict=True)
        ]

    def value(self, weight: NDArray[np.float64]) -> float:
        """Compute the divergence in nats per window."""
        total = 0.0
        for vectors, mask, expected in self._batches():
            found = _log_probabilities(vectors, mask, weight)
            total += float((np.exp(expected) * (expected - found))[mask == 1].sum())
        return total / self._windows

    def derivatives(self, weight: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Compute the gradient, float64[hidden], and the Hessian, float64[hidden, hidden]."""
        gradient, curvature = np.zeros_like(weight), np.zeros((len(weight), len(weight)))
        for vectors, mask, expected in self._batches():
            found = np.exp(_log_probabilities(vectors, mask, weight))
            gradient += np.einsum("rl,rlh->h", found - np.exp(expected), vectors)
            means = np.einsum("rl,rlh->rh", found, vectors)
            scaled = (vectors * np.sqrt(found)[..., None].astype(np.float32)).reshape(-1, len(weight))
            curvature += scaled.T @ scaled
            curvature -= means.T @ means
        return gradient / self._windows, curvature / self._windows

    def _batches(self) -> "zip[tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float64]]]":
        return zip(self._data.student, self._data.masks, self._expected, strict=True)


def _newton(loss: _Divergence, start: NDArray[np.float64], ridge: float) -> NDArray[np.float64]:
    """Minimise the loss and the ridge penalty by Newton's method with backtracking line search."""
    weight, strength = start, None

    def value(each: NDArray[np.float64]) -> float:
        return loss.value(each) + (strength or 0.0) / 2 * float(np.square(each - start).sum())

    for _ in range(_MOST_STEPS):
        gradient, curvature = loss.derivatives(weight)
        strength = ridge * float(np.trace(curvature)) / len(weight) if strength is None else strength
        slope = gradient + strength * (weight - start)
        step = np.linalg.solve(curvature + (strength + 1e-12) * np.eye(len(weight)), slope)
        now = value(weight)
        size = 1.0
        while size > 1e-3 and value(weight - size * step) > now:
            size /= 2
        following = weight - size * step
        if now - value(following) < _ENOUGH:
            break
        weight = following
    return weight


def _log_probabilities(
    vectors: NDArray[np.float32], mask: NDArray[np.int32], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Compute log probabilities, float64[rows, length]; about -1e30 for padding."""
    logits = (vectors @ weight.astype(np.float32)).astype(np.float64)
    logits[mask == 0] = -1e30
    shifted = logits - logits.max(axis=1, keepdims=True)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result
