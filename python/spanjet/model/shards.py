"""Find the weights of a checkpoint: one safetensors file, or several and their index."""

from errno import ENOENT
from pathlib import Path

from spanjet.model.config_json import read_json
from spanjet.model.safetensors import TensorFile

__all__ = ["SINGLE", "find_weights", "has_weights", "open_weights"]

SINGLE = "model.safetensors"
INDEX = f"{SINGLE}.index.json"
# Forms in which others keep weights, all of them pickles.
_PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model.pt", "model.pt")
# Forms that hold other frameworks' names.
_FOREIGN = ("tf_model.h5", "flax_model.msgpack", "rust_model.ot")
_REMEDY = f"save them as {SINGLE}, with save_pretrained of the transformers package"


def has_weights(directory: Path) -> bool:
    """Tell whether a directory holds weights in a supported form."""
    return any((directory / name).is_file() for name in (SINGLE, INDEX))


def find_weights(directory: Path) -> Path:
    """Find the weights of a checkpoint: ``model.safetensors``, or else its index.

    Raises:
        FileNotFoundError: there are none.
        ValueError: they are there in a form that is not read; the message says why and what to do.
    """
    for name in (SINGLE, INDEX):
        if (directory / name).is_file():
            return directory / name
    for name in _PICKLES:
        if (directory / name).is_file():
            path = directory / name
            raise ValueError(f"{path}: a pickle can run code when it is read, so it is not; {_REMEDY}")
    for name in _FOREIGN:
        if (directory / name).is_file():
            raise ValueError(f"{directory / name}: weights of another framework are not read; {_REMEDY}")
    raise FileNotFoundError(ENOENT, "missing; the directory holds no checkpoint", str(directory / SINGLE))


def open_weights(path: Path) -> list[TensorFile]:
    """Open the files of what `find_weights` found.

    Raises:
        FileNotFoundError: a file that the index names is missing.
        ValueError: a file is damaged, or the index is malformed, names a file outside of its directory, or
            names a tensor that is not where it says; the message names the file and the tensor.
    """
    if path.name != INDEX:
        return [TensorFile(path)]
    places = _read_index(path)
    files = {name: TensorFile(_shard(path, name)) for name in sorted(set(places.values()))}
    held = {name: set(file.names) for name, file in files.items()}
    for tensor, name in places.items():
        if tensor not in held[name]:
            raise ValueError(f"{files[name].path}: tensor {tensor!r} is missing, which {INDEX} says is here")
    return list(files.values())


def _read_index(path: Path) -> dict[str, str]:
    """Read file names by the names of tensors."""
    places = read_json(path).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise ValueError(f'{path}: "weight_map" is missing or empty, expected file names by tensor names')
    for tensor, name in places.items():
        # The index is data: it must not choose what else is read from this machine.
        if not isinstance(name, str) or name in ("", ".", "..") or set(name) & set("/\\\0"):
            raise ValueError(
                f"{path}: tensor {tensor!r} is said to be in {name!r:.80}, expected the name of a file in "
                "the same directory"
            )
    return places


def _shard(index: Path, name: str) -> Path:
    """Find a shard by its name; a link may lead to the hub client's cache, but nowhere else."""
    path = index.parent / name
    if not path.is_file():
        raise FileNotFoundError(ENOENT, f"missing, though {INDEX} names it", str(path))
    directory, target = index.parent.resolve(), path.resolve()
    # A snapshot in that cache is a directory of links: snapshots/REVISION/FILE -> blobs/HASH.
    homes = {
        directory,
        directory.parent.parent / "blobs" if directory.parent.name == "snapshots" else directory,
    }
    if path.is_symlink() and target.parent not in homes:
        raise ValueError(f"{path}: a link that leads out of the checkpoint, to {target}; copy the file")
    return path
