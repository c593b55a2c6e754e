"""Logits to the n best answers of each question."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import peer
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture
from spanjet import Spans, Tokenizer, Windows, decode_spans

from benches import example_scripts
from benches.conftest import Corpus
from benches.example_scripts import Candidate

pytestmark = pytest.mark.benchmark(group="decoding")

N_BEST = 20
AS_SCRIPTS: dict[str, Any] = {"overlap": True, "align_to_words": False}
Places = list[tuple[int, int] | None]


@dataclass(frozen=True)
class Logits:
    """Logits of all windows, padded, and what the example scripts keep beside them."""

    windows: Windows
    start: NDArray[np.float32]
    end: NDArray[np.float32]
    offsets: list[Places]
    rows: list[range]


def planted(contexts: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits as a model gives them: low but for a few places, with one short answer in each window."""
    rng = np.random.default_rng(31)
    start, end = rng.normal(-6, 1, (2, *contexts.shape)).astype(np.float32)
    # Of [CLS]: the scripts compare the logits of several windows, and we their margins over it.
    start[:, 0] = end[:, 0] = -6
    for row, inside in enumerate(contexts):
        first, last = np.flatnonzero(inside)[[0, -1]]
        begin = rng.integers(first, last + 1)
        start[row, begin] += 12
        end[row, min(begin + rng.integers(0, 8), last)] += 12
    return start, end


def placed(windows: Windows) -> list[Places]:
    """For each window, the offsets of its tokens; None outside the context."""
    offsets = [context.offsets.tolist() for context in windows.contexts]
    found = []
    columns = (windows.question, windows.context_start, windows.context_offset, np.diff(windows.indptr))
    for question, start, first, length in zip(*(column.tolist() for column in columns), strict=True):
        part = [(a, b) for a, b in offsets[question][first : first + length - start - 1]]
        found.append([*[None] * start, *part, None])
    return found


@pytest.fixture(scope="module")
def logits(corpus: Corpus) -> Logits:
    windows = Tokenizer(peer.UNCASED, threads=1).windows(corpus.questions, corpus.contexts)
    offsets = placed(windows)
    length = max(map(len, offsets))
    contexts = np.zeros((len(windows), length), np.bool_)
    for row, places in zip(contexts, offsets, strict=True):
        row[: len(places)] = [place is not None for place in places]
    bounds = np.searchsorted(windows.question, np.arange(len(corpus.questions) + 1)).tolist()
    rows = [range(a, b) for a, b in pairwise(bounds)]
    return Logits(windows, *planted(contexts), offsets, rows)


def ours(logits: Logits) -> Spans:
    return decode_spans(logits.windows, logits.start, logits.end, top_k=N_BEST, n_best=N_BEST, **AS_SCRIPTS)


def theirs(logits: Logits) -> list[list[Candidate]]:
    return [
        example_scripts.decode(
            logits.offsets[rows.start : rows.stop],
            list(logits.start[rows.start : rows.stop]),
            list(logits.end[rows.start : rows.stop]),
            n_best=N_BEST,
        )
        for rows in logits.rows
    ]


def assert_equal(spans: Spans, candidates: list[list[Candidate]]) -> None:
    """The best answers are equal; further ones are not, since the scripts keep spans twice."""
    first = spans.indptr[:-1]
    assert spans.start[first].tolist() == [found[0].start for found in candidates]
    assert spans.end[first].tolist() == [found[0].end for found in candidates]
    np.testing.assert_array_equal(spans.logit[first], np.array([found[0].score for found in candidates]))


def test_spanjet(benchmark: BenchmarkFixture, logits: Logits) -> None:
    benchmark.extra_info["questions"] = len(logits.rows)
    assert_equal(benchmark(ours, logits), theirs(logits))


def test_example_scripts(benchmark: BenchmarkFixture, logits: Logits) -> None:
    benchmark.extra_info["questions"] = len(logits.rows)
    found = benchmark(theirs, logits)
    assert_equal(ours(logits), found)
