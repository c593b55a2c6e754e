"""Runs an optimisation that is killed again and again, and compares its model with that of a run that is not.

Arguments: a directory with what `write_inputs` wrote, and a number of kills. A script of its own: it forks.
"""

import os
import random
import signal
import sys
from pathlib import Path

from kills import in_child, kill_before
from optimizing import run

MODEL = ("openvino_model.xml", "openvino_model.bin", "config.json")


def ended(directory: Path, out: Path, *, operations: int | None = None, seconds: float | None = None) -> bool:
    """Whether the run ended by itself.

    It is killed before so many operations on files whose names begin with ``out``, or after so many seconds;
    None: never.
    """

    def job() -> None:
        if operations is not None:
            kill_before(operations, out)
        if seconds is not None:
            signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
            signal.setitimer(signal.ITIMER_REAL, seconds)
        run(directory, out)

    return in_child(job)


def main(directory: Path, kills: int) -> None:
    whole, broken = directory / "whole", directory / "broken"
    ended(directory, whole)
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
        if ended(directory, broken, **limit):
            break
        killed += 1
    if not broken.exists():
        ended(directory, broken)
    found = {name: (broken / name).read_bytes() for name in MODEL}
    different = [name for name in MODEL if found[name] != expected[name]]
    if different:
        raise SystemExit(f"after {killed} kills, {different} are not those of the run that was not killed")
    if stages != {file.name for file in (directory / "broken.stages").iterdir()}:
        raise SystemExit("the killed run has other stages")
    print(killed)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
