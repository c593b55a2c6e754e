"""The server in the tests' process: its application alone, and live in a thread."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import uvicorn
from fastapi.testclient import TestClient
from spanjet import Reader
from spanjet.serve.app import create_app
from spanjet.serve.config import ServeConfig
from spanjet.serve.process.run import listen, uvicorn_config


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
    """

    def __init__(self, reader: Reader, **settings: Any) -> None:
        self.config = ServeConfig(port=0, **settings)
        self._bound = listen(self.config.host, 0)
        self.port = self._bound.getsockname()[1]
        self.url = f"http://{self.config.host}:{self.port}"
        self.server = uvicorn.Server(uvicorn_config(self.config, create_app(self.config, reader)))
        self._thread = threading.Thread(target=self.server.run, args=([self._bound],), daemon=True)

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
