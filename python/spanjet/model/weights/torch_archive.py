"""Read the directory of the zip archives that torch.save writes."""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from spanjet.model.weights.tensor_file import Record

__all__ = ["read_archive"]

# Structures of the format (APPNOTE.TXT, 4.3): fields after the signature.
_END = struct.Struct("<4s4x2H2IH")
_LOCATOR = struct.Struct("<4s4xQ4x")
_END64 = struct.Struct("<4s20x4Q")
_ENTRY = struct.Struct("<4s4x2H4x3I3H8xI")
_LOCAL = struct.Struct("<4s22x2H")
_END_MARK, _LOCATOR_MARK, _END64_MARK = b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06"
_ENTRY_MARK, _LOCAL_MARK = b"PK\x01\x02", b"PK\x03\x04"
_ENCRYPTED = 0x2041  # flags 0, 6 and 13
_SATURATED = 0xFFFFFFFF
_ZIP64 = 1  # kind of an extra field
# Maximum size of a directory, about a hundred times that of the largest encoders; a larger one is not read.
_MOST_DIRECTORY = 8 << 20


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    header: int  # offset of its local header
    size: int
    checksum: int
    stored: bool  # as it is, not compressed


def read_archive(path: Path) -> dict[str, Record]:
    """Read where the files of an archive lie, without reading them.

    Archives are read as torch.save writes them: each file is stored as it is and in the archive once, no two
    of them overlap, and the directory is the end of the file.

    Returns:
        Places of the files by name. A checksum of 0 counts as none: torch writes it where it is told not to
        compute them.

    Raises:
        ValueError: the file is truncated or another kind of archive; the message does not name it.
    """
    with path.open("rb") as file:
        start, entries = _read_directory(file, file.seek(0, os.SEEK_END))
        records: dict[str, Record] = {}
        places: list[tuple[int, int, str]] = []
        if any("/code/" in entry.name or entry.name.endswith("/constants.pkl") for entry in entries):
            raise ValueError("a TorchScript archive, which is a program; expected a state dict")
        for entry in entries:
            if not entry.stored:
                raise ValueError(f"{entry.name!r:.80} is compressed; torch.save stores files as they are")
            if entry.name in records:
                raise ValueError(f"{entry.name!r:.80} is in the archive twice")
            record = _locate(file, entry, start)
            records[entry.name] = record
            places.append((entry.header, record.offset + record.size, entry.name))
    places.sort()
    for (_, end, first), (begin, _, second) in pairwise(places):
        if begin < end:
            raise ValueError(f"{first!r:.80} and {second!r:.80} overlap")
    return records


def _read_directory(file: BinaryIO, size: int) -> tuple[int, list[_Entry]]:
    """Read the directory's offset and its entries."""
    count, length, start, end = _find_directory(file, size)
    if start + length != end:
        raise ValueError("truncated, or data was added before or after the archive")
    if length > _MOST_DIRECTORY:
        raise ValueError(f"a directory of {length} bytes, expected at most {_MOST_DIRECTORY}")
    file.seek(start)
    entries = list(_entries(file.read(length)))
    if len(entries) != count:
        raise ValueError(f"{len(entries)} files in the archive, its end says {count}")
    return start, entries


def _find_directory(file: BinaryIO, size: int) -> tuple[int, int, int, int]:
    """Find the number of files, and the directory's length, offset and end."""
    tail = _read_at(file, max(0, size - _END.size - _LOCATOR.size), size)
    last = tail[-_END.size :]
    if len(last) < _END.size or last[:4] != _END_MARK or _END.unpack(last)[-1] != 0:
        raise ValueError("truncated: it does not end as a zip archive without a comment does")
    _, count, total, length, start, _ = _END.unpack(last)
    if count != total:
        raise ValueError("a part of an archive in several files")
    if tail[: len(_LOCATOR_MARK)] != _LOCATOR_MARK or len(tail) != _END.size + _LOCATOR.size:
        return count, length, start, size - _END.size
    end = _LOCATOR.unpack(tail[: _LOCATOR.size])[1]
    content = _read_at(file, min(end, size), end + _END64.size)
    if len(content) != _END64.size or content[:4] != _END64_MARK:
        raise ValueError("truncated: the end of its directory is not where it should be")
    _, count, total, length, start = _END64.unpack(content)
    if count != total:
        raise ValueError("a part of an archive in several files")
    return count, length, start, end


def _entries(directory: bytes) -> Iterator[_Entry]:
    place = 0
    while place < len(directory):
        fields = directory[place : place + _ENTRY.size]
        if len(fields) != _ENTRY.size or fields[:4] != _ENTRY_MARK:
            raise ValueError(f"byte {place} of its directory is not the entry of a file")
        _, flags, method, checksum, packed, size, *lengths, header = _ENTRY.unpack(fields)
        begin = place + _ENTRY.size
        place = begin + sum(lengths)
        if place > len(directory):
            raise ValueError("its directory is truncated")
        name = directory[begin : begin + lengths[0]].decode(errors="backslashreplace")
        extra = directory[begin + lengths[0] : begin + lengths[0] + lengths[1]]
        size, packed, header = _widened(extra, (size, packed, header), name)
        if flags & _ENCRYPTED:
            raise ValueError(f"{name!r:.80} is encrypted")
        yield _Entry(name, header, size, checksum, method == 0 and packed == size)


def _widened(extra: bytes, values: tuple[int, ...], name: str) -> list[int]:
    """Replace saturated sizes and offsets by those of the zip64 extra field."""
    wide, place = b"", 0
    while place + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, place)
        if kind == _ZIP64:
            wide = extra[place + 4 : place + 4 + length]
        place += 4 + length
    found, place = [], 0
    for value in values:
        if value == _SATURATED:
            if place + 8 > len(wide):
                raise ValueError(f"{name!r:.80} lacks its size or place in the directory")
            (value,) = struct.unpack_from("<Q", wide, place)  # noqa: PLW2901  (the field that it stands for)
            place += 8
        found.append(value)
    return found


def _locate(file: BinaryIO, entry: _Entry, end: int) -> Record:
    """Find the bytes of an entry after its local header."""
    fields = _read_at(file, min(entry.header, end), entry.header + _LOCAL.size)
    if len(fields) != _LOCAL.size or fields[:4] != _LOCAL_MARK:
        raise ValueError(f"{entry.name!r:.80} is not where the directory says")
    _, name, extra = _LOCAL.unpack(fields)
    offset = entry.header + _LOCAL.size + name + extra
    if file.read(name).decode(errors="backslashreplace") != entry.name:
        raise ValueError(f"{entry.name!r:.80} has another name where the directory says it is")
    if offset + entry.size > end:
        raise ValueError(f"{entry.name!r:.80} reaches beyond the end of the files")
    return Record(offset, entry.size, entry.checksum or None)


def _read_at(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(end - start)
