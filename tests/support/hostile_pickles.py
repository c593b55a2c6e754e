"""Pickles that a state dict is not: programs, lies about sizes, tangles, and damaged ones."""

import pickle as op
import struct
from collections.abc import Iterator
from typing import Any

from torch_files import (
    ORDERED_DICT,
    REBUILD_PARAMETER,
    REBUILD_TENSOR,
    Built,
    Call,
    Name,
    Persistent,
    pickled,
    storage,
    tensor,
)
from torch_files import emitted as put

COUNT = 6
STORAGE = storage("FloatStorage", "0", COUNT)
GOOD = {"x": tensor(STORAGE, (2, 3), (3, 1))}
SYSTEM, EVAL = Name("posix", "system"), Name("builtins", "eval")
TEXT = "open('/tmp/spanjet-was-here', 'w')"


def program(*parts: bytes, protocol: int = 2) -> bytes:
    return op.PROTO + bytes([protocol]) + b"".join(parts) + op.STOP


def text(content: str) -> bytes:
    return op.BINUNICODE + struct.pack("<I", len(content)) + content.encode()


# Names that torch's own files, and attacks, are known to have.
NAMES = [
    Name(*name.rsplit(".", 1))
    for name in (
        "posix.system",
        "os.system",
        "nt.system",
        "subprocess.Popen",
        "builtins.eval",
        "builtins.exec",
        "builtins.getattr",
        "builtins.__import__",
        "__builtin__.eval",
        "operator.attrgetter",
        "functools.partial",
        "importlib.import_module",
        "runpy._run_code",
        "pickle.loads",
        "webbrowser.open",
        "collections.OrderedDict.fromkeys",
        "torch.load",
        "torch.hub.load",
        "torch.Size",
        "torch.FloatTensor",
        "torch.jit.load",
        "torch.storage._load_from_bytes",
        "torch.serialization.load",
        "torch._utils._rebuild_tensor",
        "torch._utils._rebuild_tensor_v3",
        "torch._utils._rebuild_sparse_tensor",
        "torch._utils._rebuild_qtensor",
        "torch._utils._rebuild_device_tensor_from_numpy",
        "torch._utils._rebuild_meta_tensor_no_storage",
        "torch._utils._rebuild_wrapper_subclass",
        "torch._utils._rebuild_parameter_with_state",
        "torch._tensor._rebuild_from_type_v2",
        "numpy.core.multiarray._reconstruct",
        "_codecs.encode",
        "transformers.training_args.TrainingArguments",
    )
]


