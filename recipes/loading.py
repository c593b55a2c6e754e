"""Batches of a run, in its order, made ahead by processes where training would wait for them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from recipes.examples import Arrays, Batch, Window, batches, collate, windows
from recipes.logits import Teacher
from recipes.settings import Place, Settings

__all__ = ["Data", "Step", "epoch_of", "steps"]

PREPARED = 48
"""Batches that each process makes ahead: enough for the time that an epoch takes to be drawn."""


@dataclass(frozen=True, slots=True)
class Data:
    """What is trained on.

    Attributes:
        train: examples to train on.
        held_out: examples that are only looked at.
        logits: directory of a teacher's logits (see `recipes.logits`); None: there are none.
    """

    train: Arrays
    held_out: Arrays
    logits: Path | None = None


class Step(NamedTuple):
    """What a step trains on.

    Attributes:
        batch: model inputs and answers.
        targets: a teacher's logits, float32[2, windows, length]; None: there are none.
        epoch, done: the place in the data after it: ``done`` batches of ``epoch``.
    """

    batch: Batch
    targets: NDArray[np.float32] | None
    epoch: int
    done: int


def epoch_of(data: Data, settings: Settings, epoch: int) -> tuple[list[Window], Teacher | None]:
    """Draw the windows of an epoch; with a teacher's logits, of the epoch that they have in turn.

    Raises:
        ValueError: the directory holds no logits, or those of other windows.
    """
    if data.logits is None:
        return windows(data.train, settings.sampling, (settings.seed, epoch)), None
    kept = sorted(int(file.stem) for file in data.logits.glob("*.npz"))
    if not kept:
        raise ValueError(f"{data.logits}: no logits; expected those of recipes.logits")
    chosen = kept[epoch % len(kept)]
    drawn = windows(data.train, settings.sampling, (settings.seed, chosen))
    return drawn, Teacher(data.logits / f"{chosen}.npz", drawn)


class _Steps(IterableDataset[Step]):  # type: ignore[misc]  # torch is not in the environment of the gate
    """Steps from a place on, without an end; of several processes, each makes those whose turn it is."""

    def __init__(self, data: Data, settings: Settings, place: Place) -> None:
        self.data, self.settings = data, settings
        self.epoch, self.done = place.epoch, place.batch

    def __iter__(self) -> Iterator[Step]:
        worker = get_worker_info()
        mine, processes = (0, 1) if worker is None else (worker.id, worker.num_workers)
        epoch, done, number = self.epoch, self.done, 0
        while True:
            drawn, taught = epoch_of(self.data, self.settings, epoch)
            made = batches(self.data.train, drawn, self.settings.tokens, (self.settings.seed, epoch))
            for index in range(done, len(made)):
                if number % processes == mine:
                    is_last = index == len(made) - 1
                    after = (epoch + 1, 0) if is_last else (epoch, index + 1)
                    batch = collate(self.data.train, made[index])
                    targets = None if taught is None else taught.targets(made[index], batch.allowed)
                    yield Step(batch, targets, *after)
                number += 1
            epoch, done = epoch + 1, 0


def _as_it_is(step: Step) -> Step:
    return step


def steps(data: Data, settings: Settings, place: Place, *, processes: int = 0) -> Iterator[Step]:
    """Yield the steps of a run from a place on, without an end.

    Args:
        data: see there.
        settings: of the run.
        place: where the run is.
        processes: that make batches ahead; 0: they are made when they are asked for.
    """
    ahead: dict[str, Any] = {"prefetch_factor": PREPARED} if processes else {}
    dataset = _Steps(data, settings, place)
    # With batch_size=None torch takes a step for a whole batch.
    return iter(DataLoader(dataset, None, num_workers=processes, collate_fn=_as_it_is, **ahead))
