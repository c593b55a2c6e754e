"""One door to every kind of model: a model directory, or a Hugging Face checkpoint."""

import os
from dataclasses import dataclass
from errno import ENOENT, ENOTDIR
from pathlib import Path
from typing import Any

import openvino as ov

from spanjet.checkpoint.bert import build_bert
from spanjet.checkpoint.config import BertConfig
from spanjet.checkpoint.directory import CARD, CONFIG, GRAPH, WEIGHTS, ModelDirectory, find_tokenizer

__all__ = ["CHECKPOINT_WEIGHTS", "LoadedModel", "load_checkpoint", "load_model"]

CHECKPOINT_WEIGHTS = "model.safetensors"


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A question-answering model and what is needed to feed it.

    Attributes:
        model: inputs ``input_ids``, ``attention_mask``, ``token_type_ids``, int32[batch, length];
            outputs ``start_logits``, ``end_logits``, float32[batch, length].
        tokenizer: file of the tokenizer.
        max_length: tokens of a sequence at most; the model fails on a longer one.
        vocab_size: rows of the embedding table; a greater token id has no row, and the model does
            not notice.
        card: where the model comes from and what it is worth; None for a checkpoint.
        path: the directory.
    """

    model: ov.Model
    tokenizer: Path
    max_length: int
    vocab_size: int
    card: dict[str, Any] | None
    path: Path


def load_model(path: str | os.PathLike[str]) -> LoadedModel:
    """Load a model from a local directory.

    Args:
        path: a model directory (``openvino_model.xml`` and its companions, see `ModelDirectory`) or
            a checkpoint directory (``config.json``, ``model.safetensors`` and a tokenizer), which
            becomes a float32 graph.

    Raises:
        FileNotFoundError, NotADirectoryError: the directory or a file of it is missing.
        ValueError: a file is damaged or describes a model that cannot be read; the message names
            the file, what was found and what was expected.
    """
    path = Path(path)
    if not path.is_dir():
        number, reason = (ENOTDIR, "not a directory") if path.exists() else (ENOENT, "no such directory")
        raise OSError(number, reason, str(path))
    if any((path / name).exists() for name in (GRAPH, WEIGHTS, CARD)):
        directory = ModelDirectory.read(path)
        return _loaded(path, directory.load(), directory.config, directory.tokenizer, directory.card)
    return load_checkpoint(path)


def load_checkpoint(path: Path) -> LoadedModel:
    """Build the float32 graph of a checkpoint directory.

    Raises:
        FileNotFoundError, ValueError: as `load_model`; also when the weights are there in another form
            than ``model.safetensors``.
    """
    _check_checkpoint(path)
    config = BertConfig.read(path / CONFIG)
    tokenizer = find_tokenizer(path)
    return _loaded(path, build_bert(config, path / CHECKPOINT_WEIGHTS), config, tokenizer, None)


def _loaded(
    path: Path, model: ov.Model, config: BertConfig, tokenizer: Path, card: dict[str, Any] | None
) -> LoadedModel:
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        max_length=config.max_position_embeddings,
        vocab_size=config.vocab_size,
        card=card,
        path=path,
    )


def _check_checkpoint(path: Path) -> None:
    """Check that the files of a checkpoint are there."""
    weights = path / CHECKPOINT_WEIGHTS
    for file, missing in (
        (weights, f"missing; the directory holds neither a model ({GRAPH}) nor a checkpoint"),
        (path / CONFIG, "missing from the checkpoint"),
    ):
        if file.is_file():
            continue
        if file == weights:
            _refuse_other_weights(path)
        raise FileNotFoundError(ENOENT, missing, str(file))


def _refuse_other_weights(path: Path) -> None:
    """Say why weights in another form are not read, if that is what the directory holds."""
    pickled, split = path / "pytorch_model.bin", path / f"{CHECKPOINT_WEIGHTS}.index.json"
    remedy = f"save them as one {CHECKPOINT_WEIGHTS}, with save_pretrained of the transformers package"
    if split.is_file():
        raise ValueError(f"{split}: weights split into several files are not read; {remedy}")
    if pickled.is_file():
        raise ValueError(f"{pickled}: a pickle can run code when it is read, so it is not; {remedy}")