def called() -> Iterator[tuple[str, bytes]]:
    """Functions that would be called, in all the ways that pickles have."""
    for function in NAMES:
        yield f"reduce of {'.'.join(function)}", pickled({"x": Call(function, (TEXT,))})
    yield "a name alone", pickled({"x": SYSTEM})
    yield "set as state", pickled({"x": Built(Call(Name("site", "Quitter"), ()), {"__setstate__": EVAL})})
    yield "state of a name", program(put(ORDERED_DICT), put({"a": 1}), op.BUILD)
    yield "state of a text", program(text("a"), put({"a": 1}), op.BUILD)
    yield "state that is a tuple", pickled(Built(GOOD, (None, {"update": 1})))
    yield "state that calls", pickled(Built(GOOD, Call(EVAL, (TEXT,))))
    yield "INST", program(b"(", text(TEXT), b"iposix\nsystem\n")
    yield "OBJ", program(b"(", put(ORDERED_DICT), text(TEXT), b"o")
    yield "NEWOBJ", program(put(ORDERED_DICT), put(()), op.NEWOBJ)
    yield "NEWOBJ_EX", program(put(ORDERED_DICT), put(()), put({}), op.NEWOBJ_EX, protocol=4)
    for code in (b"\x82\x01", b"\x83\x01\x00", b"\x84\x01\x00\x00\x00"):
        yield f"EXT{1 << code[0] - 0x82}", program(code)
    for module, name in (
        ("posix", "system"),
        ("torch", "serialization.os.system"),
        ("", "eval"),
        ("a b", "c"),
    ):
        yield f"STACK_GLOBAL {module} {name}", program(text(module), text(name), op.STACK_GLOBAL, protocol=4)
    yield "STACK_GLOBAL of numbers", program(put(1), put(2), op.STACK_GLOBAL, protocol=4)
    yield "STACK_GLOBAL of nothing", program(op.STACK_GLOBAL, protocol=4)
    yield "a name with a carriage return", program(b"ccollections\r\nOrderedDict\r\n")
    yield "a name of three lines", program(b"ccollections\n\nOrderedDict\n")
    yield "a name that is not UTF-8", program(b"ccollec\xfftions\nOrderedDict\n")
    yield "a storage that is called", pickled({"x": Call(Name("torch", "FloatStorage"), (5,))})
    yield "a text that is called", program(text("eval"), put((TEXT,)), op.REDUCE)
    yield "a call with a list", program(put(ORDERED_DICT), put([]), op.REDUCE)
    yield "a pickle in a text", pickled({"x": Call(Name("pickle", "loads"), (repr(pickled(SYSTEM)),))})
    yield "hooks", pickled({"x": Call(REBUILD_TENSOR, (STORAGE, 0, (2, 3), (3, 1), False, {"a": 1}))})
    yield "hooks that are a list", pickled({"x": Call(REBUILD_TENSOR, (STORAGE, 0, (2,), (1,), False, [1]))})
    yield "hooks of a parameter", pickled({"x": Call(REBUILD_PARAMETER, (GOOD["x"], True, {"a": 1}))})
    yield "metadata", pickled({"x": Call(REBUILD_TENSOR, (STORAGE, 0, (2,), (1,), False, {}, {"a": 1}))})


def sized() -> Iterator[tuple[str, bytes]]:
    """Sizes that are not there."""
    huge = (b"\xff" * 7) + b"\x7f"
    for name, code in {
        "BINUNICODE": op.BINUNICODE + b"\xff" * 4,
        "BINUNICODE8": op.BINUNICODE8 + huge,
        "SHORT_BINUNICODE": op.SHORT_BINUNICODE + b"\xff",
        "BINBYTES8": op.BINBYTES8 + huge,
        "BYTEARRAY8": op.BYTEARRAY8 + huge,
        "BINSTRING": op.BINSTRING + b"\xff\xff\xff\x7f",
        "LONG4": op.LONG4 + b"\xff\xff\xff\x7f",
        "LONG4 below zero": op.LONG4 + b"\xff\xff\xff\xff",
        "LONG1 of 255 bytes": op.LONG1 + b"\xff" * 256,
        "FRAME": op.FRAME + huge,
        "LONG as text": b"L" + b"9" * 100_000 + b"L\n",
    }.items():
        yield name, program(code, protocol=5)
    for count in (COUNT + 1, COUNT - 1, 0, -1, -COUNT, 2**31, 2**62, -(2**62)):
        yield f"a storage of {count}", pickled({"x": tensor(storage("FloatStorage", "0", count), (0,), (1,))})
    yield (
        "a storage of another dtype",
        pickled({"x": tensor(storage("DoubleStorage", "0", COUNT), (1,), (1,))}),
    )
    for key in ("1", "../data.pkl", "0/", "", "/etc/passwd", "0\0"):
        yield f"a storage {key!r}", pickled({"x": tensor(storage("FloatStorage", key, COUNT), (1,), (1,))})
    forms: list[tuple[Any, Any, int]] = [
        ((7,), (1,), 0),
        ((2, 3), (3, 1), 1),
        ((2, 3), (3, 1), -1),
        ((2, 3), (4, 1), 0),
        ((2, 3), (-3, 1), 3),
        ((2, 3), (2**62, 1), 0),
        ((2**62, 2**62), (0, 1), 0),
        ((2**62,), (2**62,), 0),
        ((-2, -3), (3, 1), 0),
        ((-6,), (1,), 0),
        ((2, 3), (3,), 0),
        ((6,), (1, 1), 0),
        ((6,), (1,), 2**62),
        ((1,) * 17, (1,) * 17, 0),
        ([6], (1,), 0),
        ((6.0,), (1,), 0),
        (("6",), (1,), 0),
        ((True,), (1,), 0),
        (6, 1, 0),
        (None, None, 0),
    ]
    for shape, strides, offset in forms:
        yield (
            f"shape {shape}, strides {strides}, offset {offset}",
            pickled({"x": tensor(STORAGE, shape, strides, offset)}),
        )


