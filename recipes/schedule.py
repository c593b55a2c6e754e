"""Make teacher, base and small one after the other, in the time that there is; resumable.

    python -m recipes.schedule START --examples train.npz --held-out held-out.npz --out DIR \
        --budget 14 --minutes 9

``--budget`` is the time of all trainings together, over all calls; each gets its share of it. ``--minutes``
is the time of this call, after which the state is stored: the same command goes on from it. What is done is
not made again. Each training prints its windows a second after ten steps and then every hundred.

With ``--student`` and ``--student-examples`` the teacher's logits for that student are kept too.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from recipes import logits, train
from recipes.prune import __main__ as prune

__all__ = ["SHARES", "Stage", "stages"]

SHARES = {"teacher": 0.3, "base": 0.38, "small": 0.32}
"""Shares of the budget."""
STORING = 20.0
"""Seconds of a call that are left for loading and storing."""

# The word table stays as it is, so that its INT4 form can be given from the start.
ALL = ("--frozen-tables",)
TEACHER = ("--rate", "6e-5", "--cool-down", "0.9", "--dropout", "0.1")
# Of the trained teacher: 12 layers of 12 heads and 3,072 units.
BASE = (
    *("--layers", "12", "--heads", "6", "--units", "1536", "--steps", "0.5", "0.8", "1", "--last", "0.6"),
    *("--rate", "8e-5", "--cool-down", "0.55"),
)
SMALL = (
    *("--layers", "6", "--heads", "4", "--units", "896", "--steps", "0.34", "0.67", "1", "--last", "0.7"),
    *("--rate", "1.2e-4", "--cool-down", "0.6"),
)


@dataclass(frozen=True, slots=True)
class Stage:
    """A command that makes something.

    Attributes:
        name: for messages.
        main: of the command's module.
        arguments: of the command.
        made: file that is there when it is done.
        stoppable: takes ``--stop-after``, and goes on when it is called again.
    """

    name: str
    main: Callable[[Sequence[str]], None]
    arguments: tuple[str, ...]
    made: Path
    stoppable: bool = True


def stages(options: argparse.Namespace) -> Iterator[Stage]:
    """List what is to be made, in order."""
    out: Path = options.out
    teacher = out / "teacher" / "checkpoint"
    yield _training(options, "teacher", train.main, options.start, TEACHER)
    if options.student is not None:
        paths = ["--examples", options.examples, "--student", options.student]
        paths += ["--student-examples", options.student_examples, "--out", out / "logits"]
        epochs = [str(epoch) for epoch in range(options.logit_epochs)]
        arguments = (teacher, *paths, "--tokens", options.tokens, "--epochs", *epochs)
        made = out / "logits" / f"{options.logit_epochs - 1}.npz"
        yield Stage("logits", logits.main, tuple(map(str, arguments)), made, stoppable=False)
    more = ("--teacher", teacher, "--temperature", "2")
    yield _training(options, "base", prune.main, teacher, (*BASE, *more))
    yield _training(options, "small", prune.main, out / "base" / "checkpoint", (*SMALL, *more))


def _training(
    options: argparse.Namespace,
    name: str,
    main: Callable[[Sequence[str]], None],
    start: Path,
    more: Sequence[object],
) -> Stage:
    directory = options.out / name
    minutes = options.budget * SHARES[name]
    arguments = [start, "--examples", options.examples, "--held-out", options.held_out]
    arguments += ["--state", directory / "state", "--out", directory / "checkpoint"]
    arguments += ["--minutes", minutes, "--tokens", options.tokens, "--warm-up", options.warm_up, *ALL, *more]
    arguments += [*options.training_options, *getattr(options, f"{name}_options")]
    return Stage(name, main, tuple(map(str, arguments)), directory / "checkpoint" / "config.json")


def run(stage: Stage, seconds: float) -> bool:
    """Run a stage for a time at most; False: it is not done yet."""
    arguments = list(stage.arguments)
    if stage.stoppable:
        arguments += ["--stop-after", f"{seconds:.0f}"]
    print(f"{stage.name}: {' '.join(arguments)}", flush=True)
    stage.main(arguments)
    return stage.made.exists()


def main() -> int:
    """Make what is missing; the exit status is 3 if the time did not suffice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("start", type=Path, help="start weights of the teacher")
    parser.add_argument("--examples", type=Path, required=True, help="of recipes.prepare, part train")
    parser.add_argument("--held-out", type=Path, required=True, help="of recipes.prepare, part held-out")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--budget", type=float, required=True, help="minutes of all trainings")
    parser.add_argument("--minutes", type=float, required=True, help="minutes of this call")
    parser.add_argument("--tokens", type=int, default=5600, help="of a batch (default: %(default)s)")
    parser.add_argument("--warm-up", type=int, default=100, help="steps, also after a cut (%(default)s)")
    parser.add_argument("--student", type=Path, help="start weights of a student that learns from logits")
    parser.add_argument("--student-examples", type=Path)
    parser.add_argument("--logit-epochs", type=int, default=2, help="(default: %(default)s)")
    for name in SHARES:
        parser.add_argument(f"--{name}-options", type=str.split, default=[], help="more, as one argument")
    parser.add_argument("--training-options", type=str.split, default=[], help="of all three trainings")
    options = parser.parse_args()
    if (options.student is None) != (options.student_examples is None) or options.logit_epochs < 1:
        parser.error("--student, --student-examples: expected both or none, and at least one epoch")
    ends = time.monotonic() + 60 * options.minutes
    done: list[str] = []
    for stage in stages(options):
        left = ends - time.monotonic() - STORING
        if not stage.made.exists() and (left <= 0 or not run(stage, left)):
            break
        done.append(stage.name)
    else:
        print(json.dumps({"done": done, "next": None}), flush=True)
        return 0
    print(json.dumps({"done": done, "next": stage.name}), flush=True)
    return 3


if __name__ == "__main__":
    sys.exit(main())
