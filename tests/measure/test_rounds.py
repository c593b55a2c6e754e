"""Rounds that take turns, and times as shares of an anchor's."""

import time
from collections.abc import Callable

import numpy as np
import pytest
from spanjet.measure import rounds
from spanjet.measure.rounds import WARM_UPS, Spread, Turn, alternate, ratios, relative_times, timed


def test_spread() -> None:
    assert Spread.of([3.0]) == Spread(3.0, 3.0, 3.0)
    values = [5.0, 1.0, 4.0, 2.0]
    low, median, high = np.percentile(values, [25, 50, 75])
    assert Spread.of(values) == Spread(median, low, high)


def test_rounds_alternate() -> None:
    order: list[str] = []
    sides: dict[str, Callable[[], object]] = {name: lambda name=name: order.append(name) for name in "abc"}  # type: ignore[misc]
    steps: list[tuple[int, int | None]] = []
    turns = alternate(sides, 3, lambda *step: steps.append(step))
    assert steps == [(done, 12) for done in range(1, 13)]
    assert "".join(order) == "cbaabccbaabc"
    assert {name: len(found) for name, found in turns.items()} == {"a": 3, "b": 3, "c": 3}
    order.clear()
    assert len(alternate(sides, 2, warm_ups=2)["a"]) == 2
    assert "".join(order) == "cbaabccbaabc"


def test_time_is_measured() -> None:
    turn = timed(lambda: time.sleep(0.1))
    assert 0.1 <= turn.wall < 5
    assert turn.cpu < 0.1
    assert ratios([Turn(2, 0), Turn(3, 0)], [Turn(4, 0), Turn(1, 0)]) == [0.5, 3.0]


def test_ratios_do_not_see_a_slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine gets slower and slower; what is measured beside the anchor stays the same."""
    cost = {"anchor": 2.0, "one": 1.0, "two": 3.0, "three": 0.5}
    last, slowness = ["anchor"], [1.0]
    warm: list[str] = []

    def timed(run: object) -> Turn:
        assert callable(run)
        run()
        slowness[0] *= 1.05
        wall = cost[last[0]] * slowness[0]
        return Turn(wall, wall)

    def side(name: str) -> None:
        last[0] = name
        warm.append(name)

    monkeypatch.setattr(rounds, "timed", timed)
    sides = {name: lambda name=name: side(name) for name in cost if name != "anchor"}
    steps: list[tuple[int, int | None]] = []
    found, _ = relative_times(
        sides, lambda: side("anchor"), rounds=4, on_step=lambda *step: steps.append(step)
    )
    assert warm[:8] == [name for name in cost for _ in range(WARM_UPS)]
    assert steps == [(done, 18) for done in range(1, 19)]
    for name, ratio in found.items():
        assert ratio == pytest.approx(cost[name] / cost["anchor"], rel=0.12)
