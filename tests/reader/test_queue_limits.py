"""The limits of the queue of concurrent calls: expected waits, room, and settings."""

import pickle
from concurrent.futures import Future
from typing import Any

import pytest
from spanjet import Overloaded, QueueConfig
from spanjet.reader.dynamic_batching.fair_queue import CLASSES
from spanjet.reader.dynamic_batching.load import Load
from spanjet.reader.dynamic_batching.room import Room


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def load(clock: Clock) -> Load:
    """A load whose streams compute 1,000 tokens a second."""
    measured = Load(clock)
    for _ in range(10):
        measured.ran(500, 0.5)
    return measured


def waiting(**tokens: int) -> list[int]:
    return [tokens.get(f"class_{place}", 0) for place in range(CLASSES)]


def test_nothing_is_expected_before_a_batch_was_timed(clock: Clock) -> None:
    load = Load(clock)
    assert load.speed is None
    assert load.expected_wait(waiting(class_1=10**6), 1, 2) == load.seconds(10**6, 2) == 0


def test_the_speed_is_a_moving_average(load: Load) -> None:
    assert load.speed == pytest.approx(1000)
    for _ in range(500):
        load.ran(100, 0.05)
    assert load.speed == pytest.approx(2000, rel=0.02)
    assert load.seconds(8000, 2) == pytest.approx(2, rel=0.02)


def test_a_class_waits_for_its_own(load: Load) -> None:
    assert load.expected_wait(waiting(class_1=4000), 1, 2) == pytest.approx(2)
    assert load.expected_wait(waiting(class_1=4000), 0, 2) == 0


def test_others_take_at_most_as_much_before(load: Load) -> None:
    both = waiting(class_1=1000, class_3=50000)
    assert load.expected_wait(both, 1, 1) == pytest.approx(2)
    assert load.expected_wait(both, 3, 1) == pytest.approx(51)


def test_what_comes_meanwhile_is_expected_too(load: Load, clock: Clock) -> None:
    """Of 1,000 tokens a second, short calls take 500, so that the others wait twice as long."""
    for _ in range(200):
        clock.now += 0.1
        load.left(0, 50)
    assert load.expected_wait(waiting(class_1=1000), 1, 1) == pytest.approx(2, rel=0.1)
    clock.now += 10
    assert load.expected_wait(waiting(class_1=1000), 1, 1) == pytest.approx(1, rel=0.01)


def is_in(places: list["Future[None]"]) -> list[bool]:
    return [place.done() and not place.cancelled() for place in places]


def test_room_is_given_in_order() -> None:
    room = Room(100)
    assert not room.is_full(99)
    assert room.is_full(100)
    places = [room.reserve(30, 50) for _ in range(4)]
    assert is_in(places) == [True, True, False, False]
    room.release(30, 80)
    assert is_in(places) == [True, True, False, False]
    room.admit(60)
    assert is_in(places) == [True, True, True, False]
    room.release(30, 60)
    room.release(30, 60)
    assert is_in(places) == [True] * 4


def test_who_no_longer_waits_for_room_is_passed_over() -> None:
    room = Room(10)
    first, second, third = (room.reserve(10, 0) for _ in range(3))
    assert second.cancel()
    room.release(10, 0)
    assert is_in([first, second, third]) == [True, False, True]


def test_the_largest_text_gets_room_in_an_empty_queue() -> None:
    assert Room(10).reserve(10**6, 0).done()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_queue_tokens": 0}, "max_queue_tokens is 0; expected an integer of at least 1"),
        ({"max_wait": -1}, "max_wait is -1; expected a finite number of at least 0"),
        ({"max_wait": float("nan")}, "max_wait is nan"),
        ({"batch_wait": -0.1}, "batch_wait is -0.1; expected a finite number of at least 0 and at most 60"),
    ],
)
def test_bad_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"QueueConfig.{message}"):
        QueueConfig(**settings)


def test_settings_of_the_wrong_type() -> None:
    with pytest.raises(TypeError, match=r"QueueConfig\.max_queue_tokens"):
        QueueConfig(max_queue_tokens="1")  # type: ignore[arg-type]
    assert QueueConfig(max_wait=None).max_wait is None


def test_a_refusal_can_be_pickled() -> None:
    error = pickle.loads(pickle.dumps(Overloaded("9 tokens wait, max_queue_tokens is 8", 0.25)))  # noqa: S301  (ours)
    assert (error.reason, error.retry_after) == ("9 tokens wait, max_queue_tokens is 8", 0.25)
    assert str(error) == "9 tokens wait, max_queue_tokens is 8; expected room in 0.2 s"
