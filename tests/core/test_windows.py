"""Windows in both conventions, and the batches made of them."""

from __future__ import annotations

import re
from typing import Any, Literal

import numpy as np
import peer
import pytest
import reference
import texts
from spanjet import Tokenizer, Windows

Convention = Literal["advance", "overlap"]
CONVENTIONS: tuple[Convention, ...] = ("advance", "overlap")
QUESTIONS = [
    "What is it?",
    "Who won the game of the year 2016?",
    "Why " + "very " * 80 + "long?",
    "[SEP] 한국?",
]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(peer.CASED, match_special_tokens=True)


@pytest.fixture(scope="module")
def contexts() -> list[str]:
    return texts.passages(40, seed=4)


def questions_for(contexts: list[str]) -> list[str]:
    return [QUESTIONS[index % len(QUESTIONS)] for index in range(len(contexts))]


def expected(
    tokenizer: Tokenizer, questions: list[str], contexts: list[str], **options: Any
) -> list[reference.Window]:
    def ids(lines: list[str]) -> list[list[int]]:
        return [tokenizer.encode(line).ids.tolist() for line in lines]

    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    return reference.windows(ids(questions), ids(contexts), cls=cls, sep=sep, **options)


def rows(windows: Windows) -> list[list[int]]:
    return [part.tolist() for part in np.split(windows.ids, windows.indptr[1:-1])]


def assert_equal(windows: Windows, wanted: list[reference.Window]) -> None:
    assert len(windows) == len(wanted) == len(windows.indptr) - 1
    assert rows(windows) == [window.ids for window in wanted]
    assert windows.question.tolist() == [window.question for window in wanted]
    assert windows.context_start.tolist() == [window.context_start for window in wanted]
    assert windows.context_offset.tolist() == [window.context_offset for window in wanted]


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize(("max_length", "doc_stride"), [(384, 128), (100, 12), (100, 1), (71, 3), (512, 500)])
def test_equal_to_reference(
    tokenizer: Tokenizer, contexts: list[str], convention: Convention, max_length: int, doc_stride: int
) -> None:
    questions = questions_for(contexts)
    if convention == "overlap":
        doc_stride = min(doc_stride, 3) if max_length == 71 else min(doc_stride, 400)
    options: dict[str, Any] = {"max_length": max_length, "doc_stride": doc_stride, "convention": convention}
    windows = tokenizer.windows(questions, contexts, **options)
    assert_equal(windows, expected(tokenizer, questions, contexts, **options))


@pytest.mark.parametrize(("max_length", "doc_stride"), [(384, 128), (150, 0), (150, 40), (100, 12), (92, 1)])
def test_overlap_equal_to_peer(
    tokenizer: Tokenizer, contexts: list[str], max_length: int, doc_stride: int
) -> None:
    questions = questions_for(contexts)
    other = peer.load(peer.CASED)
    other.enable_truncation(max_length, stride=doc_stride, strategy="only_second")
    encodings = other.encode_batch(list(zip(questions, contexts, strict=True)))
    wanted = [part for encoding in encodings for part in (encoding, *encoding.overflowing)]
    windows = tokenizer.windows(
        questions,
        contexts,
        max_length=max_length,
        doc_stride=doc_stride,
        convention="overlap",
        max_question_length=None,
    )
    assert rows(windows) == [part.ids for part in wanted]
    offsets = [windows.contexts[question].offsets for question in windows.question]
    for index, part in enumerate(wanted):
        start, first = windows.context_start[index], windows.context_offset[index]
        inside = part.offsets[start:-1]
        assert [tuple(row) for row in offsets[index][first : first + len(inside)].tolist()] == inside
        batch = windows.batch(np.array([index]))
        assert batch.token_type_ids[0].tolist() == part.type_ids


# Tokens of the context (of one letter each), question tokens 1, windows by hand: (first, last + 1).
BY_HAND = [
    (10, (14, 4, "advance"), [(0, 10)]),
    (11, (14, 4, "advance"), [(0, 10), (4, 11)]),
    (18, (14, 4, "advance"), [(0, 10), (4, 14), (8, 18)]),
    (30, (14, 99, "advance"), [(0, 10), (10, 20), (20, 30)]),
    (10, (14, 4, "overlap"), [(0, 10)]),
    (11, (14, 4, "overlap"), [(0, 10), (6, 11)]),
    (22, (14, 4, "overlap"), [(0, 10), (6, 16), (12, 22)]),
    (20, (14, 0, "overlap"), [(0, 10), (10, 20)]),
    (3, (5, 1, "advance"), [(0, 1), (1, 2), (2, 3)]),
    (3, (5, 0, "overlap"), [(0, 1), (1, 2), (2, 3)]),
    # A stride that no pair of windows could share does no harm where one window is enough.
    (10, (14, 10, "overlap"), [(0, 10)]),
]


