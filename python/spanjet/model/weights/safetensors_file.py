"""Read the header of safetensors files."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from spanjet.model.content import check_content
from spanjet.model.weights.tensor_file import StoredTensor

__all__ = ["read_safetensors"]

# Maximum size of a header, about a hundred times that of the largest encoders; a larger one is not read.
_MOST_HEADER = 8 << 20
_GZIP = b"\x1f\x8b"


def read_safetensors(path: Path) -> dict[str, StoredTensor]:
    """Read the tensors' places from the header of a safetensors file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is empty, truncated or corrupt; the message names it.
    """
    check_content(path)
    if path.stat().st_size == 0:
        raise ValueError(f"{path}: the file is empty, expected a safetensors file")
    with path.open("rb") as file:
        head = file.read(8)
        size = int.from_bytes(head, "little")
        if size > _MOST_HEADER:
            found = f"a header of {size} bytes, expected at most {_MOST_HEADER}"
            if head.isascii():
                found = f"it begins with {head.decode()!r}"
            elif head.startswith(_GZIP):
                found = "it is compressed with gzip"
            raise ValueError(f"{path}: not a safetensors file: {found}")
        content = file.read(size)
    try:
        # The package validates the header, the offsets and the file's size, but cannot return BF16 tensors.
        with safe_open(path, framework="np"):
            pass
        header = json.loads(content)
    except (SafetensorError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: truncated or not a safetensors file: {error}") from error
    header.pop("__metadata__", None)
    return {
        name: StoredTensor(entry["dtype"], tuple(entry["shape"]), 8 + size + entry["data_offsets"][0])
        for name, entry in header.items()
    }
