"""Measure a server's capacity, its latency at half of it, and what it does beyond it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benches.serve.chaos import disturb
from benches.serve.client import LOST, WRONG, Client, Results
from benches.serve.processes import PATIENCE, Server, Usage
from benches.serve.workload import CLASSES, Item

CLIENTS = 64
"""Requests under way that saturate a server."""

SERVE = [str(Path(sys.executable).with_name("spanjet")), "serve", "--port", "{port}"]
NAIVE = [sys.executable, "-m", "benches.serve.naive", "{port}"]


@dataclass(frozen=True)
class Check:
    """A figure beside its target.

    Attributes:
        name: of the figure.
        value: as text.
        target: likewise.
        met: whether the value is within the target; None: there is none.
    """

    name: str
    value: str
    target: str = ""
    met: bool | None = None


@dataclass(frozen=True)
class Work:
    """Questions that were answered, and what they took."""

    questions: int
    wall: float
    cpu: float


def saturated(server: Server, items: list[Item], seconds: float) -> tuple[Work, Results]:
    """Keep a server busy."""
    before = server.usage().cpu
    results = asyncio.run(Client(server.address, items).closed(CLIENTS, seconds))
    return Work(results.answered, results.duration, server.usage().cpu - before), results


class Offline:
    """`Reader.ask_many` in a process of its own."""

    def __init__(self, squad: Path, count: int) -> None:
        command = [sys.executable, "-m", "benches.serve.offline", str(squad), str(count)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1)
        self._read()

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def run(self, seconds: float) -> Work:
        """Answer for some seconds."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{seconds}\n")
        spent = json.loads(self._read())
        return Work(spent["asked"], spent["wall"], spent["cpu"])

    def close(self) -> None:
        """End the process."""
        with self._process:  # closes its pipes
            self._process.kill()


def throughput(squad: Path, items: list[Item], seconds: float, rounds: int) -> tuple[float, list[Check]]:
    """Compare a saturated server with `ask_many` and with a naive server, in turn; return its capacity."""
    offline = Offline(squad, len(items))
    ratios: dict[str, list[float]] = {"cpu": [], "wall": [], "naive cpu": [], "naive wall": []}
    capacities = []
    with Server(SERVE) as server, Server(NAIVE, ready="/ready") as naive:
        for contender in (server, naive):
            saturated(contender, items, seconds / 4)  # each shape that is new takes time once
        for _ in range(rounds):
            own, results = saturated(server, items, seconds)
            _refuse_wrong(results)
            alone, other = offline.run(seconds), saturated(naive, items, seconds)[0]
            capacities.append(own.questions / own.wall)
            for name, base in (("", alone), ("naive ", other)):
                ratios[f"{name}cpu"].append(own.questions / own.cpu / (base.questions / base.cpu))
                ratios[f"{name}wall"].append(own.questions / own.wall / (base.questions / base.wall))
    offline.close()
    capacity = statistics.median(capacities)
    return capacity, [
        Check(
            "questions a CPU-second, over ask_many",
            _spread(ratios["cpu"]),
            "≥ 0.85",
            _median(ratios["cpu"]) >= 0.85,
        ),
        Check("questions a second, over ask_many (the client takes CPU too)", _spread(ratios["wall"])),
        Check("questions a CPU-second, over a naive server", _spread(ratios["naive cpu"])),
        Check("questions a second, over a naive server", _spread(ratios["naive wall"])),
    ]


def latency(items: list[Item], capacity: float, seconds: float) -> list[Check]:
    """Compare the slowest at half of the capacity with single questions, by length class."""
    with Server(SERVE) as server:
        client = Client(server.address, items)
        asyncio.run(client.closed(CLIENTS, seconds / 4))
        alone = asyncio.run(client.closed(1, seconds))
        half = asyncio.run(client.open(capacity / 2, 2 * seconds))
    _refuse_wrong(half)
    checks = []
    for name in CLASSES:
        median, slow = alone.median(name), half.percentile(0.99, name)
        count = len(half.seconds.get(name, []))
        value = f"{slow / median:.1f} ({1000 * slow:.0f} ms of {count}, {1000 * median:.0f} ms alone)"
        checks.append(
            Check(f"p99 at half load over p50 alone, ≤ {name} tokens", value, "≤ 4", slow <= 4 * median)
        )
    return checks