@pytest.mark.parametrize(("count", "options", "parts"), BY_HAND)
def test_by_hand(
    tokenizer: Tokenizer, count: int, options: tuple[int, int, Convention], parts: list[tuple[int, int]]
) -> None:
    max_length, doc_stride, convention = options
    context = " ".join("a" * count)
    windows = tokenizer.windows(
        ["b"], [context], max_length=max_length, doc_stride=doc_stride, convention=convention
    )
    lengths = np.diff(windows.indptr) - 4
    firsts = windows.context_offset
    assert [(first, first + length) for first, length in zip(firsts, lengths, strict=True)] == parts


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_every_context_token_is_in_a_window(tokenizer: Tokenizer, convention: Convention) -> None:
    rng = np.random.default_rng(5)
    for _ in range(300):
        context = " ".join("a" * int(rng.integers(1, 200)))
        question = " ".join("b" * int(rng.integers(1, 12)))
        room = int(rng.integers(1, 40))
        max_length = len(question.split()) + 3 + room
        doc_stride = int(rng.integers(0, room)) if convention == "overlap" else int(rng.integers(1, 60))
        windows = tokenizer.windows(
            [question], [context], max_length=max_length, doc_stride=doc_stride, convention=convention
        )
        seen = np.zeros(len(windows.contexts[0]), bool)
        for index, length in enumerate(np.diff(windows.indptr)):
            assert length <= max_length
            first = windows.context_offset[index]
            seen[first : first + length - windows.context_start[index] - 1] = True
        assert seen.all()


def test_questions_are_cut(tokenizer: Tokenizer) -> None:
    long = " ".join("b" * 70)
    for limit, kept in ((64, 64), (7, 7), (None, 70), (100, 70)):
        windows = tokenizer.windows([long], ["a"], max_question_length=limit)
        assert windows.context_start.tolist() == [kept + 2]


def test_contexts(tokenizer: Tokenizer, contexts: list[str]) -> None:
    many = tokenizer.encode_batch(contexts)
    encodings = [many[index] for index in range(len(many))]
    mixed: list[Any] = [
        many[index] if index % 2 else tokenizer.encode(text) for index, text in enumerate(contexts)
    ]
    mixed[::3] = contexts[::3]
    repeated, again = mixed + mixed, contexts + contexts
    questions = questions_for(again)
    one, other = tokenizer.windows(questions, repeated), tokenizer.windows(questions, again)
    assert rows(one) == rows(other)
    assert [context.text for context in one.contexts] == again
    for context, encoding in zip(other.contexts, encodings * 2, strict=True):
        np.testing.assert_array_equal(context.ids, encoding.ids)
        np.testing.assert_array_equal(context.offsets, encoding.offsets)


def test_no_questions(tokenizer: Tokenizer) -> None:
    windows = tokenizer.windows([], [])
    assert (len(windows), windows.ids.shape, windows.indptr.tolist()) == (0, (0,), [0])


@pytest.mark.parametrize(("length", "multiple_of"), [(None, 1), (None, 16), (400, 1)])
def test_batch_and_scatter(
    tokenizer: Tokenizer, contexts: list[str], length: int | None, multiple_of: int
) -> None:
    questions = questions_for(contexts)
    windows = tokenizer.windows(questions, contexts)
    wanted = expected(tokenizer, questions, contexts)
    rng = np.random.default_rng(6)
    ragged = rng.normal(size=len(windows.ids)).astype(np.float32)
    out = np.full(len(windows.ids), np.nan, np.float32)
    for rows in np.array_split(rng.permutation(len(windows)), 7):
        batch = windows.batch(rows, length=length, multiple_of=multiple_of)
        longest = max(len(wanted[row].ids) for row in rows)
        columns = length or -(-longest // multiple_of) * multiple_of
        arrays = (batch.input_ids, batch.attention_mask, batch.token_type_ids)
        truth = reference.batch(wanted, rows.tolist(), columns, tokenizer.pad_token_id)
        for array, wanted_array in zip(arrays, truth, strict=True):
            assert array.dtype == np.int32
            assert array.flags.c_contiguous
            np.testing.assert_array_equal(array, wanted_array)
        values = np.full((len(rows), columns), np.nan, np.float32)
        for line, row in zip(values, rows, strict=True):
            part = ragged[windows.indptr[row] : windows.indptr[row + 1]]
            line[: len(part)] = part
        windows.scatter(rows, values, out)
    np.testing.assert_array_equal(out, ragged)


def test_rows_may_repeat(tokenizer: Tokenizer) -> None:
    windows = tokenizer.windows(["b", "c c"], ["a", "a"])
    batch = windows.batch(np.array([1, 0, 1]))
    np.testing.assert_array_equal(batch.input_ids[0], batch.input_ids[2])
    assert batch.attention_mask.sum(axis=1).tolist() == [6, 5, 6]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"questions": ["b", "b"]}, "2 questions.*1 contexts"),
    ({"questions": [""]}, "question 0"),
    ({"questions": ["b", " \u200b"], "contexts": ["a", "a"]}, "question 1"),
    ({"contexts": ["\u200b"]}, "context 0"),
    ({"questions": ["b", "b"], "contexts": ["a", ""]}, "context 1"),
    ({"max_length": 3}, "max_length.*3"),
    ({"max_length": 0}, "max_length.*0"),
    ({"max_length": -1}, "max_length.*-1"),
    ({"doc_stride": 0}, "doc_stride.*0"),
    ({"doc_stride": -1}, "doc_stride.*-1"),
    ({"doc_stride": -1, "convention": "overlap"}, "doc_stride.*-1"),
    ({"max_question_length": 0}, "max_question_length.*0"),
    ({"max_question_length": -1}, "max_question_length.*-1"),
    ({"convention": "stride"}, "convention.*stride.*advance.*overlap"),
    ({"questions": ["b b b b"], "max_length": 7}, "question 0.*7.*4"),
    ({"questions": ["b b b b"], "max_length": 5}, "question 0.*5.*4"),
    ({"contexts": ["a a a a"], "max_length": 6, "doc_stride": 2, "convention": "overlap"}, "6.*1.*2"),
    ({"questions": ["b\ud800"]}, "question.*0.*surrogate"),
    ({"questions": ["b", "b"], "contexts": ["a", "\udfff"]}, "context.*1.*surrogate"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED, ids=ascii)
