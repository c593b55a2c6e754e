"""The server in the tests' process: its application alone, and live in a thread."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from fastapi.testclient import TestClient
from spanjet import Reader
from spanjet.serve.app import create_app
from spanjet.serve.config import ServeConfig
from spanjet.serve.process.protocol import HttpServer
from spanjet.serve.process.run import http_config, listen


@contextmanager
def client_of(reader: Reader) -> Iterator[TestClient]:
    """A client of an application with small limits."""
    config = ServeConfig(max_body=20_000, max_passages=8, documents_memory=50_000, max_wait=60)
    with TestClient(cast(Any, create_app(config, reader))) as client:
        yield client


class Live:
    """A server in a thread of this process.

    Attributes:
        port: where it listens.
        url: its address.
        loop: its event loop.
    """

    def __init__(self, reader: Reader, **settings: Any) -> None:
        self.config = ServeConfig(port=0, **settings)
        self._bound = listen(self.config.host, 0)
        self.port = self._bound.getsockname()[1]
        self.url = f"http://{self.config.host}:{self.port}"
        self.http = http_config(self.config, create_app(self.config, reader))
        self.server = HttpServer(self.http)
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(),), daemon=True)

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        await self.server.serve([self._bound])

    def __enter__(self) -> "Live":
        self._thread.start()
        while not self.server.started:
            self._thread.join(0.01)
            assert self._thread.is_alive(), "the server did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the server in order."""
        self.server.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive()
