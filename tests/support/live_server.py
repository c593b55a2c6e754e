"""A server in a thread of the tests' process."""

import threading
from typing import Any

import uvicorn
from spanjet import Reader
from spanjet.serve.app import create_app
from spanjet.serve.config import ServeConfig
from spanjet.serve.run import listen, uvicorn_config


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
