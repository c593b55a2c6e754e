"""Several searches that share their trials: those that promise most get most."""

import math
from collections.abc import Callable, Sequence

from spanjet.compress.search.local_search import LocalSearch

__all__ = ["best_of"]


def best_of(
    searches: Sequence[tuple[LocalSearch, float]], trials: int, on_step: Callable[[], None] = lambda: None
) -> tuple[LocalSearch, list[int]]:
    """The best choice of some searches within their budgets, by successive halving.

    In each round, those that are left get the same number of trials, and the better half of them goes on
    (Karnin et al. 2013, ICML; Jamieson and Talwalkar 2016, arXiv 1502.07943).

    Args:
        searches: with the seconds that each one's choice may take.
        trials: candidates in all, besides the first of each search.
        on_step: called once for each search and each trial.

    Returns:
        The search that found it, and the choice.

    Raises:
        ValueError: nothing fits in any of them.
    """
    found = []
    for place, (search, budget) in enumerate(searches):
        found.append((search.least(budget), place))
        on_step()
    left = [place for value, place in sorted(found) if math.isfinite(value)]
    if not left:
        search, budget = searches[0]
        search.run(budget, 0)  # says what the least is
    rounds = math.ceil(math.log2(len(left)))
    share = trials // (rounds + 1)
    for _ in range(rounds):
        found = []
        for place in left:
            search, budget = searches[place]
            search.run(budget, share // len(left), on_step)
            found.append((search.least(budget), place))
        trials -= share // len(left) * len(left)
        left = [place for _, place in sorted(found)][: -(-len(left) // 2)]
    search, budget = searches[left[0]]
    return search, search.run(budget, trials, on_step)
