"""Build the Pareto front of speed against accuracy, and choose a point of it."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from spanjet.model.layer_shape import LayerShape

__all__ = ["ParetoFront", "ParetoPoint", "choose", "extend", "without_repeats"]


@dataclass(frozen=True, kw_only=True)
class ParetoPoint:
    """Fully fitted and measured architecture.

    Attributes:
        budget: maximum time, as a share of the unpruned INT8 model's.
        shapes: shape of each layer.
        predicted: time predicted by the latency table, as a share of the unpruned model's.
        measured: time measured in alternation with the unpruned model, as a share of its time.
        divergence: divergence of the candidate of these shapes on the search windows, see `Divergence`.
        f1, exact_match: scores of the fully fitted INT8 model on the held-out questions, in percent.
        windows: number of windows of a longer training; None: it was not trained longer.
    """

    budget: float
    shapes: tuple[LayerShape, ...]
    predicted: float
    measured: float
    divergence: float
    f1: float
    exact_match: float
    windows: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the attributes by name, JSON-serialisable."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class ParetoFront:
    """Measured points of speed and accuracy, with the accuracy floor.

    Attributes:
        points: the points, fastest last.
        least: minimum F1 of the result, in percent.
    """

    points: tuple[ParetoPoint, ...]
    least: float

    def with_point(self, point: ParetoPoint) -> "ParetoFront":
        """Return the front with one more point."""
        return replace(self, points=tuple(sorted((*self.points, point), key=lambda each: -each.budget)))

    def holds(self, point: ParetoPoint) -> bool:
        """Return True if a point holds the floor."""
        return point.f1 >= self.least

    @property
    def fastest(self) -> ParetoPoint | None:
        """Fastest point by predicted time that holds the floor; None if none does."""
        holding = [point for point in self.points if self.holds(point)]
        return min(holding, key=lambda point: point.predicted) if holding else None

    @property
    def gap(self) -> tuple[float, float] | None:
        """Budgets of the fastest point that holds the floor and of the next faster one, or None."""
        fastest = self.fastest
        if fastest is None:
            return None
        beyond = [point.budget for point in self.points if point.budget < fastest.budget]
        return (fastest.budget, max(beyond)) if beyond else None


def extend(front: ParetoFront, measure: Callable[[float], ParetoPoint], bisections: int) -> ParetoFront:
    """Bisect the gap between the fastest point that holds the floor and the next faster point.

    Args:
        front: the points so far.
        measure: builds and measures the point of a budget.
        bisections: maximum number of points to add.
    """
    for _ in range(bisections):
        gap = front.gap
        if gap is None:
            break
        front = front.with_point(measure(sum(gap) / 2))
    return front


def choose(front: ParetoFront, budget: float | None, *, keep_best: bool) -> ParetoPoint:
    """Choose the point to write as the result.

    Args:
        front: all points.
        budget: choose the most accurate point within this share of the time; None: the fastest that holds the
            floor.
        keep_best: choose the most accurate point if none holds the floor.

    Raises:
        ValueError: no point holds the floor.
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
    """Remove points of equal shapes, keeping that of the largest budget; sort the fastest last."""
    ordered = sorted(points, key=lambda point: -point.budget)
    return tuple({point.shapes: point for point in reversed(ordered)}.values())[::-1]
