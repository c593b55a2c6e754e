"""What crosses from Rust to Python: memory without copies, types, lone surrogates."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import peer
import pytest
import spanjet
from numpy.typing import NDArray
from spanjet import Batch, Encoding, Encodings, Spans, Tokenizer, Windows, decode_spans, sentence

Array = NDArray[Any]
TEXT = "Zürich and 東京 are cities; the 😀 is none. " * 50

VIEWS: dict[type, tuple[str, ...]] = {
    Encoding: ("ids", "offsets", "byte_offsets"),
    Encodings: ("ids", "offsets", "byte_offsets", "indptr"),
    Windows: ("ids", "indptr", "question", "context_start", "context_offset", "question_length"),
}
OWN: dict[type, tuple[str, ...]] = {
    Batch: ("input_ids", "attention_mask", "token_type_ids"),
    Spans: (
        *("indptr", "start", "end", "byte_start", "byte_end"),
        *("score", "logit", "null_logit", "window", "no_answer"),
    ),
}
WIDE = {"indptr"}
FLOATS = {"score", "logit", "null_logit", "no_answer"}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(peer.CASED)


def make(kind: type, tokenizer: Tokenizer) -> Any:
    windows = tokenizer.windows(["What is it?"] * 2, [TEXT, TEXT])
    logits = np.linspace(0, 1, len(windows.ids), dtype=np.float32)
    makers: dict[type, Callable[[], Any]] = {
        Tokenizer: lambda: tokenizer,
        Encoding: lambda: tokenizer.encode(TEXT),
        Encodings: lambda: tokenizer.encode_batch([TEXT, TEXT]),
        Windows: lambda: windows,
        Batch: lambda: windows.batch(np.arange(len(windows))),
        Spans: lambda: decode_spans(windows, logits, logits, top_k=20),
    }
    return makers[kind]()


def fields(table: dict[type, tuple[str, ...]]) -> list[Any]:
    return [
        pytest.param(kind, name, id=f"{kind.__name__}.{name}")
        for kind, names in table.items()
        for name in names
    ]


def address(array: Array) -> int:
    place: int = array.__array_interface__["data"][0]
    return place


@pytest.mark.parametrize(("kind", "name"), fields(VIEWS | OWN))
def test_dtype_and_layout(tokenizer: Tokenizer, kind: type, name: str) -> None:
    array = getattr(make(kind, tokenizer), name)
    expected = np.int64 if name in WIDE else np.float32 if name in FLOATS else np.int32
    assert array.dtype == expected
    assert array.flags.c_contiguous
    assert array.flags.aligned


@pytest.mark.parametrize(("kind", "name"), fields(VIEWS))
def test_views_are_not_copies(tokenizer: Tokenizer, kind: type, name: str) -> None:
    owner = make(kind, tokenizer)
    one, other = getattr(owner, name), getattr(owner, name)
    assert address(one) == address(other)
    assert not one.flags.owndata
    assert isinstance(one.base, kind)


def test_item_of_encodings_is_a_view(tokenizer: Tokenizer) -> None:
    many = tokenizer.encode_batch([TEXT, TEXT])
    assert address(many[1].ids) == address(many.ids) + int(many.indptr[1]) * 4
    assert address(many[1].offsets) == address(many.offsets) + int(many.indptr[1]) * 8


def test_context_of_windows_is_a_view(tokenizer: Tokenizer) -> None:
    encoding = tokenizer.encode(TEXT)
    windows = tokenizer.windows(["What?"], [encoding])
    assert address(windows.contexts[0].ids) == address(encoding.ids)
    repeated = tokenizer.windows(["What?"] * 2, [TEXT, "".join([TEXT])])
    assert address(repeated.contexts[0].ids) == address(repeated.contexts[1].ids)


@pytest.mark.parametrize(("kind", "name"), fields(VIEWS))
def test_views_are_read_only(tokenizer: Tokenizer, kind: type, name: str) -> None:
    array = getattr(make(kind, tokenizer), name)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 0
    with pytest.raises(ValueError, match="WRITEABLE"):
        array.flags.writeable = True


@pytest.mark.parametrize(("kind", "name"), fields(OWN))
def test_own_arrays_are_writable_and_not_copied(tokenizer: Tokenizer, kind: type, name: str) -> None:
    owner = make(kind, tokenizer)
    array = getattr(owner, name)
    assert array.flags.writeable
    array[...] = 7
    assert address(getattr(owner, name)) == address(array)
    assert (getattr(owner, name) == 7).all()


@pytest.mark.parametrize(("kind", "name"), fields(VIEWS | OWN))
def test_arrays_outlive_their_owner(tokenizer: Tokenizer, kind: type, name: str) -> None:
    owner = make(kind, tokenizer)
    array = getattr(owner, name)
    place, before = address(array), array.copy()
    part = array[1:]
    del owner, array
    gc.collect()
    # Other objects of the same sizes would take the memory if it were free.
    others = [make(kind, tokenizer) for _ in range(20)]
    assert address(part) == place + before.strides[0]
    np.testing.assert_array_equal(part, before[1:])
    del others


def test_views_outlive_the_tokenizer() -> None:
    tokenizer = Tokenizer(peer.CASED)
    windows = tokenizer.windows(["What?"], [TEXT])
    context = windows.contexts[0]
    ids, tokens = windows.ids.copy(), context.tokens
    del tokenizer
    gc.collect()
    np.testing.assert_array_equal(windows.ids, ids)
    assert context.tokens == tokens
    assert len(decode_spans(windows, *np.zeros((2, len(ids)), np.float32)).start) == 1


def test_nothing_leaks(tokenizer: Tokenizer) -> None:
    text = "".join(["a ", TEXT])
    references = sys.getrefcount(text)
    for _ in range(10):
        windows = tokenizer.windows([text[:9]], [text], max_question_length=4)
        array = windows.contexts[0].ids
        del windows, array
    gc.collect()
    assert sys.getrefcount(text) == references


SURROGATES = ["\ud800", "a\udfffb", "\ude00\ud83d", "\ud83d"]


@pytest.mark.parametrize("text", SURROGATES, ids=ascii)
def test_lone_surrogates(tokenizer: Tokenizer, text: str) -> None:
    with pytest.raises(ValueError, match="surrogate"):
        tokenizer.encode(text)
    with pytest.raises(ValueError, match=r"\b2\b.*surrogate"):
        tokenizer.encode_batch(["a", "b", text])
    with pytest.raises(ValueError, match=r"context.*\b1\b.*surrogate"):
        tokenizer.windows(["a", "b"], ["a", text])
    with pytest.raises((ValueError, TypeError)):
        tokenizer.token_to_id(text)


@pytest.mark.parametrize("text", [None, 3, b"a", ["a"], np.str_, bytearray(b"a")], ids=str)
def test_texts_of_other_types(tokenizer: Tokenizer, text: Any) -> None:
    with pytest.raises(TypeError, match="str"):
        tokenizer.encode(text)
    with pytest.raises(TypeError, match=r"\b1\b"):
        tokenizer.encode_batch(["a", text])


@pytest.mark.parametrize("texts", [None, 3, "ab", iter(["a"]), b"ab"], ids=lambda value: type(value).__name__)
def test_batches_of_other_types(tokenizer: Tokenizer, texts: Any) -> None:
    with pytest.raises(TypeError):
        tokenizer.encode_batch(texts)


def test_texts_of_kindred_types(tokenizer: Tokenizer) -> None:
    class Text(str):
        __slots__ = ()

    expected = tokenizer.encode("a b").tokens
    assert tokenizer.encode(Text("a b")).tokens == tokenizer.encode(np.str_("a b")).tokens == expected
    array: Any = np.array(["a b", "c"])
    assert len(tokenizer.encode_batch(("a b", "c"))) == len(tokenizer.encode_batch(array)) == 2


@pytest.mark.parametrize("kind", [Tokenizer, *VIEWS, *OWN])
def test_classes_are_closed(tokenizer: Tokenizer, kind: type) -> None:
    thing = make(kind, tokenizer)
    assert kind.__module__ == "spanjet._core"
    with pytest.raises(AttributeError):
        thing.more = 1
    with pytest.raises((AttributeError, TypeError)):
        thing.ids = thing
    with pytest.raises(TypeError):
        type("More", (kind,), {})
    for refused in (pickle.dumps, copy.copy, copy.deepcopy) if kind not in (Tokenizer, Encoding) else ():
        with pytest.raises(TypeError, match="pickle"):
            refused(thing)
    if kind is not Tokenizer:
        with pytest.raises(TypeError):
            kind()


def test_keyword_only_arguments(tokenizer: Tokenizer) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: Tokenizer(peer.CASED, False),  # type: ignore[call-arg]
        lambda: tokenizer.windows(["a"], ["b"], 384),  # type: ignore[call-arg]
        lambda: tokenizer.windows(["a"], ["b"], stride=1),  # type: ignore[call-arg]
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call()


def test_scatter_of_nothing(tokenizer: Tokenizer) -> None:
    windows = tokenizer.windows(["What?"], [TEXT])
    out = np.zeros(len(windows.ids), np.float32)
    windows.scatter(np.zeros(0, np.int64), np.zeros((0, 0), np.float32), out)
    windows.scatter(np.zeros(0, np.int64), np.zeros((0, 9), np.float32), out)
    assert not out.any()


def test_arrays_that_cannot_be_used_say_why(tokenizer: Tokenizer) -> None:
    windows = tokenizer.windows(["What?"], ["It is."])
    rows, total = np.zeros(1, np.int64), len(windows.ids)
    out = np.zeros(total, np.float32)
    with pytest.raises(ValueError, match="out shares memory with another argument"):
        windows.scatter(rows, out.reshape(1, -1), out)
    values = np.ones((1, total), np.float32)
    shifted = np.frombuffer(bytearray(4 * total + 1), np.uint8)[1:].view(np.float32)
    with pytest.raises(ValueError, match=r"^out is not aligned in memory"):
        windows.scatter(rows, values, shifted)
    with pytest.raises(
        TypeError, match=r"^start_logits .* with 3 dimensions, expected float32 with 1 or 2 dimensi"
    ):
        decode_spans(windows, np.zeros((1, 1, 1), np.float32), out)
    with pytest.raises(TypeError, match=r"^rows .* with 2 dimensions, expected int64 with 1 dimension$"):
        windows.batch(np.zeros((1, 1), np.int64))
    with pytest.raises(
        ValueError, match=rf"^end_logits has the shape \(2,\), expected that of .*, \({total},\)$"
    ):
        decode_spans(windows, out, np.zeros(2, np.float32))
    with pytest.raises(ValueError, match=r"^multiple_of is 1099511627776, expected at most"):
        windows.batch(rows, multiple_of=2**40)


def test_a_batch_that_no_memory_holds(tokenizer: Tokenizer) -> None:
    windows = tokenizer.windows(["What?"], ["It is."])
    with pytest.raises(MemoryError, match="no memory for a batch of 10000000 rows of 1048576 tokens"):
        windows.batch(np.zeros(10**7, np.int64), length=1 << 20)


def test_version() -> None:
    assert spanjet.__version__.split(".")[0].isdigit()


@pytest.mark.parametrize("number", [2**70, -(2**70)])
def test_integers_of_any_size(tokenizer: Tokenizer, number: int) -> None:
    windows = tokenizer.windows(["What?"], ["It is."])
    logits = np.zeros(len(windows.ids), np.float32)
    rows = np.zeros(1, np.int64)
    assert tokenizer.id_to_token(number) is None
    with pytest.raises(IndexError):
        tokenizer.encode_batch(["a"])[number]
    refused: list[Callable[[], Any]] = [
        lambda: Tokenizer(peer.UNCASED, threads=number),
        lambda: windows.batch(rows, length=number),
        lambda: windows.batch(rows, multiple_of=number),
        lambda: sentence("a", 0, number),
        # No number is too large for these.
        lambda: tokenizer.windows(["a"], ["b"], max_length=-abs(number)),
        lambda: tokenizer.windows(["a"], ["b"], doc_stride=-abs(number)),
        lambda: tokenizer.windows(["a"], ["b"], max_question_length=-abs(number)),
        lambda: decode_spans(windows, logits, logits, top_k=-abs(number)),
        lambda: decode_spans(windows, logits, logits, n_best=-abs(number)),
        lambda: decode_spans(windows, logits, logits, max_answer_length=-abs(number)),
    ]
    for call in refused:
        with pytest.raises(ValueError, match=str(2**63)[:-1]):
            call()
    assert len(tokenizer.windows(["a"], ["b"], max_length=abs(number), doc_stride=abs(number))) == 1
    assert len(decode_spans(windows, logits, logits, top_k=abs(number), n_best=abs(number)).start)


@pytest.mark.parametrize(("name", "value"), [("slope", 1e40), ("temperature", 1e-40), ("intercept", -1e39)])
def test_numbers_of_single_precision(tokenizer: Tokenizer, name: str, value: float) -> None:
    settings: dict[str, Any] = {name: value}
    windows = tokenizer.windows(["What?"], ["It is."])
    logits = np.zeros(len(windows.ids), np.float32)
    with pytest.raises(ValueError, match=rf"^{name} is .*, expected a number of single precision"):
        decode_spans(windows, logits, logits, **settings)


def test_an_encoding_knows_its_tokenizer(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("a").tokenizer == tokenizer
    with pytest.raises(TypeError, match=r"^contexts\[1\] is of type int, expected str or Encoding$"):
        tokenizer.windows(["a", "b"], ["a", 3])  # type: ignore[list-item]
