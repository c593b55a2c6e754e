"""Pareto front of speed against accuracy, and the point of it that is chosen."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from spanjet.model.layer_shape import LayerShape

__all__ = ["ParetoFront", "ParetoPoint", "choose", "extend", "without_repeats"]


@dataclass(frozen=True, kw_only=True)
class ParetoPoint:
    """An architecture, finished and measured.

    Attributes:
        budget: the share of the plain INT8 model's time that was allowed.
        shapes: of the layers.
        predicted: share of that time by the latency table.
        measured: share of that time when both ran in turn.
        divergence: of the candidate of these shapes on the search windows, see `Divergence`.
        f1, exact_match: of the finished INT8 model on the held-out questions, in percent.
    """

    budget: float
    shapes: tuple[LayerShape, ...]
    predicted: float
    measured: float
    divergence: float
    f1: float
    exact_match: float

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class ParetoFront:
    """The points that were measured.

    Attributes:
        points: fastest last.
        least: the F1 that the result must have.
    """

    points: tuple[ParetoPoint, ...]
    least: float

    def holds(self, point: ParetoPoint) -> bool:
        """Check that a point has the F1 that is wanted."""
        return point.f1 >= self.least

    @property
    def fastest(self) -> ParetoPoint | None:
        """The fastest point, by the latency table, that holds the floor."""
        holding = [point for point in self.points if self.holds(point)]
        return min(holding, key=lambda point: point.predicted) if holding else None

    @property
    def gap(self) -> tuple[float, float] | None:
        """The budgets of the fastest point that holds the floor and of the next faster one; None: no such."""
        fastest = self.fastest
        if fastest is None:
            return None
        beyond = [point.budget for point in self.points if point.budget < fastest.budget]
        return (fastest.budget, max(beyond)) if beyond else None


def extend(front: ParetoFront, measure: Callable[[float], ParetoPoint], bisections: int) -> ParetoFront:
    """Bisect the gap between the fastest point that holds the floor and the next.

    Args:
        front: what is known.
        measure: makes the point of a budget.
        bisections: points at most that are made.
    """
    for _ in range(bisections):
        gap = front.gap
        if gap is None:
            break
        point = measure(sum(gap) / 2)
        points = sorted((*front.points, point), key=lambda each: -each.budget)
        front = ParetoFront(points=tuple(points), least=front.least)
    return front


def choose(front: ParetoFront, budget: float | None, *, keep_best: bool) -> ParetoPoint:
    """Choose the point that becomes the result.

    Args:
        front: all points.
        budget: the most accurate point of those within this share of the time; None: the fastest that holds
            the floor.
        keep_best: whether the most accurate of all will do where none holds the floor.

    Raises:
        ValueError: none holds the floor.
    """
    if budget is not None:
        within = [point for point in front.points if point.budget <= budget]
        return max(within, key=lambda point: (point.f1, -point.predicted))
    fastest = front.fastest
    best = max(front.points, key=lambda point: (point.f1, -point.predicted))
    if fastest is None and not keep_best:
        raise ValueError(
            f"the floor is not held: F1 is {best.f1:.2f} at best, at {best.predicted:.0%} of the time, and "
            f"{front.least:.2f} is wanted: lower the floor, or keep the best"
        )
    return best if fastest is None else fastest


def without_repeats(points: Sequence[ParetoPoint]) -> tuple[ParetoPoint, ...]:
    """Points of different shapes, fastest last; of equal ones, that of the greatest budget."""
    ordered = sorted(points, key=lambda point: -point.budget)
    return tuple({point.shapes: point for point in reversed(ordered)}.values())[::-1]