def test_refused(tokenizer: Tokenizer, options: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"questions": ["b"], "contexts": ["a"]} | options
    with pytest.raises(ValueError, match=message):
        tokenizer.windows(arguments.pop("questions"), arguments.pop("contexts"), **arguments)


def test_refused_encoding_of_another_tokenizer(tokenizer: Tokenizer) -> None:
    foreign = Tokenizer(peer.UNCASED).encode("a")
    with pytest.raises(ValueError, match="context 1"):
        tokenizer.windows(["b", "b"], ["a", foreign])


@pytest.mark.parametrize(
    ("questions", "contexts"),
    [(["b"], [3]), (["b"], [None]), ([b"b"], ["a"]), ([3], ["a"]), ("b", "a"), (None, ["a"]), (["b"], 3)],
)
def test_refused_types(tokenizer: Tokenizer, questions: Any, contexts: Any) -> None:
    with pytest.raises(TypeError):
        tokenizer.windows(questions, contexts)


REFUSED_ROWS: list[tuple[Any, dict[str, Any], type[Exception], str]] = [
    (np.array([0, 2]), {}, IndexError, r"rows\[1\] is 2"),
    (np.array([-1]), {}, IndexError, "-1"),
    (np.array([], np.int64), {}, ValueError, "rows"),
    (np.array([0]), {"length": 4}, ValueError, "5.*4"),
    (np.array([0]), {"length": 0}, ValueError, "0"),
    (np.array([0]), {"length": -1}, ValueError, "-1"),
    (np.array([0]), {"multiple_of": 0}, ValueError, "multiple_of"),
    (
        np.array([0]),
        {"multiple_of": 1 << 40},
        ValueError,
        "multiple_of is 1099511627776, expected at most 1048576",
    ),
    (np.array([0]), {"length": 1 << 60}, ValueError, "length is .*, expected at most 1048576"),
    (np.array([0]), {"multiple_of": -8}, ValueError, "multiple_of"),
    (np.array([0], np.int32), {}, TypeError, "int64"),
    (np.array([0.0]), {}, TypeError, "int64"),
    (np.array([[0]]), {}, TypeError, "dimension"),
    ([0], {}, TypeError, ""),
]


@pytest.mark.parametrize(("rows", "options", "kind", "message"), REFUSED_ROWS, ids=ascii)
def test_refused_batch(
    tokenizer: Tokenizer, rows: Any, options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    windows = tokenizer.windows(["b", "b"], ["a", "a"])
    with pytest.raises(kind, match=re.compile(message)):
        windows.batch(rows, **options)


def zeros(*shape: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.zeros(shape, np.float32)


REFUSED_SCATTER: list[tuple[Any, Any, Any, type[Exception]]] = [
    (np.array([0, 5]), zeros(2, 5), zeros(10), IndexError),
    (np.array([0]), zeros(2, 5), zeros(10), ValueError),
    (np.array([0]), zeros(1, 4), zeros(10), ValueError),
    (np.array([0]), zeros(1, 5), zeros(9), ValueError),
    (np.array([0]), zeros(5), zeros(10), TypeError),
    (np.array([0]), np.zeros((1, 5)), zeros(10), TypeError),
    (np.array([0]), zeros(1, 5), np.zeros(10), TypeError),
    (np.array([0]), zeros(1, 5), [0.0] * 10, TypeError),
]


@pytest.mark.parametrize(("rows", "values", "out", "kind"), REFUSED_SCATTER)
def test_refused_scatter(
    tokenizer: Tokenizer, rows: Any, values: Any, out: Any, kind: type[Exception]
) -> None:
    windows = tokenizer.windows(["b", "b"], ["a", "a"])
    with pytest.raises(kind):
        windows.scatter(rows, values, out)
    assert not np.any(out)


def test_scatter_into_read_only_array(tokenizer: Tokenizer) -> None:
    windows = tokenizer.windows(["b"], ["a"])
    out = zeros(5)
    out.flags.writeable = False
    with pytest.raises((ValueError, TypeError)):
        windows.scatter(np.array([0]), np.ones((1, 5), np.float32), out)
    assert not out.any()
