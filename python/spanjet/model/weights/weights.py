"""Look up the tensors of a checkpoint by its architecture's names."""

import re
from difflib import get_close_matches
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spanjet.model.weights.find import open_weights
from spanjet.model.weights.tensor_file import TensorFile

__all__ = ["Weights"]

# Names of layer normalisation tensors in checkpoints converted from TensorFlow.
_OLD_NAMES = {"gamma": "weight", "beta": "bias"}
# How the names of question-answering heads begin; ModernBERT's has two parts.
_HEADS = ("qa_outputs.", "classifier.", "head.")
# What training wrappers put before names: DataParallel and Lightning at the front, torch.compile anywhere.
_WRAPPERS = re.compile(r"^(?:(?:module|model|_orig_mod)\.)+|(?<=\.)_orig_mod\.")


class Weights:
    """Source of a checkpoint's tensors, converted to float32 when taken.

    Args:
        path: file that `find_weights` returned: weights, or an index of shards.
        prefix: prefix of the encoder's names in task models (``"bert."``); names are looked up without it, so
            that files with and without it are both read. Those of DataParallel (``module.``), Lightning
            (``model.``) and torch.compile (``_orig_mod.``) are removed too.
        ignored: regular expression of names, without the prefix, that need not be taken.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is empty, truncated or corrupt, or a name occurs twice; the message
            names the file.
    """

    def __init__(self, path: Path, *, prefix: str, ignored: str) -> None:
        self.path = path
        files = open_weights(path)
        #: The files that hold the tensors.
        self.files = tuple(file.path for file in files)
        self._places: dict[str, tuple[TensorFile, str]] = {}
        for file in files:
            for full_name in file.names:
                name = _modern(_WRAPPERS.sub("", full_name).removeprefix(prefix))
                if name in self._places:
                    other, first = self._places[name]
                    raise ValueError(
                        f"{file.path}: tensor {full_name!r} occurs twice, also as {first!r} in {other.path}"
                    )
                self._places[name] = (file, full_name)
        self._left = {name for name in self._places if not re.fullmatch(ignored, name)}

    def take(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Take one tensor as float32[shape], C-contiguous; it must not be modified.

        Args:
            name: the tensor's name without the prefix.
            shape: required shape.

        Raises:
            ValueError: the tensor is missing, has another shape, a dtype other than F32, F16 and
                BF16, or a value that is not finite; the message names the file and the tensor.
        """
        if name not in self._places:
            head = (
                ": the checkpoint has no question-answering head, expected one that was trained for that task"
                if name.startswith(_HEADS)
                else ""
            )
            raise ValueError(
                f"{self.path}: tensor {name!r} is missing, expected with shape {list(shape)}"
                f"{head or self._like(name)}"
            )
        file, full_name = self._places[name]
        self._left.discard(name)
        return file.read(full_name, shape)

    def _like(self, name: str) -> str:
        """Say which of the file's names are most like one that is missing."""
        names = [full_name for _, full_name in self._places.values()]
        last = name.rpartition(".")[2]
        alike = get_close_matches(name, [other for other in names if other.endswith(last)], n=2, cutoff=0)
        found = ", ".join(map(repr, alike or sorted(names)[:2]))
        return f"; the file has {len(names)} tensors, the nearest {found}" if names else "; the file has none"

    def finish(self) -> None:
        """Check that every tensor was taken or ignored.

        Raises:
            ValueError: some tensors were not taken, so the checkpoint is of another architecture.
        """
        if self._left:
            names = ", ".join(repr(self._places[name][1]) for name in sorted(self._left)[:3])
            raise ValueError(f"{self.path}: {len(self._left)} tensors were not expected: {names}")


def _modern(name: str) -> str:
    head, _, last = name.rpartition(".")
    return f"{head}.{_OLD_NAMES[last]}" if last in _OLD_NAMES and head.endswith("LayerNorm") else name
