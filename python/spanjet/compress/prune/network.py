"""Hold a checkpoint in memory, with layers that can be replaced by smaller ones."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.export import write_checkpoint
from spanjet.model import Model
from spanjet.model.directory import CONFIG
from spanjet.model.graph.architectures import ARCHITECTURES
from spanjet.model.graph.blocks import LayerTensors
from spanjet.model.graph.encoder import Encoder
from spanjet.model.graph.tensors import Recorder, Tensors
from spanjet.model.layer_shape import LayerShape
from spanjet.model.load import built, find_directory, open_checkpoint
from spanjet.runtime.openvino import ov

__all__ = ["Network"]


@dataclass(frozen=True, kw_only=True)
class Network:
    """Architecture and weights of a question-answering encoder.

    Attributes:
        architecture: the architecture, with the shape of each layer.
        tensors: float32 arrays by the checkpoint's names, without the task model's prefix; not to be
            written to.
        source: the directory that it was loaded from, which has the tokenizer.
        files: weight files.
        repository: hub repository; see `spanjet.model.Model`.
    """

    architecture: Encoder
    tensors: Mapping[str, NDArray[np.float32]]
    source: Path
    files: tuple[Path, ...]
    repository: str | None = None

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Network":
        """Load a checkpoint directory or a hub model.

        Raises:
            OSError, ValueError: as `spanjet.model.load_model`; also if the architecture cannot be pruned.
        """
        directory, repository = find_directory(path)
        architecture, weights = open_checkpoint(directory)
        if not isinstance(architecture, Encoder):
            known = ", ".join(name for name, each in ARCHITECTURES.items() if issubclass(each, Encoder))
            raise ValueError(
                f"{directory / CONFIG}: layers of {architecture.model_type} models cannot be cut, expected "
                f"one of {known}"
            )
        if architecture.obstacle is not None:
            raise ValueError(f"{directory / CONFIG}: {architecture.obstacle}, for its layers cannot be cut")
        recorder = Recorder(weights)
        architecture.build(recorder)
        recorder.finish()
        return cls(
            architecture=architecture,
            tensors=recorder.taken,
            source=directory,
            files=weights.files,
            repository=repository,
        )

    @property
    def shapes(self) -> tuple[LayerShape, ...]:
        """Number of heads and units of each layer."""
        return self.architecture.layer_shapes

    def layer(self, index: int) -> LayerTensors:
        """Name the tensors of a layer, without ``.weight`` and ``.bias``."""
        prefix = f"{self.architecture.layers}.{index}"
        names = asdict(self.architecture.tensors)
        return LayerTensors(**{part: f"{prefix}.{name}" for part, name in names.items()})

    def build(self) -> ov.Model:
        """Build the float32 graph, which shares the tensors' memory."""
        source = Tensors(self.tensors)
        model = self.architecture.build(source)
        source.finish()
        return model

    def loaded(self) -> Model:
        """Build the float32 graph, ready for a reader."""
        model = built(self.build(), self.architecture, path=self.source, weights=self.files)
        return replace(model, repository=self.repository)

    def with_tensors(self, tensors: Mapping[str, NDArray[np.float32]]) -> "Network":
        """Return a network with some tensors replaced by others of the same shapes."""
        return replace(self, tensors={**self.tensors, **tensors})

    def with_layers(
        self, shapes: Sequence[LayerShape], tensors: Mapping[str, NDArray[np.float32]]
    ) -> "Network":
        """Return a network with layers of other shapes.

        Args:
            shapes: shape of each layer.
            tensors: changed tensors; empty ones are dropped, as their block was removed.
        """
        kept = {name: value for name, value in {**self.tensors, **tensors}.items() if value.size}
        architecture = replace(self.architecture, layer_shapes=tuple(shapes))
        return replace(self, architecture=architecture, tensors=kept)

    def save(self, path: Path, *, overwrite: bool = False) -> None:
        """Write a checkpoint directory with `spanjet.compress.export.write_checkpoint`."""
        write_checkpoint(path, self.architecture, self.tensors, source=self.source, overwrite=overwrite)
