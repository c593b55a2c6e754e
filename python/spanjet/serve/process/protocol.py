"""Bound the time and size of what comes before a request, and end connections in order."""

from asyncio import TimerHandle
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["LINGER", "BoundedProtocol"]

MAX_HEAD = 1 << 16
"""Maximum bytes of the target and the headers of a request."""

LINGER = 0.5
"""Seconds for which, at the end, an idle connection may still bring a request; it is the last one."""


class HeadTooLarge(Exception):  # noqa: N818  (the parser makes it a response)
    """The head of a request is larger than `MAX_HEAD`."""


class BoundedProtocol(HttpToolsProtocol):
    """HTTP protocol of uvicorn that waits neither for slow heads of requests nor for slow readers.

    The head must come within ``timeout_keep_alive`` seconds. What a client does not read is discarded as long
    after the connection was to be closed.
    """

    _head_timer: TimerHandle | None = None
    _head_size = 0
    _is_last = False

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
        if self._is_last:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """End the connection: after the request that runs, or the last one that comes."""
        self._is_last = True
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
