"""Run the server: one process, or several that are watched."""

import contextlib
import gc
import logging.config
import os
import signal
import socket
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from errno import EINVAL
from multiprocessing.connection import Connection
from pathlib import Path

from starlette.types import ASGIApp

from spanjet.reader.reader import Reader
from spanjet.reader.warnings import QuestionCut
from spanjet.runtime.machine import TERMINATION_SIGNALS, reuse_address
from spanjet.serve.app import create_app
from spanjet.serve.config import ServeConfig
from spanjet.serve.log import log_config
from spanjet.serve.metrics import DIRECTORY, forget_process
from spanjet.serve.process.protocol import LINGER, BoundedProtocol, HttpConfig, HttpServer
from spanjet.serve.process.supervisor import Supervisor, end_with_parent

__all__ = ["ServeConfig", "http_config", "listen", "run", "work"]

BACKLOG = 2048

LOGGER = logging.getLogger("spanjet.serve")


def listen(host: str, port: int) -> socket.socket:
    """Bind a socket to an address.

    Raises:
        OSError: it cannot be bound, or is none; the error names the address.
    """
    with contextlib.ExitStack() as stack:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            bound = stack.enter_context(socket.socket(family, kind, protocol))
            reuse_address(bound)
            bound.bind(address)
        except UnicodeError:
            raise OSError(EINVAL, "not an address", f"{host}:{port}") from None
        except OSError as error:
            raise OSError(error.errno, error.strerror, f"{host}:{port}") from None
        stack.pop_all()
    return bound


def run(config: ServeConfig, bound: socket.socket, reader: Reader | None = None) -> int:
    """Serve until the process is told to end.

    Args:
        config: settings of the server.
        bound: socket to listen at.
        reader: reader of a single process; None: that of the settings.

    Returns:
        The exit code: 0 after SIGTERM, SIGINT or SIGHUP, 1 if the server could not start.
    """
    logging.config.dictConfig(log_config(access_log=config.access_log))
    host, port = bound.getsockname()[:2]
    LOGGER.info("starts at http://%s:%d", f"[{host}]" if ":" in host else host, port)
    if config.workers == 1:
        return 0 if _serve(config, bound, reader) else 1
    with _shared_directories(config) as shared:
        supervisor = Supervisor(
            config.workers, work, (shared, bound), grace=config.grace + LINGER, on_end=forget_process
        )
        return supervisor.run(bound.close)


def work(config: ServeConfig, bound: socket.socket, ready: Connection) -> None:
    """Serve as one of several processes, until told to end or until the parent has ended.

    Args:
        config: settings of the server.
        bound: socket to listen at, which the processes share.
        ready: is sent to when the process serves.
    """
    end_with_parent()
    logging.config.dictConfig(log_config(access_log=config.access_log))
    if not _serve(config, bound, None, lambda: ready.send(True)):
        sys.exit(1)


def _serve(
    config: ServeConfig,
    bound: socket.socket,
    reader: Reader | None,
    on_ready: Callable[[], None] = lambda: None,
) -> bool:
    """Serve in this process; return False if it could not start."""
    logging.captureWarnings(True)
    # It quotes the question; the response has it instead.
    warnings.simplefilter("ignore", QuestionCut)

    def ready() -> None:
        # What was made so far lives as long as the process: it need not be searched for garbage again.
        gc.collect()
        gc.freeze()
        on_ready()

    server = HttpServer(http_config(config, create_app(config, reader)), ready)
    # While the server runs its own handlers end it in order; it then raises the signal again for these.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    for number in set(TERMINATION_SIGNALS) - {signal.SIGTERM}:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda _, frame: server.handle_exit(signal.SIGTERM, frame))
    try:
        server.run([bound])
    except SystemExit:  # of a failed start, which has been logged
        return False
    return True


def http_config(config: ServeConfig, app: ASGIApp) -> HttpConfig:
    """Return the settings of the HTTP server in front of an application."""
    return HttpConfig(
        app,
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        backlog=BACKLOG,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=config.keep_alive,  # type: ignore[arg-type]
        timeout_graceful_shutdown=config.grace,  # type: ignore[arg-type]
    )


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
