"""Load the reader of an integration when it is first used."""

import os
import threading
from typing import Any

from spanjet.reader.reader import Reader

__all__ = ["LazyReader", "ModelSource"]

ModelSource = Reader | str | os.PathLike[str] | None
"""Model of an integration: a model directory, a hub id, None (the bundled model), or a reader that exists."""


class LazyReader:
    """Reader that loads its model when it is first used; thread-safe, picklable and cheap to construct.

    It is pickled as what it was made from. A copy is the object itself, so that the model is loaded once.

    Args:
        model: model directory, hub id, None (the bundled model), or a reader, which is used as it is.

    Attributes:
        model: the given model; a path as text.

    Raises:
        TypeError: the model has another type.
    """

    def __init__(self, model: ModelSource) -> None:
        if not isinstance(model, Reader | str | os.PathLike | None):
            raise TypeError(f"model: expected a path, an id, a Reader or None, found {type(model).__name__}")
        self.model: Reader | str | None = os.fspath(model) if isinstance(model, os.PathLike) else model
        self._lock = threading.Lock()
        self._loaded: Reader | None = None

    @property
    def reader(self) -> Reader:
        """The reader, loaded on first use.

        Raises:
            OSError, ValueError: the model cannot be read, as of `Reader`.
        """
        if isinstance(self.model, Reader):
            return self.model
        if self._loaded is None:
            with self._lock:
                self._loaded = self._loaded or Reader(self.model)
        return self._loaded

    def __repr__(self) -> str:
        return f"LazyReader({self.model!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LazyReader) and self.model == other.model

    def __hash__(self) -> int:
        return hash(self.model)

    def __reduce__(self) -> tuple[type["LazyReader"], tuple[Reader | str | None]]:
        return LazyReader, (self.model,)

    def __copy__(self) -> "LazyReader":
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> "LazyReader":
        return self
