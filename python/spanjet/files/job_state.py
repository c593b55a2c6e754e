"""The state of a job: what it reads and how, and how many of its rows are done."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spanjet.storage import replace_file

__all__ = ["State", "differences", "read_state", "write_state"]


@dataclass(frozen=True, slots=True)
class State:
    """Progress of a run: its settings, rows and the sizes of its files.

    Attributes:
        run: what it reads and how, by names.
        replaces: whether it may replace an output.
        rows: rows of the input that are done.
        answered, rejected: how many of them were.
        answers_bytes, rejected_bytes: sizes of the two files.
        complete: whether the input has no more rows.
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
    """Read a state.

    Raises:
        ValueError: the file is no state.
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
    """Write a state whole or not at all, in the place of the one before."""
    replace_file(path, f"{json.dumps(asdict(state), indent=1)}\n".encode())


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """List what changed between two nested mappings, one text for each value: ``"top_k was 1, is 3"``."""
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
