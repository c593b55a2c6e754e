"""Interpret the pickle of a state dict, of which nothing is ever imported or called."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from spanjet.model.weights.pickle_opcodes import decode

__all__ = ["Storage", "View", "interpret"]

# Maximum number of opcodes, about fifteen times that of the largest encoders; a longer pickle is not read.
_MOST_OPCODES = 1 << 18
# Storages by their names in pickles, with the names that their dtypes have in safetensors.
_STORAGES = {
    "torch DoubleStorage": "F64",
    "torch FloatStorage": "F32",
    "torch HalfStorage": "F16",
    "torch BFloat16Storage": "BF16",
    "torch LongStorage": "I64",
    "torch IntStorage": "I32",
    "torch ShortStorage": "I16",
    "torch CharStorage": "I8",
    "torch ByteStorage": "U8",
    "torch BoolStorage": "BOOL",
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_VALUES = {
    "BININT",
    "BININT1",
    "BININT2",
    "LONG1",
    "BINFLOAT",
    "SHORT_BINUNICODE",
    "BINUNICODE",
    "BINUNICODE8",
}
_PROTOCOLS = range(2, 6)


@dataclass(frozen=True, slots=True)
class Storage:
    """One-dimensional numbers in a file of the archive.

    Attributes:
        dtype: name of the dtype, as safetensors has it.
        key: name of the file in the archive's folder ``data``.
        count: number of values.
    """

    dtype: str
    key: str
    count: int


@dataclass(frozen=True, slots=True)
class View:
    """Tensor over a storage; all numbers are as the pickle has them, and not yet checked against the file.

    Attributes:
        storage: the storage.
        offset: position of the first value in the storage.
        shape: the shape.
        strides: distances between neighbours along each axis, in values.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Global:
    """Name of something in Python, which is a name here and nothing else."""

    name: str


def interpret(content: bytes) -> Any:
    """Interpret a pickle of dicts, lists, tuples, texts, numbers, and tensors, which become `View`.

    Raises:
        ValueError: the pickle is malformed, or has anything else; the message says what and where, but does
            not name the file.
    """
    machine = _Machine()
    for count, (place, opcode, argument) in enumerate(decode(content)):
        if count == _MOST_OPCODES:
            raise ValueError(f"more than {_MOST_OPCODES} opcodes")
        if (count == 0) != (opcode == "PROTO"):
            raise ValueError(f"byte {place}: {opcode}, expected PROTO at the start and only there")
        if opcode == "PROTO" and argument not in _PROTOCOLS:
            raise ValueError(f"pickle protocol {argument}, expected {_PROTOCOLS[0]} to {_PROTOCOLS[-1]}")
        try:
            machine.run(opcode, argument)
        except _FaultError as error:
            raise ValueError(f"byte {place}: {error}") from None
    return machine.result()


class _FaultError(Exception):
    """Say what is wrong with an opcode."""


