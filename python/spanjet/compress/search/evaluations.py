"""What was measured of each candidate; kept on disk as it comes."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from spanjet.files.safe_files import replace_file
from spanjet.model.config_json import read_json
from spanjet.model.layer_shape import LayerShape

__all__ = ["Ledger"]


class Ledger:
    """A number for each tuple of layer shapes, measured once.

    Args:
        path: the file; read if it is there.
        measure: the number of a candidate; it must depend on nothing but the shapes.

    Raises:
        ValueError: the file is damaged; the message names it.
    """

    def __init__(self, path: Path, measure: Callable[[tuple[LayerShape, ...]], float]) -> None:
        self._path, self._measure = path, measure
        self._known: dict[str, float] = read_json(path) if path.is_file() else {}

    def __call__(self, shapes: Sequence[LayerShape]) -> float:
        """The candidate's number."""
        key = " ".join(f"{shape.heads}:{shape.units}" for shape in shapes)
        if key not in self._known:
            self._known[key] = self._measure(tuple(shapes))
            replace_file(self._path, json.dumps(self._known, indent=0).encode())
        return self._known[key]

    def __len__(self) -> int:
        return len(self._known)
