"""Run the server: one process, or several that are watched."""

import os
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from multiprocessing import connection, parent_process
from pathlib import Path
from typing import Any

import uvicorn
from prometheus_client import multiprocess
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from spanjet.reader.reader import Reader
from spanjet.serve.app import create_app
from spanjet.serve.config import ServeConfig
from spanjet.serve.log import log_config
from spanjet.serve.metrics import DIRECTORY
from spanjet.serve.protocol import BoundedProtocol

__all__ = ["listen", "run"]

BACKLOG = 2048

HEALTH_SECONDS = 60
"""Time in which a worker must show that it lives; while it imports its modules it does not."""


def listen(host: str, port: int) -> socket.socket:
    """Bind a socket to an address.

    Raises:
        OSError: it cannot be bound; the error names the address.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        raise OSError(error.errno, error.strerror, f"{host}:{port}") from None
    bound.set_inheritable(True)
    return bound


def run(config: ServeConfig, bound: socket.socket, reader: Reader | None = None) -> int:
    """Serve until the process is told to end.

    Args:
        config: settings of the server.
        bound: socket to listen at.
        reader: reader of a single process; None: that of the settings.

    Returns:
        The exit code: 0 after SIGTERM or SIGINT, 1 if no worker could start.
    """
    # Of uvicorn's, which end the server in order, these are what is left when it has ended.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    if config.workers == 1:
        server = uvicorn.Server(_uvicorn_config(config, partial(create_app, config, reader)))
        server.run([bound])
        return 0 if server.started else 1
    with _shared_directories(config) as shared:
        supervisor = _Supervisor(_uvicorn_config(shared, partial(create_worker_app, shared)), [bound])
        supervisor.run()
    return 1 if supervisor.has_failed else 0


def create_worker_app(config: ServeConfig) -> Any:
    """Make the application of a worker, which ends with its parent process."""
    threading.Thread(target=_end_with_parent, name="spanjet-parent", daemon=True).start()
    return create_app(config)


def _uvicorn_config(config: ServeConfig, factory: Any) -> uvicorn.Config:
    return uvicorn.Config(
        factory,
        factory=True,
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        workers=config.workers,
        backlog=BACKLOG,
        log_config=log_config(access_log=config.access_log),
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=config.keep_alive,  # type: ignore[arg-type]
        timeout_graceful_shutdown=config.grace,  # type: ignore[arg-type]
        timeout_worker_healthcheck=HEALTH_SECONDS,
    )


class _Supervisor(Multiprocess):
    """Supervisor that replaces a worker which has ended, and forgets its metrics.

    Attributes:
        has_failed: True if a worker could not start.
    """

    has_failed = False

    def keep_subprocess_alive(self) -> None:
        """Replace the workers that have ended."""
        before = list(self.processes)
        super().keep_subprocess_alive()
        for process in before:
            if process not in self.processes and process.pid is not None:
                multiprocess.mark_process_dead(process.pid)  # type: ignore[no-untyped-call]
        self.has_failed = any(process.exitcode == STARTUP_FAILURE for process in self.processes)

    def terminate_all(self) -> None:
        """Stop listening, and tell the workers to end."""
        for bound in self.sockets:
            bound.close()
        super().terminate_all()


@contextmanager
def _shared_directories(config: ServeConfig) -> Iterator[ServeConfig]:
    """Make the directories that the workers share, and remove them at the end."""
    with tempfile.TemporaryDirectory(prefix="spanjet-serve-") as directory:
        metrics, spool = Path(directory, "metrics"), Path(directory, "documents")
        metrics.mkdir()
        os.environ[DIRECTORY] = str(metrics)
        try:
            yield config if config.spool is not None else replace(config, spool=spool)
        finally:
            del os.environ[DIRECTORY]


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
