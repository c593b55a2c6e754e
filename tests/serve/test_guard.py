"""What stands before the application: tokens, sizes, times, and clients that are gone."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from spanjet.serve.config import ServeConfig
from spanjet.serve.guard import DISCONNECTED, MAX_BODIES, Guard, Served

Message = dict[str, Any]

TOKEN = "s3cret"  # noqa: S105  (it is none)


async def echo(_scope: Any, receive: Any, send: Any) -> None:
    """An application that answers with the length of the body."""
    message = await receive()
    await respond(send, str(len(message["body"])).encode())


async def respond(send: Any, body: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"public")]})
    await send({"type": "http.response.body", "body": body})


class Exchange:
    """One request to an application behind a guard, and its response."""

    def __init__(self, app: Any, **settings: Any) -> None:
        self.served: list[Served] = []
        self.sent: list[Message] = []
        self.guard = Guard(app, ServeConfig(**settings), self.served.append)

    async def run(
        self,
        parts: list[bytes],
        *,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        pause: float = 0,
        then: Callable[[], Awaitable[None]] | None = None,
        path: str = "/v1/ask",
    ) -> None:
        """Send a body in parts, and then wait, or do something and be gone."""
        messages = iter(enumerate(parts))

        async def receive() -> Message:
            index, part = next(messages, (None, b""))
            if index is None:
                await (then() if then else asyncio.Event().wait())
                return {"type": "http.disconnect"}
            await asyncio.sleep(pause)
            return {"type": "http.request", "body": part, "more_body": index < len(parts) - 1}

        async def send(message: Message) -> None:
            self.sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "headers": list(headers),
            "client": ("192.0.2.1", 4711),
        }
        await self.guard(scope, receive, send)  # type: ignore[arg-type]

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])


def test_a_body_in_parts_comes_as_one() -> None:
    exchange = Exchange(echo)
    asyncio.run(exchange.run([b"ab", b"cde", b""]))
    assert (exchange.status, exchange.body) == (200, b"5")
    (served,) = exchange.served
    assert (served.status, served.bytes_in, served.bytes_out, served.client) == (200, 5, 1, "192.0.2.1")
    assert exchange.headers[b"cache-control"] == b"public"
    assert exchange.headers[b"x-content-type-options"] == b"nosniff"


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_that_is_too_large(declared: bool) -> None:
    exchange = Exchange(echo, max_body=10)
    headers = ((b"content-length", b"12"),) if declared else ()
    asyncio.run(exchange.run([b"x" * 6, b"y" * 6], headers=headers))
    assert exchange.status == 413
    assert json.loads(exchange.body) == {"error": "the body is larger than 10 bytes"}
    assert exchange.headers[b"connection"] == b"close"
    exchange = Exchange(echo, max_body=10)
    asyncio.run(exchange.run([b"x" * 10]))
    assert exchange.status == 200


def test_a_body_that_is_announced_as_too_large_is_not_asked_for() -> None:
    exchange = Exchange(echo, max_body=10)
    headers = ((b"content-length", b"9" * 30), (b"expect", b"100-continue"))

    async def never() -> None:
        raise AssertionError

    asyncio.run(exchange.run([], headers=headers, then=never))
    assert exchange.status == 413


def test_the_bodies_of_all_requests_together_are_bounded() -> None:
    async def hold(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await released.wait()
        await respond(send, b"")

    async def main() -> list[int]:
        tasks = [asyncio.ensure_future(exchange.run([b"x" * 10])) for _ in range(MAX_BODIES + 5)]
        await asyncio.sleep(0.05)
        released.set()
        await asyncio.gather(*tasks)
        await exchange.run([b"x" * 10])
        return [served.status for served in exchange.served]

    exchange, released = Exchange(hold, max_body=10), asyncio.Event()
    statuses = asyncio.run(main())
    assert statuses[:5] == [429] * 5
    assert statuses[5:] == [200] * (MAX_BODIES + 1)
    assert exchange.headers[b"retry-after"] == b"1"
    assert exchange.guard._held == 0


def test_a_body_that_comes_too_slowly() -> None:
    exchange = Exchange(echo, timeout=0.05)
    asyncio.run(exchange.run([b"x"] * 100, pause=0.02))
    assert exchange.status == 408
    assert "within 0.05 s" in json.loads(exchange.body)["error"]
    assert exchange.headers[b"connection"] == b"close"


def test_an_answer_that_takes_too_long_is_given_up() -> None:
    ended: list[str] = []

    async def slow(_scope: Any, _receive: Any, _send: Any) -> None:
        try:
            await asyncio.sleep(20)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    exchange = Exchange(slow, timeout=0.05)
    asyncio.run(exchange.run([b"x"]))
    assert (exchange.status, ended) == (504, ["cancelled"])
    assert exchange.served[0].status == 504


def test_a_client_that_is_gone_cancels_the_answer() -> None:
    ended: list[str] = []
    begun = asyncio.Event()

    async def slow(_scope: Any, _receive: Any, _send: Any) -> None:
        begun.set()
        try:
            await asyncio.sleep(20)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def leave() -> None:
        await begun.wait()

    exchange = Exchange(slow)
    asyncio.run(exchange.run([b"x"], then=leave))
    assert (exchange.sent, ended) == ([], ["cancelled"])
    assert exchange.served[0].status == DISCONNECTED


def test_a_client_that_is_gone_before_its_body_came() -> None:
    async def leave() -> None:
        return

    async def never(_scope: Any, _receive: Any, _send: Any) -> None:
        raise AssertionError

    exchange = Exchange(never)
    asyncio.run(exchange.run([b"x", b"y"][:0], then=leave))
    assert exchange.sent == []
    assert exchange.served[0].status == DISCONNECTED


def test_who_ends_the_server_ends_the_answer() -> None:
    async def slow(_scope: Any, _receive: Any, _send: Any) -> None:
        await asyncio.sleep(20)

    exchange = Exchange(slow)

    async def main() -> None:
        task = asyncio.ensure_future(exchange.run([b"x"]))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert exchange.served[0].status == 500


def test_nothing_is_left_running() -> None:
    exchange = Exchange(echo)

    async def main() -> None:
        before = asyncio.all_tasks()
        for _ in range(5):
            await exchange.run([b"x"])
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == before

    asyncio.run(main())


def test_a_fault_of_ours_is_logged_without_its_message(caplog: pytest.LogCaptureFixture) -> None:
    async def faulty(_scope: Any, _receive: Any, _send: Any) -> None:
        raise KeyError("the text of a question")

    exchange = Exchange(faulty)
    with caplog.at_level(logging.ERROR, "spanjet.serve"):
        asyncio.run(exchange.run([b"x"]))
    assert exchange.status == 500
    assert json.loads(exchange.body) == {"error": "the server failed; its log says where"}
    assert exchange.served[0].status == 500


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 401),
        (b"", 401),
        (b"Bearer", 401),
        (b"Bearer wrong", 401),
        (b"Basic s3cret", 401),
        (b"s3cret", 401),
        (b"Bearer s3cret ", 401),
        (b"Bearer s3cret\xff", 401),
        (b"Bearer s3cret", 200),
        (b"bearer s3cret", 200),  # RFC 9110: schemes have no case
    ],
)
def test_bearer_token(header: bytes | None, status: int) -> None:
    exchange = Exchange(echo, token=TOKEN)
    headers = () if header is None else ((b"authorization", header),)
    asyncio.run(exchange.run([b"x"], headers=headers))
    assert exchange.status == status
    if status == 401:
        assert exchange.headers[b"www-authenticate"] == b"Bearer"
        assert b"s3cret" not in exchange.body
    assert "s3cret" not in repr(ServeConfig(token=TOKEN))


def test_two_tokens_are_none() -> None:
    exchange = Exchange(echo, token=TOKEN)
    header = (b"authorization", b"Bearer s3cret")
    asyncio.run(exchange.run([b"x"], headers=(header, header)))
    assert exchange.status == 401


def test_health_checks_need_no_token() -> None:
    for path, status in (("/v2/health/ready", 200), ("/v2/health/live", 200), ("/metrics", 401)):
        exchange = Exchange(echo, token=TOKEN)
        asyncio.run(exchange.run([b""], path=path))
        assert exchange.status == status
