"""Write a checkpoint directory whose layers differ in shape."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from spanjet.model.config_json import read_json
from spanjet.model.directory import COMPANIONS, CONFIG
from spanjet.model.graph.encoder import Encoder
from spanjet.model.layer_shape import KEY, describe_shapes
from spanjet.model.weights import SAFETENSORS
from spanjet.storage import staged

__all__ = ["LOADER", "write_checkpoint"]

#: The file that builds the model with torch and transformers.
LOADER = "modeling_spanjet.py"
# Tensors with this prefix do not get the task model's.
_HEAD = "qa_outputs."


def write_checkpoint(
    path: Path,
    architecture: Encoder,
    tensors: Mapping[str, NDArray[np.float32]],
    *,
    source: Path,
    overwrite: bool = False,
) -> None:
    """Write a pruned checkpoint: weights, ``config.json``, tokenizer files and the loader `LOADER`.

    `spanjet.model.load_model` reads the directory; the loader's function ``load`` reads it into torch and
    transformers, for training. ``config.json`` has the shapes of the layers under the key ``"spanjet"``. The
    directory is written atomically.

    Args:
        path: directory to create; missing parents are created.
        architecture: architecture, with the shape of each layer.
        tensors: float32 arrays by name, without the task model's prefix.
        source: the original checkpoint directory.
        overwrite: replace an existing checkpoint directory at ``path``.

    Raises:
        FileExistsError: see `spanjet.storage.check_free`.
        OSError: the directory cannot be written.
    """
    config = {**read_json(source / CONFIG), KEY: describe_shapes(architecture.layer_shapes)}
    # The source may be in half precision, stated under either name.
    config |= {name: "float32" for name in ("dtype", "torch_dtype") if name in config}
    with staged(path, mark=SAFETENSORS, overwrite=overwrite) as stage:
        named = {_full_name(architecture, name): tensor for name, tensor in tensors.items()}
        save_file(named, stage / SAFETENSORS, metadata={"format": "pt"})
        text = json.dumps(config, indent=2, ensure_ascii=False)
        (stage / CONFIG).write_text(f"{text}\n", encoding="utf-8")
        for name in COMPANIONS:
            if name != CONFIG and (source / name).is_file():
                shutil.copyfile(source / name, stage / name)
        shutil.copyfile(Path(__file__).with_name(LOADER), stage / LOADER)


def _full_name(architecture: Encoder, name: str) -> str:
    return name if name.startswith(_HEAD) else f"{architecture.prefix}{name}"
