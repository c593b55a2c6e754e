"""Minimise losses by logistic regression and golden-section search."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["golden_section", "logistic_regression", "sigmoid"]

Floats = NDArray[np.float64]

_GOLDEN = (5**0.5 - 1) / 2


def sigmoid(odds: Floats) -> Floats:
    """Compute the logistic function."""
    # The hyperbolic tangent does not overflow.
    return np.asarray((1 + np.tanh(odds / 2)) / 2)


def logistic_regression(design: Floats, target: Floats) -> Floats:
    """Fit the weights of a logistic regression by Newton's method, to machine precision.

    Steps are halved until they do not raise the loss (Lin, Lin and Weng 2007, Machine Learning 68).

    Args:
        design: design matrix, float64[items, features], with features of similar scale.
        target: float64[items], probabilities strictly between 0 and 1, so that the weights are finite.

    Returns:
        Weights, float64[features].
    """

    def loss(weights: Floats) -> float:
        odds = design @ weights
        return float(np.mean(np.logaddexp(0, odds) - target * odds))

    weights = np.zeros(design.shape[1])
    current = loss(weights)
    for _ in range(100):
        probability = sigmoid(design @ weights)
        gradient = design.T @ (probability - target) / len(target)
        curvature = (design * (probability * (1 - probability))[:, None]).T @ design / len(target)
        # Slightly regularised, as the curvature may be singular, for example if all margins are equal.
        step = np.linalg.solve(curvature + 1e-12 * np.eye(len(weights)), gradient)
        size = 1.0
        while size > 1e-10 and loss(weights - size * step) > current:
            size /= 2
        reached = loss(weights - size * step)
        if reached > current:
            break
        weights, current = weights - size * step, reached
        if np.abs(step).max() < 1e-10:
            break
    return weights


def golden_section(loss: Callable[[float], float], low: float, high: float) -> float:
    """Minimise between two bounds by golden-section search (Kiefer 1953, Proceedings of the AMS 4)."""
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    losses = loss(left), loss(right)
    while high - low > 1e-7:
        if losses[0] <= losses[1]:
            high, right = right, left
            left = high - _GOLDEN * (high - low)
            losses = loss(left), losses[0]
        else:
            low, left = left, right
            right = low + _GOLDEN * (high - low)
            losses = losses[1], loss(right)
    return (low + high) / 2
