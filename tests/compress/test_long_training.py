"""The hours of an optimisation: which architectures are trained longer, how long, and what comes of it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import networks
import pytest
from optimizing import CONFIG, Made, run
from spanjet.compress.optimize import run as stages
from spanjet.compress.optimize.config import OptimizeConfig
from spanjet.compress.optimize.long_training import TRIES, measure_training, next_budget, train_longer
from spanjet.compress.optimize.time_estimate import Plan, Step
from spanjet.compress.search.pareto import ParetoFront, ParetoPoint
from spanjet.model.layer_shape import LayerShape


def point(budget: float, f1: float, windows: int | None = None) -> ParetoPoint:
    shapes = (LayerShape(4, round(1000 * budget)),)
    return ParetoPoint(
        budget=budget,
        shapes=shapes,
        predicted=budget,
        measured=budget,
        divergence=0.1,
        f1=f1,
        exact_match=f1,
        windows=windows,
    )


def front(*points: ParetoPoint) -> ParetoFront:
    return ParetoFront(points=points, least=80.0)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([point(1, 90)], 0.85),
        ([point(1, 70), point(0.6, 60)], 0.6),
        ([point(1, 90), point(0.8, 85), point(0.6, 79), point(0.4, 60)], 0.6),
        ([point(1, 90), point(0.8, 85), point(0.6, 79), point(0.6, 81, 100), point(0.4, 60)], 0.4),
        ([point(1, 90), point(0.8, 85), point(0.6, 79), point(0.6, 79.5, 100), point(0.4, 60)], 0.7),
        ([point(1, 90), point(0.8, 85), point(0.7, 79.9, 100), point(0.6, 79.5, 100)], 0.75),
        ([point(1, 90), point(0.4, 81, 100)], 0.34),
    ],
)
def test_the_next_budget(points: Sequence[ParetoPoint], expected: float) -> None:
    assert next_budget(front(*points)) == pytest.approx(expected)


def test_longer_trainings_go_on_from_what_held() -> None:
    tried: list[tuple[float, int]] = []

    def measure(budget: float, windows: int) -> ParetoPoint:
        tried.append((budget, windows))
        return point(budget, 95 - 20 * (0.95 - budget) / 0.25, windows)  # 80 at 0.76

    start = front(point(1, 90), point(0.8, 79), point(0.6, 60))
    found = train_longer(start, measure, 500, budget=None, fits=lambda _: True)
    assert [budget for budget, _ in tried] == pytest.approx([0.8, 0.6, 0.7])
    assert {windows for _, windows in tried} == {500}
    assert found.fastest is not None
    assert (found.fastest.budget, found.fastest.windows) == (0.8, 500)
    tried.clear()
    assert len(train_longer(start, measure, 500, budget=0.65, fits=lambda _: True).points) == 4
    assert tried == [(0.65, 500)]
    tried.clear()
    assert train_longer(start, measure, 500, budget=None, fits=lambda _: False) == start
    assert not tried


def test_the_speed_of_training() -> None:
    network = networks.tiny()
    for count in (99, 3):  # several steps, and a single one
        lengths = [20 + index % 25 for index in range(count)]
        assert measure_training(network, networks.windows(network, lengths)) > 1


HOURS = 2.0
WINDOWS = 25


@pytest.fixture
def fixed_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan of one hour; another suffices for `TRIES` trainings on `WINDOWS` windows."""
    monkeypatch.setattr(stages, "plan_run", lambda *_, **__: Plan((Step("search", 3600.0),)))
    monkeypatch.setattr(stages, "measure_training", lambda *_: (TRIES * WINDOWS + 0.5) / 3600)


@pytest.mark.usefixtures("fixed_speed")
def test_hours_are_spent_on_longer_trainings(made: Made, tmp_path: Path) -> None:
    directory, _ = made
    plans: list[Plan] = []
    card = run(
        directory,
        tmp_path / "longer",
        work=directory / "out.stages",
        config=replace(CONFIG, hours=HOURS, floor=0.9999),
        on_plan=plans.append,
        export=tmp_path / "export",
    )
    assert plans[0].seconds == pytest.approx(3600 * HOURS)
    assert plans[0].steps[-1].name == f"train {TRIES} models, each on {WINDOWS} windows"
    found = card["optimization"]
    longer = [point for point in found["front"] if point["windows"] is not None]
    assert {point["windows"] for point in longer} == {WINDOWS}
    assert 1 <= len(longer) <= TRIES
    assert not list((directory / "out.stages").glob("training-*"))
    if found["chosen"]["windows"] is not None:
        assert found["chosen"] in longer


@pytest.mark.usefixtures("fixed_speed")
def test_a_budget_is_trained_for_all_the_time(made: Made, tmp_path: Path) -> None:
    directory, _ = made
    config = replace(CONFIG, hours=HOURS, budget=0.5)
    card = run(directory, tmp_path / "out", work=directory / "out.stages", config=config)
    found = card["optimization"]["front"]
    assert [(point["budget"], point["windows"]) for point in found] == [
        (1.0, None),
        (0.5, None),
        (0.5, TRIES * WINDOWS),
    ]


@pytest.mark.usefixtures("fixed_speed")
def test_too_few_hours(made: Made, tmp_path: Path) -> None:
    directory, _ = made
    config = replace(CONFIG, hours=0.5)
    with pytest.raises(ValueError, match=r"hours is 0\.5; expected more than the other stages take, 1\.0"):
        run(directory, tmp_path / "out", work=directory / "out.stages", config=config)
    with pytest.raises(ValueError, match="hours is 0; expected hours of the run"):
        OptimizeConfig(hours=0)
