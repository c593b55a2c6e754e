"""Read and write the state of a job: its input, settings and progress."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spanjet.storage import replace_file

__all__ = ["State", "differences", "read_state", "write_state"]


@dataclass(frozen=True, slots=True)
class State:
    """State of a job: its settings, row counts and file sizes.

    Attributes:
        run: input and settings, by name.
        replaces: True if it may replace an output.
        rows: number of finished rows of the input.
        answered, rejected: number of answered and of rejected rows.
        answers_bytes, rejected_bytes: sizes of the files of answers and rejected rows in bytes.
        complete: True if all rows of the input are finished.
    """

    run: dict[str, Any]
    replaces: bool
    rows: int = 0
    answered: int = 0
    rejected: int = 0
    answers_bytes: int = 0
    rejected_bytes: int = 0
    complete: bool = False


def read_state(path: Path) -> State:
    """Read the state of a job.

    Raises:
        ValueError: the file is not a state.
    """
    try:
        state = State(**json.loads(path.read_bytes()))
    except (ValueError, TypeError):  # TypeError: other keys, or no object
        state = None
    counts = ("rows", "answered", "rejected", "answers_bytes", "rejected_bytes")
    if (
        state is None
        or not isinstance(state.run, dict)
        or not all(isinstance(getattr(state, name), int) for name in (*counts, "replaces", "complete"))
    ):
        raise ValueError(f"{path}: damaged; start the run again with --overwrite (overwrite=True)")
    return state


def write_state(path: Path, state: State) -> None:
    """Replace the state of a job atomically."""
    replace_file(path, f"{json.dumps(asdict(state), indent=1)}\n".encode())


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Describe each difference between two nested mappings: ``"top_k was 1, is 3"``."""
    old, new = dict(_leaves(before)), dict(_leaves(now))
    return [
        f"{name} was {old.get(name)!r:.16}, is {new.get(name)!r:.16}"
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    ]


def _leaves(values: Mapping[str, Any], outer: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{outer}{name}.")
        else:
            yield f"{outer}{name}", value
