"""Run a server in processes of its own, and read what they use from /proc."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE = 180.0
"""Seconds in which a server must be ready, or end."""


@dataclass(frozen=True)
class Usage:
    """What a server's processes use together.

    Attributes:
        cpu: seconds of CPU time since they began.
        megabytes: resident memory, of 1,000,000 bytes.
        threads, descriptors: numbers of threads and of open file descriptors.
    """

    cpu: float
    megabytes: float
    threads: int
    descriptors: int


class Server:
    """A server that listens at a free port.

    Args:
        command: program and arguments, of which ``{port}`` is replaced.
        ready: path that answers 200 as soon as it is ready.
    """

    def __init__(self, command: list[str], *, ready: str = "/v2/health/ready") -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        arguments = [argument.format(port=self.port) for argument in command]
        self.process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
        self.address = f"http://127.0.0.1:{self.port}"
        self._wait(self.address + ready)

    def _wait(self, url: str) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310  (our own server)
                if response.status == 200:
                    return
            time.sleep(0.1)
        ended = self.process.poll()
        self.process.kill()
        raise RuntimeError(f"{url}: not ready within {PATIENCE:.0f} s, or ended with {ended}")

    def children(self) -> list[int]:
        """The processes below the server's first one."""
        return descendants(self.process.pid)

    def workers(self) -> list[int]:
        """The children that hold a model, by their memory."""
        large = []
        for pid in self.children():
            with suppress(OSError):
                pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                if pages * os.sysconf("SC_PAGE_SIZE") > 100e6:
                    large.append(pid)
        return large

    def usage(self) -> Usage:
        """What all of its processes use."""
        total = [0.0, 0.0, 0, 0]
        for pid in (self.process.pid, *self.children()):
            with suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                descriptors = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208  (links whose targets are gone)
                total[0] += (int(fields[11]) + int(fields[12])) / TICKS
                total[1] += int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 1e6
                total[2] += int(fields[17])
                total[3] += descriptors
        return Usage(total[0], total[1], int(total[2]), int(total[3]))

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: Any) -> None:
        if self.process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.process.kill()


def descendants(pid: int) -> list[int]:
    """The processes below one."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(entry.name))
    found, queue = [], [pid]
    while queue:
        below = parents.get(queue.pop(), [])
        found += below
        queue += below
    return found
