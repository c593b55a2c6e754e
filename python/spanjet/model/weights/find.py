"""Find the weights of a checkpoint and open them, by the format that their name says."""

import os
from errno import ENOENT
from pathlib import Path

from spanjet.model.content import check_content
from spanjet.model.weights.safetensors_file import read_safetensors
from spanjet.model.weights.shards import find_shard, read_index
from spanjet.model.weights.tensor_file import TensorFile
from spanjet.model.weights.torch_file import read_torch

__all__ = ["FORMS", "SAFETENSORS", "TORCH", "find_weights", "has_weights", "open_weights"]

SAFETENSORS, TORCH = "model.safetensors", "pytorch_model.bin"
_INDEX = ".index.json"
#: Names of weights that are read, the first one first: of each format a single file, or an index of shards.
FORMS = (SAFETENSORS, f"{SAFETENSORS}{_INDEX}", TORCH, f"{TORCH}{_INDEX}")
# Other names of files that torch.save wrote.
_OTHER_TORCH = ("pytorch_model.pt", "pytorch_model.pth", "model.pt", "model.pth", "model.bin")
# Weight files with the names of other frameworks.
_FOREIGN = ("tf_model.h5", "flax_model.msgpack", "rust_model.ot")
_SUFFIXES = (".safetensors", ".gguf", ".bin", ".pt", ".pth", ".ckpt", ".h5", ".tflite", ".pb")


def has_weights(directory: Path) -> bool:
    """Tell whether a directory holds weights in a supported form."""
    return any(os.path.lexists(directory / name) for name in FORMS)


def find_weights(directory: Path) -> Path:
    """Find the weights of a checkpoint, by the first of the names in `FORMS`.

    Raises:
        FileNotFoundError: there are no weights.
        ValueError: the weights are in an unsupported format; the message says why and what to do.
    """
    for name in FORMS:
        if os.path.lexists(directory / name):
            check_content(directory / name, is_zip=name == TORCH)
            return directory / name
    for name in _OTHER_TORCH:
        if (directory / name).is_file():
            raise ValueError(
                f"{directory / name}: weights are not read under this name; expected {SAFETENSORS}, or "
                f"{TORCH}, to which a state dict that torch.save wrote can be renamed"
            )
    for name in _FOREIGN:
        if (directory / name).is_file():
            raise ValueError(
                f"{directory / name}: weights of another framework are not read; save them as {SAFETENSORS}, "
                "with save_pretrained of the transformers package"
            )
    others = sorted(file.name for file in directory.iterdir() if file.suffix in _SUFFIXES)
    found = f", but {', '.join(others[:3])}" if others else ""
    reason = f"missing; the directory holds no checkpoint{found}"
    raise FileNotFoundError(ENOENT, reason, str(directory / SAFETENSORS))


def open_weights(path: Path) -> list[TensorFile]:
    """Open the file or the shards that `find_weights` returned.

    Raises:
        FileNotFoundError: a file that the index names is missing.
        ValueError: a file is damaged, or the index is malformed, names a file outside of its directory, or
            names a tensor that is not where it says; the message names the file and the tensor.
    """
    read = read_torch if path.name.removesuffix(_INDEX) == TORCH else read_safetensors
    if not path.name.endswith(_INDEX):
        return [TensorFile(path, read(path))]
    places = read_index(path)
    shards = {name: find_shard(path, name) for name in sorted(set(places.values()))}
    files = {name: TensorFile(shard, read(shard)) for name, shard in shards.items()}
    held = {name: set(file.names) for name, file in files.items()}
    for tensor, name in places.items():
        if tensor not in held[name]:
            raise ValueError(
                f"{files[name].path}: tensor {tensor!r} is missing, which {path.name} says is here"
            )
    return list(files.values())
