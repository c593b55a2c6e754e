"""Send requests at given times (open loop) or one after the other (closed loop), and keep what came back."""

from __future__ import annotations

import asyncio
import itertools
import random
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import aiohttp

from benches.serve.workload import Item

WRONG = -1
"""Status of an answer that is another than `Reader`'s."""

LOST = 0
"""Status of a request whose connection ended without an answer."""

REFUSED = -2
"""Status of a request that got no connection."""

TIMEOUT = aiohttp.ClientTimeout(total=120)


@dataclass
class Results:
    """Statuses and times of requests.

    Attributes:
        seconds: of the answered ones, by length class.
        statuses: how often each came; `WRONG`, `LOST` and `REFUSED` are ours.
        lost: when the lost ones began, by the monotonic clock.
        duration: seconds of the whole.
    """

    seconds: dict[str, list[float]] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    lost: list[float] = field(default_factory=list)
    duration: float = 0.0

    @property
    def answered(self) -> int:
        """Number of right answers."""
        return self.statuses[200]

    @property
    def rate(self) -> float:
        """Right answers a second."""
        return self.answered / self.duration

    def merge(self, other: Results) -> None:
        """Add the requests of others."""
        self.statuses.update(other.statuses)
        self.lost += other.lost
        for length_class, seconds in other.seconds.items():
            self.seconds.setdefault(length_class, []).extend(seconds)

    def percentile(self, share: float, length_class: str | None = None) -> float:
        """Seconds in which a share of the answers came, of one length class or of all."""
        groups = [self.seconds.get(length_class, [])] if length_class else self.seconds.values()
        values = sorted(itertools.chain.from_iterable(groups))
        return values[min(len(values) - 1, int(share * len(values)))] if values else float("nan")

    def median(self, length_class: str) -> float:
        """The median time of a length class."""
        return statistics.median(self.seconds.get(length_class) or [float("nan")])


class Client:
    """Client of one server.

    Args:
        address: of the server.
        items: requests, which are sent again from the first one on after the last.
        seed: of the times of arrival.
    """

    def __init__(self, address: str, items: Sequence[Item], *, seed: int = 0) -> None:
        self._address = address
        self._items: Iterator[Item] = itertools.cycle(items)
        self._random = random.Random(seed)

    async def closed(self, clients: int, seconds: float) -> Results:
        """Keep so many requests under way."""
        results = Results()
        end = time.monotonic() + seconds

        async def loop(session: aiohttp.ClientSession) -> None:
            while time.monotonic() < end:
                await self._send(session, next(self._items), results)

        async with _session() as session:
            began = time.monotonic()
            await asyncio.gather(*(loop(session) for _ in range(clients)))
            results.duration = time.monotonic() - began
        return results

    async def open(self, rate: float, seconds: float) -> Results:
        """Send requests at random times, so many a second, whatever is under way (a Poisson process)."""
        results = Results()
        under_way = set()
        async with _session() as session:
            began = time.monotonic()
            for due in self._arrivals(rate, seconds):
                await asyncio.sleep(max(0.0, began + due - time.monotonic()))
                task = asyncio.create_task(self._send(session, next(self._items), results))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            await asyncio.gather(*under_way)
            results.duration = max(seconds, time.monotonic() - began)
        return results

    def _arrivals(self, rate: float, seconds: float) -> Iterable[float]:
        due = self._random.expovariate(rate)
        while due < seconds:
            yield due
            due += self._random.expovariate(rate)

    async def _send(self, session: aiohttp.ClientSession, item: Item, results: Results) -> None:
        began = time.monotonic()
        try:
            async with session.post(f"{self._address}/v1/ask", json=item.body) as response:
                content, status = await response.json(content_type=None), response.status
        except aiohttp.ClientConnectorError:
            results.statuses[REFUSED] += 1
            await asyncio.sleep(0.05)
            return
        except (aiohttp.ClientError, OSError, TimeoutError):
            results.statuses[LOST] += 1
            results.lost.append(began)
            return
        if status == 200:
            results.seconds.setdefault(item.length_class, []).append(time.monotonic() - began)
            status = status if item.is_answered_by(content) else WRONG
        results.statuses[status] += 1


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=TIMEOUT, connector=aiohttp.TCPConnector(limit=0))
