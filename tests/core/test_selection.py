"""Choosing windows: ranks, central windows and selections, against slow and obvious forms."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

import numpy as np
import peer
import pytest
import texts
from numpy.typing import NDArray
from spanjet import Tokenizer, Windows, decode_spans
from spanjet._core import rank_windows

QUESTIONS = ("What is it?", "Who won the game of the year 2016?", "한국?")
CUTS: list[tuple[int, int, Literal["advance", "overlap"]]] = [
    (40, 12, "advance"),
    (40, 24, "advance"),
    (40, 40, "advance"),
    (40, 10, "overlap"),
    (64, 0, "overlap"),
]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(peer.CASED)


def windows_of(tokenizer: Tokenizer, cut: tuple[int, int, Literal["advance", "overlap"]]) -> Windows:
    contexts = [" ".join(texts.passages(count, seed=count)) for count in (1, 2, 4)]
    length, stride, convention = cut
    return tokenizer.windows(QUESTIONS, contexts, max_length=length, doc_stride=stride, convention=convention)


def parts(windows: Windows) -> list[range]:
    """The context's tokens of each window."""
    lengths = np.diff(windows.indptr) - windows.context_start - 1
    first = windows.context_offset.tolist()
    return [range(start, start + length) for start, length in zip(first, lengths.tolist(), strict=True)]


def central_window(windows: Windows, question: int, token: int) -> int:
    """Neighbours meet in the middle of what they share."""
    rows = np.flatnonzero(windows.question == question).tolist()
    part = parts(windows)
    found = rows[0]
    for left, right in pairwise(rows):
        if token >= (part[left].stop + part[right].start) // 2:
            found = right
    return int(found)


@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_central_windows(tokenizer: Tokenizer, cut: Any) -> None:
    windows = windows_of(tokenizer, cut)
    for question, context in enumerate(windows.contexts):
        starts = context.offsets[:, 0]
        tokens = range(len(starts))
        found = windows.central(np.full(len(starts), question), starts.astype(np.int32)).tolist()
        assert found == [central_window(windows, question, token) for token in tokens]
        part = parts(windows)
        assert all(token in part[row] for token, row in zip(tokens, found, strict=True))
        # In no other window of the question is the nearest border farther away, the middle apart.
        rows = np.flatnonzero(windows.question == question).tolist()
        for token, row in zip(tokens, found, strict=True):
            if row not in (rows[0], rows[-1]):
                borders = [
                    min(token - part[r].start, part[r].stop - 1 - token) for r in rows if token in part[r]
                ]
                assert min(token - part[row].start, part[row].stop - 1 - token) >= max(borders) - 1
    last = windows.contexts[2]
    behind = np.array([len(last.text) + 5], np.int32)
    assert windows.central(np.array([2]), behind).tolist() == [len(windows) - 1]


@pytest.mark.parametrize("cut", CUTS, ids=str)
@pytest.mark.parametrize("length", [1, 3, 100])
def test_ranks(tokenizer: Tokenizer, cut: Any, length: int) -> None:
    windows = windows_of(tokenizer, cut)
    rng = np.random.default_rng(length)
    start, end = (rng.normal(size=len(windows.ids)).astype(np.float32) for _ in range(2))
    margin, place = rank_windows(windows, start, end, max_answer_length=length)
    assert [str(values.dtype) for values in (margin, place)] == ["float32", "int32"]
    assert len(margin) == len(windows)
    for row, part in enumerate(parts(windows)):
        question, first = int(windows.question[row]), int(windows.indptr[row])
        shift = first + int(windows.context_start[row]) - part.start
        spans = [
            (start[shift + i] + end[shift + j], i)
            for i in part
            if central_window(windows, question, i) == row
            for j in range(i, min(i + length, part.stop))
        ]
        best, token = max(spans, key=lambda span: (span[0], -span[1]))
        assert margin[row] == pytest.approx(best - (start[first] + end[first]), abs=1e-5)
        assert place[row] == windows.contexts[question].offsets[token, 0]


def padded(windows: Windows, values: NDArray[np.float32]) -> NDArray[np.float32]:
    longest = int(np.diff(windows.indptr).max())
    rows = np.full((len(windows), longest), np.float32(99))
    for row, (first, behind) in enumerate(zip(windows.indptr, windows.indptr[1:], strict=False)):
        rows[row, : behind - first] = values[first:behind]
    return rows


