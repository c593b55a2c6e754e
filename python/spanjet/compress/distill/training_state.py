"""Store how far a training is, so that it can go on after any end."""

import os
import zipfile
from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spanjet.storage import STAGE_SUFFIX, sync

__all__ = ["Place", "TrainingState"]


@dataclass(frozen=True)
class Place:
    """Place in a training, at which it goes on.

    Attributes:
        epoch: number of whole passes over the windows.
        step: number of optimiser steps of the pass that has begun.
        seen: number of windows in all.
        updates: number of optimiser steps in all that changed the weights.
    """

    epoch: int = 0
    step: int = 0
    seen: int = 0
    updates: int = 0

    def after(self, windows: int, *, updated: bool) -> "Place":
        """Return the place after one more step on so many windows."""
        return replace(self, step=self.step + 1, seen=self.seen + windows, updates=self.updates + updated)

    def next_epoch(self) -> "Place":
        """Return the place at the beginning of the next pass."""
        return replace(self, epoch=self.epoch + 1, step=0)


class TrainingState:
    """The arrays of a training in a file, which is replaced whole.

    Args:
        file: the file; None: nothing is stored.
        arrays: arrays of the training by name, which are stored, and restored in place.
    """

    def __init__(self, file: Path | None, arrays: Mapping[str, NDArray[np.float32]]) -> None:
        self._file, self._arrays = file, arrays

    def save(self, place: Place) -> None:
        """Store the arrays; a process that is killed meanwhile leaves the state before."""
        if self._file is None:
            return
        staged = self._file.with_name(f"{self._file.stem}{STAGE_SUFFIX}.npz")
        with staged.open("wb") as stream:
            np.savez(stream, place=np.array(astuple(place), np.int64), **self._arrays)  # type: ignore[arg-type]
            stream.flush()
            os.fsync(stream.fileno())
        staged.replace(self._file)
        sync(self._file.parent)

    def load(self) -> Place:
        """Restore the arrays; return the beginning if nothing is stored.

        Raises:
            ValueError: the file is damaged, or of another training.
        """
        if self._file is None or not self._file.exists():
            return Place()
        try:
            with self._file.open("rb") as stream, np.load(stream) as stored:
                found = {name: stored[name] for name in ("place", *self._arrays)}
        except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile) as error:
            raise ValueError(f"{self._file}: not the state of this training: {error}") from error
        if any(found[name].shape != values.shape for name, values in self._arrays.items()):
            raise ValueError(f"{self._file}: the state of another training: remove it to begin anew")
        for name, values in self._arrays.items():
            values[:] = found[name]
        return Place(*found["place"].tolist())
