"""Decode the opcodes of a pickle that a state dict needs."""

import struct
from collections.abc import Iterator
from pickletools import opcodes
from typing import Any

__all__ = ["decode"]

# Opcodes without an argument.
_PLAIN = {
    *("MARK", "STOP", "POP", "APPEND", "APPENDS", "SETITEM", "SETITEMS", "NONE", "NEWTRUE", "NEWFALSE"),
    *("EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
    *("REDUCE", "BUILD", "BINPERSID", "MEMOIZE", "STACK_GLOBAL"),
}
# Opcodes whose argument is one number.
_NUMBERS = {
    name: struct.Struct(form)
    for name, form in {
        "PROTO": "<B",
        "FRAME": "<Q",
        "BININT": "<i",
        "BININT1": "<B",
        "BININT2": "<H",
        "BINFLOAT": ">d",
        "BINPUT": "<B",
        "LONG_BINPUT": "<I",
        "BINGET": "<B",
        "LONG_BINGET": "<I",
    }.items()
}
# Opcodes whose argument has its length before it, in so many bytes.
_COUNTED = {"SHORT_BINUNICODE": 1, "BINUNICODE": 4, "BINUNICODE8": 8, "LONG1": 1}
# The name of a global is two lines.
_GLOBAL = "GLOBAL"
_ADMITTED = {*_PLAIN, *_NUMBERS, *_COUNTED, _GLOBAL}
_NAMES = {ord(opcode.code): opcode.name for opcode in opcodes}
# Whole numbers have at most so many bytes.
_MOST_INTEGER = 8


def decode(content: bytes) -> Iterator[tuple[int, str, Any]]:
    """Decode opcodes one after the other, up to and with ``STOP``; nothing is run.

    Yields:
        Place of the opcode in bytes, its name as in `pickletools`, and its argument, None for none.

    Raises:
        ValueError: an opcode is unknown, truncated or none that a state dict needs, ``STOP`` is missing, or
            something follows it.
    """
    place, name = 0, ""
    while name != "STOP":
        if place == len(content):
            raise ValueError(f"byte {place}: the pickle is truncated, STOP is missing")
        start, code = place, content[place]
        name = _NAMES.get(code, f"0x{code:02x}")
        if name not in _ADMITTED:
            raise ValueError(f"byte {start}: opcode {name}, which is not what a state dict needs")
        try:
            argument, place = _argument(content, name, start + 1)
        except UnicodeDecodeError as error:
            raise ValueError(f"byte {start}: the text of {name} is not UTF-8") from error
        except (struct.error, IndexError) as error:
            raise ValueError(f"byte {start}: {name} is truncated") from error
        yield start, name, argument
    if place != len(content):
        raise ValueError(f"byte {place}: {len(content) - place} bytes follow STOP")


def _argument(content: bytes, name: str, place: int) -> tuple[Any, int]:
    """Decode the argument of an opcode at a place; the second value is the place after it."""
    if name in _NUMBERS:
        number = _NUMBERS[name]
        (value,) = number.unpack_from(content, place)
        place += number.size
        if name == "FRAME" and place + value > len(content):
            raise IndexError
        return value, place
    if name in _COUNTED:
        begin = place + _COUNTED[name]
        length = int.from_bytes(content[place:begin], "little")
        if begin + length > len(content):
            raise IndexError
        raw = content[begin : begin + length]
        if name != "LONG1":
            return raw.decode(), begin + length
        if length > _MOST_INTEGER:
            raise ValueError(
                f"byte {place - 1}: a whole number of {length} bytes, at most {_MOST_INTEGER} are read"
            )
        return int.from_bytes(raw, "little", signed=True), begin + length
    if name == _GLOBAL:
        end = place
        for _ in range(2):
            end = content.find(b"\n", end) + 1
            if end == 0:
                raise IndexError
        module, attribute, _ = content[place:end].split(b"\n")
        return f"{module.decode()} {attribute.decode()}", end
    return None, place
