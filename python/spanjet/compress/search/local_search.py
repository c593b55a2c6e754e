"""Local search of the choices for a budget; each candidate that is tried makes the costs more exact."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.search.knapsack import Knapsack, Options
from spanjet.compress.search.search_space import SearchSpace
from spanjet.measure.progress import OnStep, ignore_step
from spanjet.model.layer_shape import LayerShape

__all__ = ["LocalSearch"]

# How far the logarithms of the weights are moved to find another candidate.
_NOISE = 0.5
# How many times a candidate is sought that was not tried yet.
_PATIENCE = 20
# How strongly weights are held to 1, in candidates.
_RIDGE = 1.0
_LIMITS = (0.1, 10.0)
_ROUNDING = 1e-9
_STEPS = 3

Choice = tuple[int, ...]


class LocalSearch:
    """Searches choices of least divergence within a time.

    Costs of single blocks add up only roughly. Each candidate that was tried says by how much: the weights
    of the blocks' costs are fitted to all of them (ridge regression of relative errors). The next candidate
    is, in turn, what the knapsack gives with weights moved at random (as SPDY searches its coefficients,
    Frantar and Alistarh 2022, arXiv 2201.13096), or the best candidate with time moved from one block to
    another, where the fitted costs promise most.

    Args:
        space: what can be chosen.
        seconds, costs: of each option of each block, see `SearchSpace.seconds` and `measure_costs`.
        divergence: of the candidate with such layers; what is minimised.
        seed: the same seed and divergences give the same choices.
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
        """The best choice that takes no longer than the budget.

        Args:
            budget: seconds for all blocks.
            trials: candidates besides the knapsack's own, and those of earlier calls.
            on_step: called after each of them.

        Raises:
            ValueError: nothing fits.
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
        """Seconds of all blocks of a choice."""
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
        """Solve the knapsack with weights moved at random until its choice was not tried yet."""
        choice = self._solve(budget, weights)
        for patience in range(_PATIENCE):
            if choice not in self._tried:
                return choice
            noise = generator.standard_normal(len(weights)) * _NOISE * (0.5 + patience / _PATIENCE)
            choice = self._solve(budget, weights * np.exp(noise))
        return None

    def _exchange(self, budget: float, weights: NDArray[np.float64]) -> Choice | None:
        """The best candidate with one block smaller and another greater, which promises most."""
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
        """The greatest option within a time."""
        return int(np.flatnonzero(self._seconds[block] <= seconds)[-1])

    def _weights(self, budget: float) -> NDArray[np.float64]:
        """Factors of the blocks' costs, float64[blocks]: those that explain the candidates best.

        Candidates as bad as the best of this budget count most.
        """
        tried = np.array(list(self._tried))
        found = np.maximum(np.array(list(self._tried.values())), 1e-12)
        parts = np.stack([cost[tried[:, index]] for index, cost in enumerate(self._costs)], axis=1)
        near = np.exp(-np.abs(np.log(found / max(self._tried[self._best(budget)], 1e-12))))
        # What all candidates have in common, that divergences add up to more than their sum, is no block's.
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