class _Machine:
    """Stack and memo of a pickle; values are plain Python values, `View`, `Storage` and `_Global`."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._marked: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._steps: dict[str, Callable[[], object]] = {
            "MARK": self._mark,
            "POP": self._pop,
            "TUPLE": lambda: self._push(tuple(self._to_mark())),
            "APPEND": lambda: self._extend([self._pop()]),
            "APPENDS": lambda: self._extend(self._to_mark()),
            "SETITEM": lambda: self._update([self._pop(), self._pop()][::-1]),
            "SETITEMS": lambda: self._update(self._to_mark()),
            "MEMOIZE": lambda: self._remember(len(self._memo)),
            "STACK_GLOBAL": self._name_of_stack,
            "REDUCE": self._reduce,
            "BUILD": self._build,
            "BINPERSID": lambda: self._push(_storage(self._pop())),
            **dict.fromkeys(("PROTO", "FRAME", "STOP"), lambda: None),
        }
        self._pushes: dict[str, Callable[[Any], Any]] = {
            **dict.fromkeys(_VALUES, lambda value: value),
            **dict.fromkeys(("BINGET", "LONG_BINGET"), self._recall),
            "NONE": lambda _: None,
            "NEWTRUE": lambda _: True,
            "NEWFALSE": lambda _: False,
            "EMPTY_DICT": lambda _: {},
            "EMPTY_LIST": lambda _: [],
            "EMPTY_TUPLE": lambda _: (),
            **{name: partial(self._tuple, size) for name, size in _TUPLES.items()},
            "GLOBAL": _global,
        }

    def run(self, opcode: str, argument: Any) -> None:
        """Run one opcode."""
        if opcode in self._pushes:
            self._push(self._pushes[opcode](argument))
        elif opcode in ("BINPUT", "LONG_BINPUT"):
            self._remember(argument)
        else:
            self._steps[opcode]()

    def result(self) -> Any:
        """Return the one value that is left."""
        if self._marked or len(self._stack) != 1:
            raise ValueError("STOP, with more or less than one value on the stack")
        return self._stack[0]

    def _push(self, value: Any) -> None:
        self._stack.append(value)  # a stack that `value` may have set

    def _pop(self) -> Any:
        if not self._stack:
            raise _FaultError("a value is missing on the stack")
        return self._stack.pop()

    def _mark(self) -> None:
        self._marked.append(self._stack)
        self._stack = []

    def _to_mark(self) -> list[Any]:
        if not self._marked:
            raise _FaultError("MARK is missing on the stack")
        values, self._stack = self._stack, self._marked.pop()
        return values

    def _top(self, kind: type, opcode: str) -> Any:
        """Return the value on top of the stack, which must be of a kind."""
        if not self._stack or type(self._stack[-1]) is not kind:
            found = _kind(self._stack[-1]) if self._stack else "nothing"
            raise _FaultError(f"{opcode} on {found}, expected a {kind.__name__}")
        return self._stack[-1]

    def _tuple(self, size: int, _: Any) -> tuple[Any, ...]:
        return tuple([self._pop() for _ in range(size)][::-1])

    def _recall(self, index: int) -> Any:
        if index not in self._memo:
            raise _FaultError(f"memo {index} is used, which was not put")
        return self._memo[index]

    def _remember(self, index: int) -> None:
        if not self._stack:
            raise _FaultError("a value is missing on the stack")
        self._memo[index] = self._stack[-1]

    def _extend(self, values: list[Any]) -> None:
        self._top(list, "APPENDS").extend(values)

    def _update(self, values: list[Any]) -> None:
        _set_items(self._top(dict, "SETITEMS"), values)

    def _name_of_stack(self) -> None:
        name, module = self._pop(), self._pop()
        if type(name) is not str or type(module) is not str:
            raise _FaultError(f"STACK_GLOBAL of {_kind(module)} and {_kind(name)}, expected two texts")
        self._push(_global(f"{module} {name}"))

    def _reduce(self) -> None:
        arguments, function = self._pop(), self._pop()
        if type(function) is not _Global or function.name not in _CALLS:
            raise _FaultError(f"REDUCE of {_kind(function)}, which cannot be called")
        if type(arguments) is not tuple:
            raise _FaultError(f"REDUCE with {_kind(arguments)}, expected a tuple")
        self._push(_CALLS[function.name](arguments))

    def _build(self) -> None:
        """Leave out the attributes of a dict: a state dict has ``_metadata``, the versions of modules."""
        state = self._pop()
        self._top(dict, "BUILD")
        if type(state) is not dict:
            raise _FaultError(f"BUILD with {_kind(state)}, expected a dict")


def _global(name: str) -> _Global:
    if name not in _CALLS and name not in _STORAGES:
        shown = repr(name.replace(" ", ".", 1))
        raise _FaultError(f"it names {shown:.120}, which is not what a state dict needs, so it is not read")
    return _Global(name)


def _set_items(target: dict[Any, Any], values: list[Any]) -> None:
    if len(values) % 2:
        raise _FaultError("a key without a value")
    for key, value in zip(values[::2], values[1::2], strict=True):
        # A tuple of tuples of tuples … can take forever to hash.
        if type(key) not in (str, int):
            raise _FaultError(f"{_kind(key)} as a key, expected a text or a whole number")
        target[key] = value


def _ordered_dict(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    """Make what ``OrderedDict()`` would: items are set afterwards, so that no call copies many of them."""
    if arguments:
        raise _FaultError("an OrderedDict with arguments, expected none")
    return {}


def _storage(identity: Any) -> Storage:
    """Read a persistent id: ``("storage", kind, key, location, count)``."""
    fault = _FaultError("a persistent id that is not that of a storage: its kind, key, location and size")
    if type(identity) is not tuple or len(identity) != 5:
        raise fault
    mark, kind, key, location, count = identity
    known = type(kind) is _Global and kind.name in _STORAGES
    if not (known and all(type(text) is str for text in (mark, key, location))) or mark != "storage":
        raise fault
    if type(count) is not int:
        raise fault
    if count < 0:
        raise _FaultError(f"a storage of {count} values")
    return Storage(_STORAGES[kind.name], key, count)


def _tensor(arguments: tuple[Any, ...]) -> View:
    """Read the arguments of ``_rebuild_tensor_v2``.

    They are a storage, an offset, a shape, strides, ``requires_grad``, hooks, and sometimes metadata.
    """
    fault = _FaultError("a tensor that is not given by a storage, an offset, a shape and strides")
    if not 6 <= len(arguments) <= 7:
        raise fault
    storage, offset, shape, strides, requires_grad, hooks, *metadata = arguments
    if type(storage) is not Storage or type(requires_grad) is not bool:
        raise fault
    if hooks not in ({}, None) or metadata not in ([], [None], [{}]):
        raise _FaultError("a tensor with hooks or metadata, which is not read")
    if type(offset) is not int or not _are_sizes(shape) or not _are_sizes(strides):
        raise fault
    return View(storage, offset, shape, strides)


def _parameter(arguments: tuple[Any, ...]) -> View:
    """Read ``_rebuild_parameter(tensor, requires_grad, backward_hooks)``."""
    if len(arguments) != 3 or type(arguments[0]) is not View or arguments[2] not in ({}, None):
        raise _FaultError("a parameter that is not given by a tensor")
    return arguments[0]


def _are_sizes(values: Any) -> bool:
    return type(values) is tuple and len(values) <= 16 and all(type(value) is int for value in values)


Reduced: TypeAlias = "dict[Any, Any] | View"
_CALLS: dict[str, Callable[[tuple[Any, ...]], Reduced]] = {
    "collections OrderedDict": _ordered_dict,
    "torch._utils _rebuild_tensor_v2": _tensor,
    "torch._utils _rebuild_parameter": _parameter,
}


def _kind(value: Any) -> str:
    """Name the kind of a value, whose content may be huge."""
    if type(value) is _Global:
        return repr(value.name.replace(" ", ".", 1))
    known = {dict: "a dict", list: "a list", tuple: "a tuple", str: "a text", type(None): "None"}
    return known.get(type(value), f"a {type(value).__name__.lower()}")
