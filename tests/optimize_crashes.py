"""Runs an optimisation that is killed again and again, and compares its model with that of a run that is not.

Arguments: a directory with what `write_inputs` wrote, and a number of kills. A script of its own: it forks.
"""

import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

from optimizing import run

OPERATIONS = {"open", "os.rename", "os.mkdir", "os.rmdir", "os.remove"}
MODEL = ("openvino_model.xml", "openvino_model.bin", "config.json")


def in_child(
    directory: Path, out: Path, *, operations: int | None = None, seconds: float | None = None
) -> bool:
    """Whether the run ended by itself, in a process of its own.

    It is killed before so many operations on files whose names begin with ``out``, or after so many seconds;
    None: never.
    """
    child = os.fork()
    if child == 0:
        try:
            if operations is not None:
                kill_before(out, operations)
            if seconds is not None:
                signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
                signal.setitimer(signal.ITIMER_REAL, seconds)
            run(directory, out)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return False
    if os.WEXITSTATUS(status):
        raise SystemExit("the run failed")
    return True


def kill_before(out: Path, operations: int) -> None:
    left = operations

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if event in OPERATIONS and str(arguments[0]).startswith(str(out)):
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

    sys.addaudithook(hook)


def main(directory: Path, kills: int) -> None:
    whole, broken = directory / "whole", directory / "broken"
    in_child(directory, whole)
    expected = {name: (whole / name).read_bytes() for name in MODEL}
    stages = {file.name for file in (directory / "whole.stages").iterdir()}
    generator = random.Random(0)
    killed = 0
    for number in range(kills):
        limit = (
            {"seconds": generator.uniform(0.2, 2)}
            if number % 3 == 2
            else {"operations": generator.randrange(4, 60)}
        )
        if in_child(directory, broken, **limit):
            break
        killed += 1
    if not broken.exists():
        in_child(directory, broken)
    found = {name: (broken / name).read_bytes() for name in MODEL}
    different = [name for name in MODEL if found[name] != expected[name]]
    if different:
        raise SystemExit(f"after {killed} kills, {different} are not those of the run that was not killed")
    if stages != {file.name for file in (directory / "broken.stages").iterdir()}:
        raise SystemExit("the killed run has other stages")
    print(killed)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