def test_ranks_of_padded_logits(tokenizer: Tokenizer) -> None:
    windows = windows_of(tokenizer, CUTS[0])
    rng = np.random.default_rng(0)
    start, end = (rng.normal(size=len(windows.ids)).astype(np.float32) for _ in range(2))
    ragged = rank_windows(windows, start, end)
    rows = rank_windows(windows, padded(windows, start), padded(windows, end))
    for one, other in zip(ragged, rows, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_context_without_tokens_ranks_last(tokenizer: Tokenizer) -> None:
    windows = tokenizer.windows(["who?"], [" "], allow_empty=True)
    zeros = np.zeros(len(windows.ids), np.float32)
    margin, place = rank_windows(windows, zeros, zeros)
    assert (margin.tolist(), place.tolist()) == ([-np.inf], [0])
    assert windows.central(np.array([0]), np.array([0], np.int32)).tolist() == [0]


@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_selection(tokenizer: Tokenizer, cut: Any) -> None:
    windows = windows_of(tokenizer, cut)
    rng = np.random.default_rng(1)
    start, end = (rng.normal(size=len(windows.ids)).astype(np.float32) for _ in range(2))
    for count in (0, 1, len(windows) // 2, len(windows)):
        rows = np.sort(rng.permutation(len(windows))[:count])
        chosen = windows.select(rows)
        for name in ("question", "context_start", "context_offset"):
            np.testing.assert_array_equal(getattr(chosen, name), getattr(windows, name)[rows])
        np.testing.assert_array_equal(np.diff(chosen.indptr), np.diff(windows.indptr)[rows])
        np.testing.assert_array_equal(chosen.question_length, windows.question_length)
        assert [each.text for each in chosen.contexts] == [each.text for each in windows.contexts]
        kept = np.isin(np.repeat(np.arange(len(windows)), np.diff(windows.indptr)), rows)
        np.testing.assert_array_equal(chosen.ids, windows.ids[kept])
        for mode in ("global", "squad", "hf"):
            spans = decode_spans(chosen, start[kept], end[kept], mode=mode, top_k=3)
            assert len(spans.no_answer) == len(QUESTIONS)
            for question in range(len(QUESTIONS)):
                has_none = not (chosen.question == question).any()
                assert not has_none or spans.window[spans.indptr[question]] == -1
        if count:
            batch, same = chosen.batch(np.arange(count)), windows.batch(rows)
            np.testing.assert_array_equal(batch.input_ids, same.input_ids)
            np.testing.assert_array_equal(batch.token_type_ids, same.token_type_ids)
    everything = windows.select(np.arange(len(windows)))
    one, other = (decode_spans(each, start, end, top_k=5) for each in (windows, everything))
    for name in ("start", "end", "score", "window", "no_answer"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_refused(tokenizer: Tokenizer) -> None:
    windows = windows_of(tokenizer, CUTS[0])
    with pytest.raises(ValueError, match=r"rows.*1 before 1.*increasing"):
        windows.select(np.array([1, 1]))
    with pytest.raises(ValueError, match=r"rows.*3 before 2.*increasing"):
        windows.select(np.array([3, 2]))
    with pytest.raises(IndexError, match=r"rows\[0\] is 0, but there are no windows"):
        windows.select(np.zeros(0, np.int64)).select(np.array([0]))
    with pytest.raises(IndexError, match=r"rows\[0\] is -1"):
        windows.select(np.array([-1, 2]))
    with pytest.raises(TypeError, match="rows is an array of int32"):
        windows.select(np.array([1], np.int32))
    one = np.zeros(1, np.int32)
    for question in (-1, 3):
        with pytest.raises(ValueError, match=f"questions.*{question}.*index of a question that has windows"):
            windows.central(np.array([question]), one)
    with pytest.raises(ValueError, match=r"questions.*1.*has windows"):
        windows.select(np.flatnonzero(windows.question != 1)).central(np.array([1]), one)
    with pytest.raises(ValueError, match=r"characters has the shape \(1,\), expected \(2,\)"):
        windows.central(np.array([0, 0]), one)
    logits = np.zeros(len(windows.ids), np.float32)
    with pytest.raises(ValueError, match=r"max_answer_length.*0.*at least 1"):
        rank_windows(windows, logits, logits, max_answer_length=0)
    with pytest.raises(ValueError, match="end_logits has the shape"):
        rank_windows(windows, logits, logits[1:])
    logits[3] = np.nan
    with pytest.raises(ValueError, match="start_logits of window 0 at position 3 is NaN"):
        rank_windows(windows, logits, logits)


def test_tokenizers_of_equal_files_are_equal(tokenizer: Tokenizer) -> None:
    other = Tokenizer(peer.CASED, threads=1)
    assert other == tokenizer
    assert hash(other) == hash(tokenizer)
    for different in (Tokenizer(peer.CASED, match_special_tokens=True), "tokenizer", None):
        assert different != tokenizer
