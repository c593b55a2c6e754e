"""Torch's zip archives without torch: pickles of any content, right or wrong, and archives around them."""

import json
import pickle as opcodes
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

TORCH, TORCH_INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
STORAGES = {"<f4": "FloatStorage", "<f2": "HalfStorage", "<u2": "BFloat16Storage", "<i8": "LongStorage"}


class Name(NamedTuple):
    """Something in Python, by its name."""

    module: str
    name: str


class Call(NamedTuple):
    """What a function gives for its arguments."""

    function: Name
    arguments: Any


class Persistent(NamedTuple):
    """An object that is kept beside the pickle."""

    identity: Any


class Built(NamedTuple):
    """An object whose state is set."""

    value: Any
    state: Any


ORDERED_DICT = Name("collections", "OrderedDict")
REBUILD_TENSOR = Name("torch._utils", "_rebuild_tensor_v2")
REBUILD_PARAMETER = Name("torch._utils", "_rebuild_parameter")


def pickled(value: Any) -> bytes:
    """A pickle of protocol 2 with the opcodes of Python's own."""
    return opcodes.PROTO + b"\2" + emitted(value) + opcodes.STOP


def emitted(value: Any) -> bytes:  # noqa: PLR0911  (a return a kind)
    match value:
        case None | True | False:
            return {None: opcodes.NONE, True: opcodes.NEWTRUE, False: opcodes.NEWFALSE}[value]
        case Name(module, name):
            return opcodes.GLOBAL + f"{module}\n{name}\n".encode()
        case Call(function, arguments):
            return emitted(function) + emitted(arguments) + opcodes.REDUCE
        case Persistent(identity):
            return emitted(identity) + opcodes.BINPERSID
        case Built(built, state):
            return emitted(built) + emitted(state) + opcodes.BUILD
        case int():
            content = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            return opcodes.LONG1 + bytes([len(content)]) + content
        case float():
            return opcodes.BINFLOAT + struct.pack(">d", value)
        case str():
            return opcodes.BINUNICODE + struct.pack("<I", len(value.encode())) + value.encode()
        case tuple():
            return opcodes.MARK + b"".join(map(emitted, value)) + opcodes.TUPLE
        case list():
            return opcodes.EMPTY_LIST + opcodes.MARK + b"".join(map(emitted, value)) + opcodes.APPENDS
        case dict():
            items = b"".join(emitted(key) + emitted(item) for key, item in value.items())
            return opcodes.EMPTY_DICT + opcodes.MARK + items + opcodes.SETITEMS
    raise TypeError(type(value))


def storage(kind: str, key: str, count: int) -> Persistent:
    return Persistent(("storage", Name("torch", kind), key, "cpu", count))


def tensor(place: Any, shape: Any, strides: Any, offset: int = 0) -> Call:
    hooks = Call(ORDERED_DICT, ())
    return Call(REBUILD_TENSOR, (place, offset, shape, strides, False, hooks))


def write_archive(
    path: Path,
    pickle: bytes,
    storages: Mapping[str, bytes | memoryview],
    *,
    root: str = "archive",
    others: Mapping[str, bytes] | None = None,
    compression: int = zipfile.ZIP_STORED,
) -> None:
    """An archive whose storages are aligned to 64 bytes, as torch aligns them."""
    data = {f"data/{key}": content for key, content in storages.items()}
    files = {"data.pkl": pickle, "byteorder": b"little", **data, "version": b"3\n", **(others or {})}
    with path.open("wb") as stream, zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(f"{root}/{name}")
            entry.compress_type = compression
            begin = stream.tell() + 30 + len(entry.filename) + 4
            padding = -begin % 64
            entry.extra = struct.pack("<2H", 0x4246, padding) + b"Z" * padding
            archive.writestr(entry, content)


def write_torch(path: Path, tensors: Mapping[str, NDArray[Any]], *, wrapper: str | None = None) -> None:
    """A state dict as torch.save writes it; bfloat16 are the bits in uint16.

    Args:
        path: the file.
        tensors: the tensors by name; those that share memory share a storage.
        wrapper: name under which it is in a checkpoint with other things.
    """
    storages: dict[str, bytes | memoryview] = {}
    keys: dict[int, str] = {}
    state: dict[str, Any] = {}
    for name, values in tensors.items():
        whole = values
        while isinstance(whole.base, np.ndarray):
            whole = whole.base
        key = keys.setdefault(id(whole), str(len(keys)))
        storages[key] = whole.reshape(-1).view(np.uint8).data
        width = values.itemsize
        offset = (values.__array_interface__["data"][0] - whole.__array_interface__["data"][0]) // width
        place = storage(STORAGES[values.dtype.str], key, whole.size)
        steps = tuple(step // width for step in values.strides)
        state[name] = tensor(place, values.shape, steps, offset)
    content: Any = Built(state, {"_metadata": {"": {"version": 1}}})
    if wrapper is not None:
        content = {"epoch": 3, "loss": 0.5, "best": None, "betas": [0.9, 0.999], wrapper: content}
    write_archive(path, pickled(content), storages)


def to_torch(checkpoint: Path, dtype: str = "F32") -> Path:
    """Turn the weights of a checkpoint from safetensors into a torch file, which is returned."""
    tensors = load_file(checkpoint / "model.safetensors")
    (checkpoint / "model.safetensors").unlink()
    if dtype == "F16":
        tensors = {name: values.astype("<f2") for name, values in tensors.items()}
    elif dtype == "BF16":
        tensors = {name: (values.view("<u4") >> 16).astype("<u2") for name, values in tensors.items()}
    write_torch(checkpoint / TORCH, tensors)
    return checkpoint / TORCH


def split(checkpoint: Path, count: int = 3) -> Path:
    """Turn the weights of a checkpoint into several torch files and an index, which is returned."""
    tensors = load_file(checkpoint / "model.safetensors")
    (checkpoint / "model.safetensors").unlink()
    names = sorted(tensors)
    places: dict[str, str] = {}
    for part in range(count):
        file = f"pytorch_model-{part + 1:05}-of-{count:05}.bin"
        places |= dict.fromkeys(names[part::count], file)
        write_torch(checkpoint / file, {name: tensors[name] for name in names[part::count]})
    (checkpoint / TORCH_INDEX).write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return checkpoint / TORCH_INDEX
