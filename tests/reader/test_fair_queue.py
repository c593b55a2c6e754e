"""The queue of concurrent calls: order, fairness between short and long ones, batches, and what leaves it."""

import heapq
import random
from collections import Counter
from itertools import count
from typing import Any, cast

import numpy as np
import pytest
from spanjet.reader.dynamic_batching.call import Call
from spanjet.reader.dynamic_batching.fair_queue import CLASSES, FairQueue, Taken, length_class

BATCH_TOKENS = 1024


def call(*lengths: int, entered: float | None = None) -> Call:
    """A call of windows with these padded lengths, for whose texts the queue does not care."""
    made = Call(cast(Any, None), list(lengths), lambda chunk: chunk)
    made.entered = next(NUMBERS) if entered is None else entered
    return made


NUMBERS = count()


def take(queue: FairQueue, *, streams: int = 1) -> Taken:
    taken = queue.take(BATCH_TOKENS, streams)
    assert taken is not None
    return taken


def calls_of(taken: Taken) -> list[Call]:
    return [each for each, _ in taken.parts]


def test_length_classes() -> None:
    assert [length_class(tokens) for tokens in (1, 128, 129, 512, 513, 2048, 8192, 8193, 10**9)] == [
        *(0, 0, 1, 1, 2, 2, 3, 4, 4)
    ]
    assert CLASSES == 5


def test_an_empty_queue_has_no_batch() -> None:
    assert FairQueue().take(BATCH_TOKENS, 1) is None


def test_first_come_first_served_within_a_length_class() -> None:
    queue = FairQueue()
    calls = [call(length) for length in (208, 352, 144, 384, 208, 144, 352)]
    for each in calls:
        queue.add(each)
    order = [calls_of(take(queue, streams=100)) for _ in calls]
    assert order == [[each] for each in calls]


def test_windows_of_equal_length_share_a_batch_in_order() -> None:
    queue = FairQueue()
    calls = [call(64), call(96), *(call(64) for _ in range(20))]
    for each in calls:
        queue.add(each)
    first, second = take(queue), take(queue)
    assert (first.length, first.rows) == (64, 16)
    assert calls_of(first) == [calls[0], *calls[2:17]]
    assert (second.length, calls_of(second)) == (96, [calls[1]])


def test_batches_are_full_or_halved_so_that_there_are_few_shapes() -> None:
    for waiting in range(1, 40):
        queue = FairQueue()
        for _ in range(waiting):
            queue.add(call(160))
        rows = []
        while queue.tokens:
            rows.append(take(queue).rows)
        assert sum(rows) == waiting
        assert set(rows) <= {6, 3, 1}
        assert rows == sorted(rows, reverse=True)


def test_batches_are_small_while_little_waits() -> None:
    """What waits is shared between the streams, so that none is idle."""
    queue = FairQueue()
    for _ in range(4):
        queue.add(call(96))
    assert [take(queue, streams=2).rows for _ in range(3)] == [2, 1, 1]


def test_a_window_longer_than_a_batch_is_its_own() -> None:
    queue = FairQueue()
    for _ in range(2):
        queue.add(call(2048))
    assert [take(queue).rows for _ in range(2)] == [1, 1]


def test_a_short_question_does_not_wait_for_a_long_document() -> None:
    queue = FairQueue()
    queue.add(call(*[384] * 1000))
    for _ in range(10):
        take(queue)
    short = call(64)
    queue.add(short)
    assert calls_of(take(queue)) == [short]


def test_long_ones_get_their_share_beside_many_short_ones() -> None:
    queue = FairQueue()
    document = call(*[384] * 1000)
    queue.add(document)
    served: Counter[bool] = Counter()
    for _ in range(300):
        while sum(queue.waiting()[:1]) < 4096:
            queue.add(call(112))
        taken = take(queue)
        served[document in calls_of(taken)] += taken.rows * taken.length
    assert served[True] / served[False] == pytest.approx(1, abs=0.05)


