"""Bisect for the fewest restored layers that hold an accuracy floor."""

from collections.abc import Callable

__all__ = ["fewest"]


def fewest(holds: Callable[[int], bool], most: int) -> int | None:
    """Find the fewest restored layers that hold the floor: try 1, 2, 4, … until it holds, then bisect.

    About 2 log2 of the answer numbers are tried. Accuracy need not grow with every layer: the number
    that comes out was tried and holds, but a smaller one that was not tried may hold too.

    Args:
        holds: whether the floor is held with so many of the most sensitive layers restored.
        most: the greatest number that may be tried.

    Returns:
        The number; None if none of those that were tried holds.
    """
    failing, holding = 0, min(1, most)
    if most < 1:
        return None
    while not holds(holding):
        if holding == most:
            return None
        failing, holding = holding, min(2 * holding, most)
    while holding - failing > 1:
        middle = (failing + holding) // 2
        if holds(middle):
            holding = middle
        else:
            failing = middle
    return holding
