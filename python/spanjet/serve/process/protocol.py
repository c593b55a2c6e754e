"""Bound the time and size of the heads of requests, and end connections in order."""

import asyncio
import socket
from asyncio import TimerHandle
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["LINGER", "BoundedProtocol", "HttpConfig", "HttpServer"]

MAX_HEAD = 1 << 16
"""Maximum bytes of the target and the headers of a request."""

LINGER = 2.0
"""Seconds for which, at the end, an idle connection may still bring a request; it is the last one."""


class HeadTooLarge(Exception):  # noqa: N818  (the parser makes it a response)
    """The head of a request is larger than `MAX_HEAD`."""


class HttpConfig(uvicorn.Config):
    """Settings of the HTTP server.

    Attributes:
        is_ending: True if each connection ends with its next response.
    """

    is_ending = False


class HttpServer(uvicorn.Server):
    """HTTP server that tells when it serves, and loses no connection when it ends.

    Args:
        config: settings.
        on_ready: called as soon as it serves.
    """

    def __init__(self, config: HttpConfig, on_ready: Callable[[], None] = lambda: None) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the application, and listen."""
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, after what has been connected already is accepted, and end the connections."""
        cast(HttpConfig, self.config).is_ending = True
        for bound in sockets or []:
            await self._accept_rest(bound)
        await super().shutdown(sockets)

    async def _accept_rest(self, bound: socket.socket) -> None:
        """Accept what waits to be accepted, which would be reset with the socket's end."""
        loop = asyncio.get_running_loop()
        bound.listen(0)  # so that hardly another comes
        bound.setblocking(False)
        while True:
            try:
                accepted, _ = bound.accept()
            except OSError:  # there is none
                return
            accepted.setblocking(False)
            with suppress(OSError):  # it is gone already
                await loop.connect_accepted_socket(self._protocol, accepted)

    def _protocol(self) -> asyncio.Protocol:
        return BoundedProtocol(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


class BoundedProtocol(HttpToolsProtocol):
    """HTTP protocol of uvicorn that waits neither for slow heads of requests nor for slow readers.

    The head must come within ``timeout_keep_alive`` seconds. What a client does not read is discarded as long
    after the connection was to be closed.
    """

    _head_timer: TimerHandle | None = None
    _head_size = 0

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._forget_head()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._head_size = 0
        self._expect_head()

    def on_url(self, url: bytes) -> None:
        """Receive a part of the target."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Receive a header."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the request."""
        self._forget_head()
        super().on_headers_complete()
        if cast(HttpConfig, self.config).is_ending:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """End the connection: after the request that runs, or the last one that comes."""
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(LINGER, self._close_if_idle)
        else:
            self.cycle.keep_alive = False

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that is idle, or whose client does not read."""
        self._close()

    def _close_if_idle(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self._close()

    def _close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
        # It stays open until everything is written.
        self.loop.call_later(self.timeout_keep_alive, self.transport.abort)

    def _count(self, size: int) -> None:
        self._head_size += size
        if self._head_size > MAX_HEAD:
            raise HeadTooLarge

    def _expect_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.timeout_keep_alive, self._close)

    def _forget_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