def identified() -> Iterator[tuple[str, bytes]]:
    """Persistent ids that are not those of storages, and tensors of something else."""
    kind = Name("torch", "FloatStorage")
    identities: list[Any] = [
        0,
        "storage",
        None,
        (),
        ("storage",),
        ("storage", kind, "0", "cpu"),
        ("storage", kind, "0", "cpu", 6, None),
        ("module", kind, "0", "cpu", 6),
        ("storage", ORDERED_DICT, "0", "cpu", 6),
        ("storage", "FloatStorage", "0", "cpu", 6),
        ("storage", kind, 0, "cpu", 6),
        ("storage", kind, "0", None, 6),
        ("storage", kind, "0", "cpu", "6"),
        ("storage", kind, "0", "cpu", 6.0),
        ("storage", kind, "0", "cpu", True),
    ]
    for identity in identities:
        yield f"persistent id {identity}", pickled({"x": tensor(Persistent(identity), (2, 3), (3, 1))})
    yield "a persistent id as text", program(b"Pstorage\n")
    places: tuple[Any, ...] = ("0", None, kind, (), {}, GOOD["x"])
    for place in places:
        yield f"a tensor over {type(place).__name__}", pickled({"x": tensor(place, (2, 3), (3, 1))})
    yield "a tensor of no arguments", pickled({"x": Call(REBUILD_TENSOR, ())})
    yield "a parameter of a text", pickled({"x": Call(REBUILD_PARAMETER, ("x", True, {}))})
    yield "a parameter of no arguments", pickled({"x": Call(REBUILD_PARAMETER, ())})
    lists: tuple[Any, ...] = (
        (1,),
        ("ab",),
        ([1],),
        ([("a",)],),
        ([("a", 1, 2)],),
        ([[("a",), 1]],),
        ([], []),
        ({},),
        ([("a", 1)],),
    )
    for arguments in lists:
        yield f"an OrderedDict of {arguments}", pickled({"x": Call(ORDERED_DICT, arguments)})


