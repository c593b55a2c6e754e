"""Read the index of sharded weights, and find the shards that it names."""

import os
from errno import ENOENT
from pathlib import Path

from spanjet.model.config_json import read_json

__all__ = ["find_shard", "read_index"]


def read_index(path: Path) -> dict[str, str]:
    """Read the mapping from tensor names to file names.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it has no such mapping, or names a file outside of its directory.
    """
    places = read_json(path).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise ValueError(f'{path}: "weight_map" is missing or empty, expected file names by tensor names')
    for tensor, name in places.items():
        # The index is untrusted data: it must not select other files of this machine.
        if not isinstance(name, str) or name in ("", ".", "..") or set(name) & set("/\\\0"):
            raise ValueError(
                f"{path}: tensor {tensor!r} is said to be in {name!r:.80}, expected the name of a file in "
                "the same directory"
            )
    return places


def find_shard(index: Path, name: str) -> Path:
    """Find a shard by its name; symbolic links may only lead into the hub client's cache.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is a link that leads elsewhere.
    """
    path = index.parent / name
    if not os.path.lexists(path):
        raise FileNotFoundError(ENOENT, f"missing, though {index.name} names it", str(path))
    directory, target = index.parent.resolve(), path.resolve()
    homes = {directory, _blobs(directory)}
    if path.is_symlink() and path.exists() and target.parent not in homes:
        raise ValueError(f"{path}: a link that leads out of the checkpoint, to {target}; copy the file")
    return path


def _blobs(directory: Path) -> Path:
    """Find where the links of a snapshot in the hub client's cache lead; elsewhere, the directory itself.

    A snapshot is a directory of links: ``snapshots/REVISION/SUBFOLDER/FILE`` leads to ``blobs/HASH``.
    """
    for revision in (directory, *directory.parents):
        if revision.parent.name == "snapshots":
            return revision.parent.parent / "blobs"
    return directory
