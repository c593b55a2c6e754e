"""Workers are started, replaced and ended."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import serve_workers
from spanjet.serve.process.supervisor import MAX_DELAY, Supervisor


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def pids(directory: Path, event: str) -> set[int]:
    return {int(path.name.partition("-")[2]) for path in directory.glob(f"{event}-*")}


def lives(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def supervise(
    directory: Path, work: Callable[..., None], meanwhile: Callable[[], None], grace: float = 5
) -> tuple[int, list[str | int]]:
    """Run two workers; return the exit code, and what was called."""
    events: list[str | int] = []
    supervisor = Supervisor(2, work, (directory,), grace=grace, on_end=events.append)
    thread = threading.Thread(target=meanwhile)
    thread.start()
    code = supervisor.run(lambda: events.append("stopped"))
    thread.join()
    return code, events


def end() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    killed: list[int] = []

    def meanwhile() -> None:
        until(lambda: len(pids(tmp_path, "started")) == 2)
        time.sleep(0.2)
        killed.append(min(pids(tmp_path, "started")))
        os.kill(killed[0], signal.SIGKILL)
        until(lambda: len(pids(tmp_path, "started")) == 3)
        time.sleep(0.2)
        end()

    code, events = supervise(tmp_path, serve_workers.good, meanwhile)
    assert code == 0
    assert events == [*killed, "stopped"]
    assert pids(tmp_path, "ended") == pids(tmp_path, "started") - set(killed)


def test_workers_that_cannot_start_end_the_supervisor(tmp_path: Path) -> None:
    code, events = supervise(tmp_path, serve_workers.broken, lambda: None)
    assert code == 1
    assert events[-1] == "stopped"
    assert 1 <= len(pids(tmp_path, "started")) <= 2


def test_a_worker_that_does_not_end_is_killed(tmp_path: Path) -> None:
    def meanwhile() -> None:
        until(lambda: len(pids(tmp_path, "started")) == 2)
        time.sleep(0.3)
        end()
        time.sleep(0.5)
        end()  # a second signal ends them at once

    begun = time.monotonic()
    code, _ = supervise(tmp_path, serve_workers.stubborn, meanwhile, grace=60)
    assert code == 0
    assert time.monotonic() - begun < 30
    assert not any(map(lives, pids(tmp_path, "started")))


def test_workers_end_with_their_supervisor(tmp_path: Path) -> None:
    script = f"import serve_workers, pathlib; serve_workers.orphaned(pathlib.Path({str(tmp_path)!r}), 2)"
    paths = [str(Path(serve_workers.__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    parent = subprocess.Popen([sys.executable, "-c", script], env=environment)
    try:
        until(lambda: len(pids(tmp_path, "started")) == 2)
        time.sleep(0.3)
    finally:
        parent.kill()
        parent.wait()
    until(lambda: not any(map(lives, pids(tmp_path, "started"))))
    assert pids(tmp_path, "ended") == pids(tmp_path, "started")


def test_workers_that_never_start_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often: the delay has a maximum."""
    supervisor = Supervisor(1, serve_workers.good, (), grace=0, on_end=lambda _: None)
    for failures in (0, 1023, 5000):
        monkeypatch.setattr(supervisor, "_failures", failures)
        ended: Any = SimpleNamespace(
            process=SimpleNamespace(pid=1, exitcode=1, close=lambda: None),
            ready=SimpleNamespace(close=lambda: None),
            is_ready=False,
        )
        supervisor._workers.append(ended)
        supervisor._remove(ended)
        assert 0 < supervisor._start_after - time.monotonic() <= MAX_DELAY