def test_a_class_that_was_idle_has_saved_nothing_up() -> None:
    queue = FairQueue()
    for _ in range(50):
        queue.add(call(128))
        take(queue)
    documents = [call(*[384] * 20) for _ in range(3)]
    for each in documents:
        queue.add(each)
    served: Counter[int] = Counter()
    for _ in range(40):
        queue.add(call(128))
        taken = take(queue, streams=100)
        served[taken.length_class] += taken.rows * taken.length
    assert served[0] == pytest.approx(served[3], rel=0.2)


def test_what_is_discarded_leaves_at_once() -> None:
    queue = FairQueue()
    first, second = call(*[384] * 4, 144), call(*[384] * 5)
    queue.add(first)
    queue.add(second)
    taken = take(queue, streams=2)
    assert calls_of(taken) == [first]
    queue.discard(first)
    assert queue.tokens == second.tokens
    queue.discard(first)
    assert (queue.tokens, sum(queue.waiting())) == (second.tokens, second.tokens)
    while queue.tokens:
        assert calls_of(take(queue)) == [second]


@pytest.mark.parametrize("seed", range(20))
def test_every_window_leaves_once(seed: int) -> None:
    generator = random.Random(seed)
    queue = FairQueue()
    expected: Counter[tuple[Call, int]] = Counter()
    found: Counter[tuple[Call, int]] = Counter()
    waiting: list[Call] = []
    while generator.random() < 0.99 or queue.tokens:
        action = generator.random()
        if action < 0.4 and len(waiting) < 100:
            lengths = [generator.randrange(16, 400, 16) for _ in range(generator.choice((1, 1, 1, 2, 9, 40)))]
            added = call(*lengths)
            queue.add(added)
            waiting.append(added)
            expected.update((added, row) for row in range(len(lengths)))
            assert queue.tokens == sum(queue.waiting())
        elif action < 0.45 and waiting:
            gone = generator.choice(waiting)
            left = {row for rows in gone.waiting.values() for row in rows}
            queue.discard(gone)
            expected.subtract((gone, row) for row in left)
        elif (taken := queue.take(BATCH_TOKENS, generator.choice((1, 2, 8)))) is not None:
            assert taken.rows == sum(len(rows) for _, rows in taken.parts)
            assert taken.rows * taken.length <= max(BATCH_TOKENS, taken.length)
            found.update((each, row) for each, rows in taken.parts for row in rows)
    assert queue.tokens == 0
    assert found == +expected
    assert max(found.values()) == 1


def test_latency_at_half_load() -> None:
    """Simulate two streams at half of their capacity: the 99th percentile of each length class is low.

    A window takes 35 us a token and more for long ones, as MiniLM-L6 does on a core; the lengths are SQuAD's.
    """
    generator = random.Random(1)

    def seconds(rows: int, length: int) -> float:
        return rows * length * (35e-6 + 3e-8 * max(0, length - 96)) + 0.0013

    lengths = [
        min(384, max(48, -(-int(generator.lognormvariate(5.04, 0.42)) // 16) * 16)) for _ in range(20000)
    ]
    gap = 2 * float(np.mean([seconds(1, length) for length in lengths])) / 2
    arrivals, now = [], 0.0
    for length in lengths:
        now += generator.expovariate(1 / gap)
        arrivals.append((now, length))
    queue = FairQueue()
    busy: list[tuple[float, int, Taken]] = []
    latencies: dict[int, list[float]] = {0: [], 1: []}
    clock, index = 0.0, 0
    while index < len(arrivals) or queue.tokens or busy:
        while queue.tokens and len(busy) < 2:
            taken = take(queue, streams=2)
            heapq.heappush(busy, (clock + seconds(taken.rows, taken.length), id(taken), taken))
        if index < len(arrivals) and (not busy or arrivals[index][0] <= busy[0][0]):
            clock, length = arrivals[index]
            queue.add(call(length, entered=clock))
            index += 1
        else:
            clock, _, taken = heapq.heappop(busy)
            latencies[taken.length_class] += [clock - each.entered for each in calls_of(taken)]
    for place, found in latencies.items():
        alone = np.median([seconds(1, each) for each in lengths if length_class(each) == place])
        assert np.percentile(found, 99) <= 4 * alone
