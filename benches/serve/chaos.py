"""Clients that behave badly beside clients that behave well."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import aiohttp

from benches.serve.client import TIMEOUT, Client, Results
from benches.serve.workload import Item

MALFORMED = (
    b"",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b'{"question": 3, "context": "c"}',
    b'{"question": "q"}',
    b'{"question": "", "context": ""}',
    b'{"question": "q", "context": "c", "top_k": 0}',
    b'{"question": "q", "context": "c", "threshold": 7}',
    b'{"question": "\\ud800", "context": "c"}',
    b"\xff\xfe\x00",
    b"[" * 5000,
)


async def disturb(host: str, port: int, items: Sequence[Item], clients: int, seconds: float) -> Results:
    """Let clients ask, leave in the middle, send nonsense or send slowly, each at random, for some seconds.

    Returns:
        What those that asked and stayed got; each answer is compared with `Reader`'s.
    """
    results = Results()
    end = time.monotonic() + seconds
    address = f"http://{host}:{port}"

    async def one(seed: int) -> None:
        chance = random.Random(seed)
        client = Client(address, chance.sample(items, len(items)))

        async def ask() -> None:
            results.merge(await client.closed(1, chance.uniform(0, 2)))

        async def leave() -> None:
            with suppress(TimeoutError, asyncio.TimeoutError):
                await asyncio.wait_for(client.closed(1, 60), chance.uniform(0, 0.5))

        async def nonsense() -> None:
            body = chance.choice(MALFORMED)
            with suppress(aiohttp.ClientError, OSError):
                async with (
                    aiohttp.ClientSession(timeout=TIMEOUT) as session,
                    session.post(f"{address}/v1/ask", data=body) as response,
                ):
                    results.statuses[response.status] += 1

        async def slow() -> None:
            await send_slowly(host, port, chance.choice(items), chance, chance.uniform(0, 5))

        acts: list[Callable[[], Awaitable[None]]] = [ask, ask, ask, leave, nonsense, slow]
        while time.monotonic() < end:
            await chance.choice(acts)()

    began = time.monotonic()
    await asyncio.gather(*(one(seed) for seed in range(clients)))
    results.duration = time.monotonic() - began
    return results


async def send_slowly(host: str, port: int, item: Item, chance: random.Random, seconds: float) -> None:
    """Send a request byte by byte, and leave after some seconds."""
    body = json.dumps(item.body).encode()
    head = f"POST /v1/ask HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    content = head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
    end = time.monotonic() + seconds
    with suppress(OSError):
        _, writer = await asyncio.open_connection(host, port)
        for byte in content:
            if time.monotonic() > end:
                break
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(chance.uniform(0, 0.02))
        writer.close()
        await writer.wait_closed()
