"""Search for the best choice within a budget, refining the cost estimates with each candidate."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.search.knapsack import Knapsack, Options
from spanjet.compress.search.search_space import SearchSpace
from spanjet.measure.progress import OnStep, ignore_step
from spanjet.model.layer_shape import LayerShape

__all__ = ["LocalSearch"]

# Standard deviation of the noise on the logarithms of the weights.
_NOISE = 0.5
# Maximum number of attempts to find a candidate that was not tried yet.
_PATIENCE = 20
# Ridge strength that holds weights to 1, in equivalent candidates.
_RIDGE = 1.0
_LIMITS = (0.1, 10.0)
_ROUNDING = 1e-9
_STEPS = 3

Choice = tuple[int, ...]


class LocalSearch:
    """Local search for the choice of least divergence within a time budget.

    Costs of single blocks are only roughly additive, so the weights of the blocks' costs are fitted to all
    tried candidates (ridge regression of relative errors). The next candidate is, alternately, the knapsack's
    solution with randomly perturbed weights (as SPDY searches its coefficients, Frantar and Alistarh 2022,
    arXiv 2201.13096), or the best candidate with time moved from one block to another, where the fitted costs
    predict the largest gain.

    Args:
        space: the search space.
        seconds, costs: time and cost of each option of each block, see `SearchSpace.seconds` and
            `measure_costs`.
        divergence: objective: the divergence of the candidate with the given layer shapes.
        seed: seed of the perturbations.
    """

    def __init__(
        self,
        space: SearchSpace,
        seconds: Sequence[NDArray[np.float64]],
        costs: Sequence[NDArray[np.float64]],
        divergence: Callable[[tuple[LayerShape, ...]], float],
        *,
        seed: int,
    ) -> None:
        self._space, self._seconds, self._costs = space, seconds, costs
        self._divergence, self._seed = divergence, seed
        self._tried: dict[Choice, float] = {}

    def run(self, budget: float, trials: int, on_step: OnStep = ignore_step) -> list[int]:
        """Return the best choice within a time budget.

        Args:
            budget: budget of all blocks, in seconds.
            trials: number of candidates besides the knapsack's solution and the candidates of earlier calls.
            on_step: called after each candidate.

        Raises:
            ValueError: no choice fits.
        """
        self._try(self._solve(budget, np.ones(len(self._costs))))
        generator = np.random.default_rng([self._seed, round(budget * 1e9), len(self._tried)])
        for trial in range(trials):
            weights = self._weights(budget)
            choice = self._exchange(budget, weights) if trial % 2 else None
            choice = choice or self._perturbed(budget, weights, generator)
            if choice is not None:
                self._try(choice)
            on_step(trial + 1, trials)
        return list(self._best(budget))

    def time(self, choice: Sequence[int]) -> float:
        """Compute the seconds of all blocks of a choice."""
        return float(sum(each[option] for each, option in zip(self._seconds, choice, strict=True)))

    def _try(self, choice: Choice) -> None:
        if choice not in self._tried:
            self._tried[choice] = self._divergence(self._space.chosen(choice))

    def _best(self, budget: float) -> Choice:
        fitting = [choice for choice in self._tried if self.time(choice) <= budget * (1 + _ROUNDING)]
        return min(fitting, key=lambda choice: (self._tried[choice], choice))

    def _solve(self, budget: float, weights: NDArray[np.float64]) -> Choice:
        blocks = [
            Options(seconds, weight * cost)
            for seconds, cost, weight in zip(self._seconds, self._costs, weights.tolist(), strict=True)
        ]
        return tuple(Knapsack(blocks, budget).solve(budget))

    def _perturbed(
        self, budget: float, weights: NDArray[np.float64], generator: np.random.Generator
    ) -> Choice | None:
        """Solve the knapsack with perturbed weights until its choice is new; None if none is found."""
        choice = self._solve(budget, weights)
        for patience in range(_PATIENCE):
            if choice not in self._tried:
                return choice
            noise = generator.standard_normal(len(weights)) * _NOISE * (0.5 + patience / _PATIENCE)
            choice = self._solve(budget, weights * np.exp(noise))
        return None

    def _exchange(self, budget: float, weights: NDArray[np.float64]) -> Choice | None:
        """Move time between two blocks of the best candidate, with the largest predicted gain."""
        best = self._best(budget)
        costs = [weight * cost for weight, cost in zip(weights.tolist(), self._costs, strict=True)]
        left = budget - self.time(best)
        found: tuple[float, Choice] | None = None
        for smaller, greater in np.ndindex(len(best), len(best)):
            if smaller == greater:
                continue
            for option in {*range(max(best[smaller] - _STEPS, 0), best[smaller]), 0} - {best[smaller]}:
                freed = self._seconds[smaller][best[smaller]] - self._seconds[smaller][option]
                grown = self._greatest(greater, self._seconds[greater][best[greater]] + freed + left)
                if grown <= best[greater]:
                    continue
                choice = _replaced(best, {smaller: option, greater: grown})
                if choice in self._tried:
                    continue
                change = (
                    costs[smaller][option]
                    - costs[smaller][best[smaller]]
                    + costs[greater][grown]
                    - costs[greater][best[greater]]
                )
                if found is None or (change, choice) < found:
                    found = float(change), choice
        return None if found is None else found[1]

    def _greatest(self, block: int, seconds: float) -> int:
        """Find the largest option within a time."""
        return int(np.flatnonzero(self._seconds[block] <= seconds)[-1])

    def _weights(self, budget: float) -> NDArray[np.float64]:
        """Fit the factors of the blocks' costs to the tried candidates, float64[blocks].

        Candidates with a divergence near that of the best of this budget have the most weight.
        """
        tried = np.array(list(self._tried))
        found = np.maximum(np.array(list(self._tried.values())), 1e-12)
        parts = np.stack([cost[tried[:, index]] for index, cost in enumerate(self._costs)], axis=1)
        near = np.exp(-np.abs(np.log(found / max(self._tried[self._best(budget)], 1e-12))))
        # The common factor, by which divergences exceed the sum of costs, is attributed to no block.
        total = np.maximum(parts.sum(axis=1), 1e-12)
        scale = np.exp((near * np.log(found / total)).sum() / near.sum())
        rows = parts * (scale * near / found)[:, None]
        blocks = parts.shape[1]
        left = rows.T @ rows + _RIDGE / blocks * np.eye(blocks)
        right = rows.T @ near + _RIDGE / blocks
        weights: NDArray[np.float64] = np.linalg.solve(left, right)
        return np.clip(weights, *_LIMITS)


def _replaced(choice: Choice, changes: dict[int, int]) -> Choice:
    values = list(choice)
    for place, option in changes.items():
        values[place] = option
    return tuple(values)
