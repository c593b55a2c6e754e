"""Find by bisection the fewest floating-point layers that hold an accuracy floor."""

from collections.abc import Callable

__all__ = ["fewest"]


def fewest(holds: Callable[[int], bool], most: int) -> int | None:
    """Find the fewest floating-point layers that hold the floor: try 1, 2, 4, … until it holds, then bisect.

    For a result of n, about 2 log2(n) numbers are tried. Accuracy need not grow with every layer: the result
    was tried and holds, but a smaller number that was not tried may hold too.

    Args:
        holds: returns True if the floor is held with this number of the most sensitive layers in floating
            point.
        most: maximum number to try.

    Returns:
        The number; None if none of the tried numbers holds.
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
