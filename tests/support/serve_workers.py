"""What the processes of the supervisor's tests do."""

import os
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path

from spanjet.serve.process.supervisor import Supervisor, end_with_parent


def record(directory: Path, event: str) -> None:
    (directory / f"{event}-{os.getpid()}").touch()


def good(directory: Path, ready: Connection) -> None:
    """Start, and end in order when told to."""
    end_with_parent()

    def end(*_: object) -> None:
        record(directory, "ended")
        raise SystemExit

    signal.signal(signal.SIGTERM, end)
    record(directory, "started")
    ready.send(True)
    time.sleep(60)


def stubborn(directory: Path, ready: Connection) -> None:
    """Do not end when told to."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    record(directory, "started")
    ready.send(True)
    time.sleep(60)


def broken(directory: Path, _ready: Connection) -> None:
    """Fail before being ready."""
    record(directory, "started")
    raise SystemExit(1)


def orphaned(directory: Path, count: int) -> None:
    """Supervise workers, until killed."""
    Supervisor(count, good, (directory,), grace=5, on_end=lambda _: None).run(lambda: None)
