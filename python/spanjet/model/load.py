"""Load models from model directories, checkpoints, exported models or hub ids."""

import glob
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from errno import ENOENT, ENOTDIR
from pathlib import Path
from pickle import PicklingError
from typing import Any

from spanjet.config import Calibration
from spanjet.model.card import CARD, read_calibration, read_cascade_calibration
from spanjet.model.directory import CONFIG, GRAPH, WEIGHTS, ModelDirectory, find_tokenizer
from spanjet.model.exported import adapt_exported, find_exported, read_exported
from spanjet.model.exported_config import read_exported_config
from spanjet.model.graph.architecture import Architecture
from spanjet.model.graph.architectures import read_architecture
from spanjet.model.graph.input_layout import InputLayout
from spanjet.model.hub import HubModel
from spanjet.model.weights import Weights, find_weights, has_weights
from spanjet.runtime.openvino import ov
from spanjet.storage import file_digest

__all__ = [
    "Model",
    "built",
    "find_directory",
    "load_checkpoint",
    "load_model",
    "open_checkpoint",
]


@dataclass(frozen=True, kw_only=True)
class Model:
    """Loaded question-answering model with its tokenizer, limits and card.

    Attributes:
        model: graph with the inputs ``input_ids``, ``attention_mask`` and, if ``layout`` has it,
            ``token_type_ids``, int32[batch, length], and the outputs ``start_logits``, ``end_logits``,
            float32[batch, length].
        tokenizer: file of the tokenizer.
        max_length: maximum length of a sequence in tokens; the model fails on a longer one.
        vocab_size: number of rows of the embedding table; the model does not detect token ids beyond it.
        card: card with the model's source and quality; None for a checkpoint.
        path: the directory.
        layout: layout of its inputs.
        architecture: ``model_type`` of its ``config.json``; ``unknown``: an exported model without it.
        weights: weight files.
        repository: hub repository that the directory is a snapshot of, followed by the subfolder if there is
            one; None: a local directory.
        source: absolute path of the directory that `load_model` read this model from, so that another process
            can read it too; None: the graph was made in memory.
    """

    model: ov.Model
    tokenizer: Path
    max_length: int
    vocab_size: int
    card: dict[str, Any] | None
    path: Path
    layout: InputLayout = field(default_factory=InputLayout)
    architecture: str = "bert"
    weights: tuple[Path, ...] = ()
    repository: str | None = None
    source: Path | None = field(default=None, init=False)  # which dataclasses.replace does not keep

    def stored(self) -> Path:
        """Return the directory that another process can load the model from.

        Raises:
            PicklingError: there is none.
        """
        if self.source is None:
            raise PicklingError(
                "the model was made in memory, so that it cannot go to another process; expected one that "
                "was read from a directory: write it with write_model_directory and load that"
            )
        return self.source

    def __reduce__(self) -> tuple[Callable[[Path, str | None], "Model"], tuple[Path, str | None]]:
        return _load, (self.stored(), self.repository)

    def __copy__(self) -> "Model":
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> "Model":
        return replace(self, model=self.model.clone())

    @property
    def weight_bytes(self) -> int:
        """Size of the weight files in bytes."""
        return sum(file.stat().st_size for file in self.weights)

    @property
    def calibration(self) -> Calibration | None:
        """Calibration of the model's scores, from its card; None if there is none.

        Raises:
            ValueError: the card's calibration is malformed.
        """
        return read_calibration(self.path / CARD, self.card)

    @property
    def digest(self) -> str:
        """SHA-256 of the weight files, by which the card of another model names this one."""
        return hashlib.sha256("".join(map(file_digest, self.weights)).encode()).hexdigest()

    def cascade_calibration(self, first: "Model", reread: int) -> Calibration | None:
        """Return the calibration of this model after another one, from its card; None if there is none.

        Args:
            first: model that chooses the windows that this one rereads.
            reread: maximum number of windows that this one rereads.

        Raises:
            ValueError: the card's calibrations are malformed.
        """
        if not (self.card and self.card.get("cascades")):
            return None  # the digest takes 10 ms
        digest = first.digest
        return read_cascade_calibration(self.path / CARD, self.card, first=digest, reread=reread)


