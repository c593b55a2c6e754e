"""Read the state dicts that torch.save writes, without torch and without unpickling."""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spanjet.model.content import check_content
from spanjet.model.weights.pickle_program import View, interpret
from spanjet.model.weights.tensor_file import ITEM_BYTES, Record, StoredTensor
from spanjet.model.weights.torch_archive import read_archive

__all__ = ["read_torch"]

# Maximum size of a pickle, about a hundred times that of the largest encoders; a larger one is not read.
_MOST_PICKLE = 8 << 20
# Names under which training frameworks keep a state dict beside other things.
_WRAPPERS = ("state_dict", "model_state_dict", "model")
_ZIP = b"PK\x03\x04"
_LEGACY = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
_REMEDY = "load it with torch, and write model.safetensors with save_pretrained of the transformers package"
_OTHERS = (
    (0, _LEGACY, f"torch's format before 1.6, a row of pickles, which is not read; {_REMEDY}"),
    (257, b"ustar", f"a tar archive, torch's first format, which is not read; {_REMEDY}"),
    (8, b'{"', "a safetensors file; give it the name model.safetensors"),
    (0, b"\x1f\x8b", "compressed with gzip, expected a file as torch.save writes it"),
    (0, b"\x80", f"a bare pickle, which is not read; {_REMEDY}"),
)


def read_torch(path: Path) -> dict[str, StoredTensor]:
    """Read the tensors' places from a zip archive that torch.save wrote.

    The archive's pickle is interpreted by `interpret`, which knows what a state dict is made of and nothing
    else, so that no code of the file can run.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is truncated, damaged, in another format, or holds something else than a state
            dict; the message names the file, what was found and where.
    """
    check_content(path, is_zip=True)
    try:
        _check_format(path)
        records = read_archive(path)
        root = _root(records)
        if _read(path, records.get(f"{root}/byteorder"), "byteorder") not in (b"", b"little"):
            raise ValueError("the numbers are not little-endian")
        content = _read(path, records[f"{root}/data.pkl"], "data.pkl")
        try:
            value = interpret(content)
        except ValueError as error:
            raise ValueError(f"data.pkl: {error}") from error
        return dict(_stored(_state_dict(value), records, root))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _check_format(path: Path) -> None:
    """Name other formats by how they begin."""
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith(_ZIP):
        return
    for place, mark, name in _OTHERS:
        if head[place:].startswith(mark):
            raise ValueError(name)
    found = f"it begins with {head[:8]!r}" if head else "the file is empty"
    raise ValueError(f"{found}, expected a zip archive as torch.save writes it")


def _root(records: dict[str, Record]) -> str:
    """Find the archive's only folder, whose name torch takes from the file's."""
    roots = [name.removesuffix("/data.pkl") for name in records if name.endswith("/data.pkl")]
    roots = [root for root in roots if "/" not in root]
    if len(roots) != 1:
        raise ValueError(f"a zip archive with {len(roots)} data.pkl, expected one, as torch.save writes it")
    return roots[0]


def _read(path: Path, record: Record | None, name: str) -> bytes:
    """Read a small file of the archive; empty if there is none."""
    if record is None:
        return b""
    if record.size > _MOST_PICKLE:
        raise ValueError(f"{name} has {record.size} bytes, expected at most {_MOST_PICKLE}")
    with path.open("rb") as file:
        file.seek(record.offset)
        content = file.read(record.size)
    if record.checksum not in (None, zlib.crc32(content)):
        raise ValueError(f"{name} is damaged: its bytes do not have the CRC-32 that the file states")
    return content


def _state_dict(value: Any) -> dict[str, View]:
    """Find the tensors by name in what was pickled: a state dict, or a checkpoint that holds one."""
    if isinstance(value, dict):
        for found in (*(value.get(key) for key in _WRAPPERS), value):
            tensors = _tensors(found)
            if tensors:
                return tensors
    expected = f"a dict of tensors by name, or one that has it as {', '.join(map(repr, _WRAPPERS))}"
    raise ValueError(f"data.pkl: no state dict, expected {expected}")


def _tensors(value: Any) -> dict[str, View]:
    """Return the tensors of a dict by name; a state dict may have other values beside them."""
    if not isinstance(value, dict):
        return {}
    return {name: view for name, view in value.items() if isinstance(name, str) and isinstance(view, View)}


def _stored(
    tensors: dict[str, View], records: dict[str, Record], root: str
) -> Iterator[tuple[str, StoredTensor]]:
    """Place tensors in the file, in which they must lie."""
    for name, view in tensors.items():
        storage, width = view.storage, ITEM_BYTES[view.storage.dtype]
        where, place = f"tensor {name!r:.200}", f"data/{storage.key}"
        record = records.get(f"{root}/{place}")
        if record is None:
            raise ValueError(f"{where} is in {place!r:.90}, which the archive lacks")
        if storage.count * width != record.size:
            raise ValueError(
                f"{where} is in {place!r:.90} of {record.size} bytes, which is said to have "
                f"{storage.count} values of {width}"
            )
        numbers = (view.offset, *view.shape, *view.strides)
        if len(view.shape) != len(view.strides) or any(number < 0 for number in numbers):
            raise ValueError(f"{where} has a negative size or stride, or not one of each for an axis")
        last = view.offset + sum((n - 1) * step for n, step in zip(view.shape, view.strides, strict=True))
        is_empty = 0 in view.shape
        if not is_empty and last >= storage.count:
            raise ValueError(f"{where} reaches beyond the {storage.count} values of {place!r:.90}")
        contiguous = is_empty or _is_contiguous(view.shape, view.strides)
        offset = record.offset + (0 if is_empty else view.offset * width)
        yield (
            name,
            StoredTensor(storage.dtype, view.shape, offset, None if contiguous else view.strides, record),
        )


def _is_contiguous(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Tell whether values lie in C order without gaps; strides of axes of one value do not count."""
    step = 1
    for size, stride in zip(shape[::-1], strides[::-1], strict=True):
        if size != 1 and stride != step:
            return False
        step *= size
    return True
