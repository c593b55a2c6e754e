"""Jobs in processes of their own that are killed at chosen moments."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["in_child", "kill_before"]

OPERATIONS = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.listdir"}


def kill_before(operations: int, prefix: Path) -> None:
    """Kill this process where it is about to begin the next operation on a file after so many.

    Only files count whose paths begin with ``prefix``.
    """
    left = operations

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if event in OPERATIONS and str(arguments[0]).startswith(str(prefix)):
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

    sys.addaudithook(hook)


def in_child(job: Callable[[], None]) -> bool:
    """Whether a job ended by itself, in a process of its own; False: it was killed."""
    child = os.fork()
    if child == 0:
        try:
            job()
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return False
    if os.WEXITSTATUS(status):
        raise SystemExit("the job failed")
    return True