def load_model(path: str | os.PathLike[str]) -> Model:
    """Load a model from a local directory or from the Hugging Face hub.

    Args:
        path: one of

            - a model directory: ``openvino_model.xml`` and its companions, see `ModelDirectory`;
            - a checkpoint directory: ``config.json``, a tokenizer, and ``model.safetensors`` or else
              ``pytorch_model.bin``, of which nothing is unpickled, or the shards of one of them, which an
              index names; it becomes a float32 graph;
            - a directory with a question-answering model of any family that was exported as OpenVINO IR or
              ONNX, a tokenizer, and, where the graph does not say it all, ``config.json``;
            - if there is no such directory, a hub id, ``organisation/name``, or ``name`` for the hub's first
              models. A folder of the repository is named after it, and a commit, tag, branch or pull request
              after both: ``organisation/name/subfolder@revision``; see `HubModel`.

    Raises:
        FileNotFoundError, NotADirectoryError: the directory or a file of it is missing.
        ValueError: a file is damaged or describes a model that cannot be read; the message names
            the file, what was found and what was expected.
        OSError: a file cannot be read, or the hub cannot be reached.
        ImportError: the path is a hub id and the hub's client is not installed.
    """
    return _load(*find_directory(path))


def _load(directory: Path, repository: str | None) -> Model:
    ready = any((directory / name).exists() for name in (GRAPH, WEIGHTS, CARD))
    try:
        exported = ready or (not has_weights(directory) and find_exported(directory) is not None)
        model = _load_ready(directory) if exported else load_checkpoint(directory)
    except FileNotFoundError as error:
        if repository is None:
            raise
        reason = (
            f"{error.strerror}; the copy of {repository} in the hub's cache is incomplete, or the hub's own"
        )
        raise FileNotFoundError(ENOENT, reason, error.filename) from error
    model = replace(model, repository=repository)
    object.__setattr__(model, "source", directory.absolute())
    return model


def find_directory(path: str | os.PathLike[str]) -> tuple[Path, str | None]:
    """Find the directory of a model: a local one, or a hub model's, downloaded if necessary.

    Returns:
        The directory, and the hub repository, with its subfolder, that it is a snapshot of; None for a local
        one.

    Raises:
        FileNotFoundError, NotADirectoryError, OSError, ImportError: as `load_model`.
    """
    if not os.fspath(path):
        raise FileNotFoundError(ENOENT, "an empty path, expected a directory or a hub id", "")
    directory, repository = Path(path), None
    if not directory.exists():
        hub_model = HubModel.parse(path.as_posix() if isinstance(path, Path) else os.fspath(path))
        directory, repository = hub_model.download(), hub_model.name
    if not directory.is_dir():
        raise NotADirectoryError(ENOTDIR, "not a directory, expected that of a model", str(path))
    return directory, repository


def load_checkpoint(path: Path) -> Model:
    """Build the float32 graph of a checkpoint directory.

    Raises:
        FileNotFoundError, ValueError: as `load_model`; also if the weights are in an unsupported format.
    """
    config, weights = open_checkpoint(path)
    model = config.build(weights)
    weights.finish()
    return built(model, config, path=path, weights=weights.files)


def open_checkpoint(path: Path) -> tuple[Architecture, Weights]:
    """Read the configuration of a checkpoint and open its weights, without reading them yet.

    Raises:
        FileNotFoundError, ValueError: as `load_checkpoint`.
    """
    file = find_weights(path)
    config = read_architecture(path / CONFIG)
    find_tokenizer(path)
    return config, Weights(file, prefix=config.prefix, ignored=config.ignored)


def built(model: ov.Model, config: Architecture, *, path: Path, weights: tuple[Path, ...]) -> Model:
    """Make the `Model` of a checkpoint from its built graph.

    Args:
        model: the graph.
        config: architecture that built it.
        path: directory of the checkpoint.
        weights: weight files.
    """
    return Model(
        model=model,
        tokenizer=find_tokenizer(path),
        max_length=config.max_length,
        vocab_size=config.vocab_size,
        card=None,
        path=path,
        layout=config.layout,
        architecture=config.model_type,
        weights=weights,
    )


def _load_ready(path: Path) -> Model:
    directory = ModelDirectory.read(path)
    graph = directory.graph
    model = read_exported(graph)
    config = read_exported_config(path, directory.tokenizer, model)
    return Model(
        model=adapt_exported(model, graph, first_position=config.layout.first_position),
        tokenizer=directory.tokenizer,
        max_length=config.max_length,
        vocab_size=config.vocab_size,
        card=directory.card,
        path=path,
        layout=config.layout,
        architecture=config.model_type,
        weights=_weights_of(graph),
    )


def _weights_of(graph: Path) -> tuple[Path, ...]:
    """List the files of an exported model's weights; those beside an ONNX file are named after it."""
    if graph.suffix == ".xml":
        return (graph.with_suffix(".bin"),)
    return (graph, *sorted(graph.parent.glob(f"{glob.escape(graph.name)}[._]data*")))
