"""Fixtures of the server's tests: an application, and a live server."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from live_server import Live
from spanjet import Reader, RuntimeConfig, WindowConfig
from spanjet.model import Model
from spanjet.serve.app import create_app
from spanjet.serve.config import ServeConfig


@pytest.fixture(scope="session")
def served_reader(toy: Model, exact: RuntimeConfig) -> Reader:
    """The reader that answers."""
    return Reader(toy, window_config=WindowConfig(max_length=48, doc_stride=16), runtime_config=exact)


@pytest.fixture(scope="module")
def client(served_reader: Reader) -> Iterator[TestClient]:
    """A client of an application with small limits."""
    config = ServeConfig(max_body=20_000, max_passages=8, documents_memory=50_000, max_wait=60)
    with TestClient(create_app(config, served_reader)) as made:  # type: ignore[arg-type]
        yield made


@pytest.fixture(scope="module")
def live(served_reader: Reader) -> Iterator[Live]:
    """A live server with short timeouts."""
    with Live(served_reader, max_body=200_000, timeout=3.0, keep_alive=1.0, max_wait=60) as server:
        yield server
