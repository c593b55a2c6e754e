"""Guard the application: authentication, limits, timeouts, disconnections, and the log of requests."""

import asyncio
import hmac
import logging
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spanjet.reader.dynamic_batching.config import Overloaded
from spanjet.serve.config import ServeConfig
from spanjet.serve.errors import FAILED, overloaded, problem

__all__ = ["DISCONNECTED", "Guard", "Served"]

DISCONNECTED = 499
"""Status in the log and the metrics of a request whose client was gone before the answer."""

MAX_BODIES = 64
"""Number of bodies of the maximum size that are held at a time in each process."""

DISCARD_SECONDS = 1.0
"""Time for which the rest of a body that is too large is read."""

LOGGER = logging.getLogger("spanjet.serve")

OPEN = ("/v2/health/live", "/v2/health/ready")
"""Paths that need no token, for load balancers."""

HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
"""Headers of all responses that do not set them otherwise."""


class Served(NamedTuple):
    """Request that was served.

    Attributes:
        method: HTTP method.
        route: pattern of the path, in which nothing of the request occurs; "" if there is none.
        status: HTTP status, or `DISCONNECTED`.
        seconds: time from the head of the request to the end of the response.
        bytes_in, bytes_out: sizes of the bodies.
        client: address of the client, or None.
    """

    method: str
    route: str
    status: int
    seconds: float
    bytes_in: int
    bytes_out: int
    client: str | None


OnServed = Callable[[Served], None]
"""Receiver of the requests that were served."""


class _Refused(Exception):  # noqa: N818  (it is an outcome)
    def __init__(self, status: int, error: str, **headers: str) -> None:
        super().__init__(error)
        self.response = problem(status, error, None, **headers)


class _Gone(Exception):  # noqa: N818  (it is an outcome)
    """The client is gone."""


class Guard:
    """ASGI middleware in front of the application.

    It reads the body of a request before the application runs, and cancels the application when the client
    is gone or the time is up, so that a question leaves the queue then.

    Args:
        app: application.
        config: limits, timeout and token.
        on_served: receives each request after its end.
        public: tells whether a path needs no token, beside those of the health checks.
        admit: checks a request with its body before the application runs.
    """

    def __init__(
        self,
        app: ASGIApp,
        config: ServeConfig,
        on_served: OnServed,
        public: Callable[[str, str], bool] = lambda _method, _path: False,
        admit: Callable[[Scope, bytes], None] = lambda _scope, _body: None,
    ) -> None:
        self._app = app
        self._config = config
        self._on_served = on_served
        self._public = public
        self._admit = admit
        self._held = 0
        self._token = None if config.token is None else config.token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        response = _Response(send)
        body = bytearray()
        status, route = None, ""
        try:
            self._authenticate(scope)
            await self._read(scope, receive, body)
            whole = bytes(body)
            self._admit(scope, whole)
            await self._answer(scope, _Replay(whole, receive), response)
        except _Refused as refused:
            await refused.response(scope, receive, response)
        except Overloaded as error:
            route = scope["path"]
            await overloaded(error)(scope, receive, response)
        except _Gone:
            status = DISCONNECTED
        finally:
            self._held -= len(body)
            client = scope.get("client")
            self._on_served(
                Served(
                    method=scope["method"],
                    route=route or getattr(scope.get("route"), "path", ""),
                    status=status or response.status or 500,
                    seconds=time.perf_counter() - begun,
                    bytes_in=len(body),
                    bytes_out=response.bytes,
                    client=client[0] if client else None,
                )
            )

    def _authenticate(self, scope: Scope) -> None:
        method, path = scope["method"], scope["path"]
        if self._token is None or path in OPEN or self._public(method, path):
            return
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        scheme, _, token = (given[0] if len(given) == 1 else b"").partition(b" ")
        # The token is compared first, so that the time does not depend on what is right.
        if not hmac.compare_digest(token, self._token) or scheme.lower() != b"bearer":
            raise _Refused(401, "expected the bearer token of this server", www_authenticate="Bearer")

    async def _read(self, scope: Scope, receive: Receive, body: bytearray) -> None:
        """Read the body of a request, which may neither be too large nor too slow."""
        most = self._config.max_body
        headers = dict(scope["headers"])
        is_too_large = int(headers.get(b"content-length", b"0")[:20]) > most
        with anyio.move_on_after(self._config.timeout) as deadline:
            more = not is_too_large
            while more and not is_too_large:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _Gone
                part = message.get("body", b"")
                body += part
                self._held += len(part)
                more = message.get("more_body", False)
                is_too_large = len(body) > most
                if self._held > MAX_BODIES * most:
                    error = f"the bodies of all requests are larger than {MAX_BODIES * most} bytes"
                    raise _Refused(429, error, retry_after="1", connection="close")
        if is_too_large:
            if b"expect" not in headers:
                await _discard(receive)
            raise _Refused(413, f"the body is larger than {most} bytes", connection="close")
        if deadline.cancelled_caught:
            error = f"the body did not come within {self._config.timeout:g} s"
            raise _Refused(408, error, connection="close")

    async def _answer(self, scope: Scope, replay: "_Replay", response: "_Response") -> None:
        """Run the application until it has answered, the client is gone, or the time is up."""
        task = cast("asyncio.Task[None]", asyncio.current_task())
        outcome: Exception | None = None

        def stop(why: Exception) -> None:
            nonlocal outcome
            if outcome is None and not response.complete:
                outcome = why
                task.cancel()

        async def watch() -> None:
            await replay.gone()
            stop(_Gone())

        loop = asyncio.get_running_loop()
        watching = loop.create_task(watch())
        seconds = self._config.timeout
        timer = loop.call_later(seconds, stop, _Refused(504, f"no answer within {seconds:g} s"))
        try:
            await self._app(scope, replay, response)
        except asyncio.CancelledError:
            if outcome is None:
                raise
            if sys.version_info >= (3, 11):
                task.uncancel()
        except Exception:  # ours, about which the caller can do nothing
            LOGGER.exception("a request failed")
            outcome = _Refused(500, FAILED)
        finally:
            timer.cancel()
            watching.cancel()
        if outcome is not None and not response.status:
            raise outcome


async def _discard(receive: Receive) -> None:
    """Read the rest of a body for a while, since a client that still sends may not read the response."""
    with anyio.move_on_after(DISCARD_SECONDS):
        message = await receive()
        while message["type"] != "http.disconnect" and message.get("more_body", False):
            message = await receive()


class _Replay:
    """Receive the body that has been read, and then what follows it."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive
        self._end = asyncio.Event()

    async def __call__(self) -> Message:
        """Receive the next message."""
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._end.wait()
        return {"type": "http.disconnect"}

    async def gone(self) -> None:
        """Wait until the client is gone, or the response is complete."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._end.set()


class _Response:
    """Send a response, and remember its status and size.

    Attributes:
        status: HTTP status; 0 before the response has begun.
        bytes: size of the body so far.
        complete: True if all of it was sent.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.bytes = 0
        self.complete = False

    async def __call__(self, message: Message) -> None:
        """Send the next message."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers: list[Any] = list(message.get("headers", []))
            given = {name for name, _ in headers}
            message = {**message, "headers": headers + [each for each in HEADERS if each[0] not in given]}
        elif message["type"] == "http.response.body":
            self.bytes += len(message.get("body", b""))
            self.complete = not message.get("more_body", False)
        await self._send(message)