def tangled() -> Iterator[tuple[str, bytes]]:
    """Memos, marks and stacks that do not work out, and structures that grow without end."""
    laughs = put(("ha",)) + b"".join(op.BINPUT + b"\0" + op.BINGET + b"\0" + op.TUPLE2 for _ in range(200))
    yield "a memo that was not put", program(op.BINGET + b"\7")
    yield "a memo that was not put, long", program(op.LONG_BINGET + b"\xff" * 4)
    yield "a memo of nothing", program(op.LONG_BINPUT + b"\xff" * 4)
    yield "MEMOIZE of nothing", program(op.MEMOIZE, protocol=4)
    yield "a huge memo", program(put(1), op.LONG_BINPUT + b"\xff" * 4)
    yield "GET as text", program(put(1), op.BINPUT + b"\0", b"g0\n")
    yield "PUT as text", program(put(1), b"p99999999999999999999\n")
    yield "a tuple of tuples of tuples", program(laughs)
    yield "the same as a key", program(op.EMPTY_DICT, laughs, put(1), op.SETITEM)
    yield "the same as arguments", program(put(ORDERED_DICT), laughs, op.TUPLE1, op.REDUCE)
    yield "a list in itself", program(op.EMPTY_LIST, op.BINPUT, b"\0", op.BINGET, b"\0", op.APPEND)
    own = (op.EMPTY_DICT, op.BINPUT, b"\0", text("state_dict"), op.BINGET, b"\0", op.SETITEM)
    yield "a dict in itself", program(*own)
    many = op.EMPTY_LIST + op.MARK + (put(("a", 1)) * 20_000) + op.APPENDS + op.TUPLE1 + op.BINPUT + b"\0"
    yield "copies of copies", program(many, (put(ORDERED_DICT) + op.BINGET + b"\0" + op.REDUCE) * 20_000)
    yield "a list of lists", program(op.EMPTY_LIST * 100_000, op.APPEND * 99_999)
    yield "marks", program(op.MARK * 100_000)
    yield "more opcodes than any model has", program((op.NONE + op.POP) * (1 << 17), op.NONE)
    yield "the top of nothing", program(op.POP)
    yield "two values", program(put(1), put(2))
    yield "no value", program()
    yield "a mark that is left", program(put(GOOD), op.MARK)
    yield "TUPLE without a mark", program(op.TUPLE)
    yield "TUPLE2 of one", program(put(1), op.TUPLE2)
    yield "APPEND to a dict", program(put({}), put(1), op.APPEND)
    yield "SETITEM of a list", program(put([]), put(1), put(2), op.SETITEM)
    yield "SETITEMS of nothing", program(op.MARK, put(1), put(2), op.SETITEMS)
    yield "a key without a value", program(op.EMPTY_DICT, op.MARK, put(1), op.SETITEMS)
    keys: tuple[Any, ...] = (None, 1.5, (), ("a",), [], {}, ORDERED_DICT, STORAGE)
    for key in keys:
        yield f"the key {key}", program(op.EMPTY_DICT, put(key), put(1), op.SETITEM)
    yield "a set", program(op.EMPTY_SET, protocol=4)
    yield "a frozen set", program(op.MARK, op.FROZENSET, protocol=4)
    yield "a buffer", program(op.NEXT_BUFFER, protocol=5)
    yield "POP_MARK", program(put(GOOD), op.MARK, op.POP_MARK)
    yield "DUP", program(put(GOOD), op.DUP, op.POP)


def damaged() -> Iterator[tuple[str, bytes]]:
    """Pickles that begin or end otherwise."""
    good = pickled(GOOD)
    yield "nothing", b""
    yield "no STOP", good[:-1]
    yield "two STOPs", good + op.STOP
    yield "another pickle behind it", good + pickled(SYSTEM)
    yield "no PROTO", good[2:]
    for version in (0, 1, 6, 255):
        yield f"protocol {version}", op.PROTO + bytes([version]) + good[2:]
    yield "PROTO twice", good[:2] + good
    yield "text of protocol 0", b"(dp0\nS'x'\np1\nI1\ns."
    yield "text that is not UTF-8", program(op.BINUNICODE + b"\2\0\0\0\xff\xfe")
    yield "a surrogate", program(op.BINUNICODE + b"\3\0\0\0\xed\xa0\x80")
    yield "an unknown opcode", program(b"\xff")
    yield "a number as the state dict", pickled(5)
    yield "a list of tensors", pickled([GOOD["x"]])
    yield "a tensor alone", pickled(GOOD["x"])
    yield "no tensors", pickled({"x": 1, "state_dict": {"y": "z"}})
    yield "tensors by numbers", pickled({1: GOOD["x"]})
    yield "tensors too deep", pickled({"state_dict": {"model": {"net": GOOD}}})
    for place in range(len(good)):
        yield f"truncated at {place}", good[:place]


CORPUS = {group.__name__: list(group()) for group in (called, sized, identified, tangled, damaged)}
