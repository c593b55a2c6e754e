"""Load the model and the tokenizer that the arguments of a pipeline name."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from spanjet.model.directory import BUNDLED_MODEL, find_tokenizer
from spanjet.model.load import Model, find_directory, load_model
from spanjet.reader.reader import Reader

__all__ = ["load", "model_max_length"]


def load(model: Any, tokenizer: Any, revision: str | None) -> Model:
    """Load a model with its own or another tokenizer.

    Args:
        model: directory, hub id, loaded model, or reader of one; None: the bundled model.
        tokenizer: directory, file or hub id of a tokenizer, or an object with such a ``name_or_path``; None:
            the model's.
        revision: commit, tag or branch of a hub id.

    Raises:
        TypeError: the model or tokenizer is of another type.
        OSError, ValueError: as `load_model`.
    """
    loaded = _load_model(model, revision)
    file = loaded.tokenizer if tokenizer is None else _tokenizer_file(tokenizer)
    return loaded if file == loaded.tokenizer else replace(loaded, tokenizer=file)


def model_max_length(tokenizer: Path) -> int | None:
    """Return the limit of tokens that a tokenizer's settings give, as transformers reads it; None: none."""
    settings = tokenizer.with_name("tokenizer_config.json")
    try:
        value = json.loads(settings.read_text(encoding="utf-8")).get("model_max_length")
    except (OSError, ValueError, AttributeError):
        return None
    return int(value) if isinstance(value, int | float) and 0 < value < 1e9 else None


def _load_model(model: Any, revision: str | None) -> Model:
    if model is None:
        return load_model(BUNDLED_MODEL)
    if isinstance(model, Reader):
        return model.model
    if isinstance(model, Model):
        return model
    if not isinstance(model, str | os.PathLike):
        kind = f"{type(model).__module__}.{type(model).__name__}"
        raise TypeError(
            f"model: expected a directory, a hub id or a model of spanjet, found {kind}; give the directory "
            "that it was loaded from, or write it with save_pretrained"
        )
    is_hub_id = revision is not None and not Path(model).is_dir()
    return load_model(f"{model}@{revision}" if is_hub_id else model)


def _tokenizer_file(tokenizer: Any) -> Path:
    # A tokenizer of transformers says where it was loaded from.
    place = getattr(tokenizer, "name_or_path", tokenizer)
    if not isinstance(place, str | os.PathLike):
        kind = type(tokenizer).__name__
        raise TypeError(f"tokenizer: expected a directory, a file or a hub id, found {kind}")
    return Path(place) if Path(place).is_file() else find_tokenizer(find_directory(place)[0])