def overload(items: list[Item], capacity: float, seconds: float, max_wait: float) -> list[Check]:
    """Send three times the capacity."""
    with Server(SERVE) as server:
        before = saturated(server, items, min(30.0, seconds))[0]
        with _sampled(server, seconds / 40) as usages:
            results = asyncio.run(Client(server.address, items).open(3 * capacity, seconds))
        time.sleep(2)
        after = saturated(server, items, min(30.0, seconds))[0]
    _refuse_wrong(results)
    goodput = results.answered / seconds / capacity
    slow = results.percentile(0.99)
    memory = [usage.megabytes for usage in usages]
    quarter = max(1, len(memory) // 4)
    growth = statistics.median(memory[-quarter:]) / statistics.median(memory[quarter : 2 * quarter] or memory)
    recovery = after.questions / after.wall / (before.questions / before.wall)
    others = {status: count for status, count in results.statuses.items() if status not in (200, 429)}
    return [
        Check(
            "refusals at 3 times the capacity",
            f"{results.statuses[429]} with 429, others {others or 'none'}",
            "only 429",
            not others,
        ),
        Check(
            "p99 of the accepted",
            f"{slow:.2f} s, max-wait {max_wait} s",
            "at most 2 max-wait",
            slow <= 2 * max_wait,
        ),
        Check("answers a second, over the capacity", f"{goodput:.2f}", "≥ 0.9", goodput >= 0.9),
        Check("memory, last quarter over second", f"{growth:.3f}", "± 5 %", 0.95 <= growth <= 1.05),
        Check("capacity afterwards, over before", f"{recovery:.2f}", "≥ 0.9", recovery >= 0.9),
    ]


def bad_clients(items: list[Item], clients: int, seconds: float) -> list[Check]:
    """Run well and badly behaved clients against a server, and check what they leave behind."""
    with Server(SERVE) as server:
        saturated(server, items, 10)
        time.sleep(2)
        before = server.usage()
        results = asyncio.run(disturb("127.0.0.1", server.port, items, clients, seconds))
        time.sleep(15)  # connections that were left close by their time limits
        after = server.usage()
        again = saturated(server, items, 10)[1]
    failures = {
        status: count for status, count in results.statuses.items() if status >= 500 or status == LOST
    }
    wrong = results.statuses[WRONG] + again.statuses[WRONG]
    leak = _leak(before, after)
    return [
        Check(f"right answers to {clients} clients, of which half behave badly", str(results.answered)),
        Check("wrong or mixed-up answers", str(wrong), "0", wrong == 0),
        Check("5xx or lost", str(failures or 0), "0", not failures),
        Check("left over", leak or "nothing", "nothing", not leak),
    ]


def endings(items: list[Item], seconds: float) -> list[Check]:
    """End a server, and one of its workers, under load."""
    with Server(SERVE) as server:
        under_way = Client(server.address, items).closed(CLIENTS, seconds)
        results, moment = asyncio.run(
            _meanwhile(under_way, partial(server.process.send_signal, signal.SIGTERM), seconds / 3)
        )
        code = server.process.wait(60)
    # One that began later found a server that takes nothing.
    lost = sum(began < moment for began in results.lost)
    checks = [
        Check("SIGTERM under load: exit code", str(code), "0", code == 0),
        Check("SIGTERM: accepted and lost", str(lost), "0", lost == 0),
    ]
    with Server([*SERVE, "--workers", "2"]) as server:
        workers = server.workers()
        under_way = Client(server.address, items).closed(CLIENTS, seconds)
        kill = partial(os.kill, workers[-1], signal.SIGKILL)
        results, _ = asyncio.run(_meanwhile(under_way, kill, seconds / 3))
        replaced = _is_replaced(server, workers)
        again = saturated(server, items, 10)[1]
    failed = results.statuses[LOST] + sum(
        count for status, count in results.statuses.items() if status >= 500
    )
    return [
        *checks,
        Check("kill -9 of one of two workers: replaced", str(replaced), "True", replaced),
        Check("kill -9: lost or 5xx", str(failed), f"at most {CLIENTS}", failed <= CLIENTS),
        Check("kill -9: wrong answers", str(results.statuses[WRONG]), "0", not results.statuses[WRONG]),
        Check("kill -9: answers afterwards", str(again.answered), "some", again.answered > 0),
    ]


def _is_replaced(server: Server, workers: list[int]) -> bool:
    """Wait for as many workers as there were; the last of them was killed."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        now = server.workers()
        if len(now) == len(workers) and workers[-1] not in now:
            return True
        time.sleep(0.2)
    return False


async def _meanwhile(
    under_way: Coroutine[Any, Any, Results], act: Callable[[], None], delay: float
) -> tuple[Results, float]:
    """Act after a delay; return the results and the moment of the act."""
    task = asyncio.ensure_future(under_way)
    await asyncio.sleep(delay)
    moment = time.monotonic()
    act()
    return await task, moment


@contextmanager
def _sampled(server: Server, interval: float) -> Iterator[list[Usage]]:
    """Read what a server uses, again and again, in a thread."""
    usages: list[Usage] = []
    over = threading.Event()

    def sample() -> None:
        while not over.wait(interval):
            usages.append(server.usage())

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield usages
    finally:
        over.set()
        thread.join()


def _leak(before: Usage, after: Usage) -> str:
    """What there is more of than before, as text."""
    found = []
    for name, slack in (("threads", 2), ("descriptors", 5)):
        old, new = getattr(before, name), getattr(after, name)
        if new > old + slack:
            found.append(f"{name} {old} → {new}")
    if after.megabytes > 1.1 * before.megabytes:
        found.append(f"memory {before.megabytes:.0f} → {after.megabytes:.0f} MB")
    return ", ".join(found)


def _refuse_wrong(results: Results) -> None:
    if results.statuses[WRONG]:
        raise RuntimeError(f"{results.statuses[WRONG]} answers differ from those of Reader")


def _median(values: list[float]) -> float:
    return statistics.median(values)


def _spread(values: list[float]) -> str:
    return f"{_median(values):.2f} ({min(values):.2f} to {max(values):.2f})"
