"""Questions and contexts to padded model inputs, in the convention of overlapping windows."""

from __future__ import annotations

from typing import Any

import numpy as np
import peer
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from spanjet import Tokenizer

from benches import example_scripts
from benches.conftest import Corpus
from benches.example_scripts import DOC_STRIDE, MAX_LENGTH, Features

pytestmark = pytest.mark.benchmark(group="windows and features")

ROWS = 16


def ours(tokenizer: Tokenizer, corpus: Corpus) -> list[Features]:
    windows = tokenizer.windows(
        corpus.questions,
        corpus.contexts,
        max_length=MAX_LENGTH,
        doc_stride=DOC_STRIDE,
        convention="overlap",
        max_question_length=None,
    )
    rows = np.arange(len(windows))
    batches = [windows.batch(rows[i : i + ROWS], length=MAX_LENGTH) for i in range(0, len(rows), ROWS)]
    return [Features(batch.input_ids, batch.attention_mask, batch.token_type_ids) for batch in batches]


def theirs(tokenizer: Any, corpus: Corpus) -> list[Features]:
    windows = example_scripts.encode_pairs(tokenizer, corpus.questions, corpus.contexts)
    return [example_scripts.features(windows[i : i + ROWS]) for i in range(0, len(windows), ROWS)]


def other() -> Any:
    tokenizer = peer.load(peer.UNCASED)
    tokenizer.enable_truncation(MAX_LENGTH, stride=DOC_STRIDE, strategy="only_second")
    tokenizer.enable_padding(length=MAX_LENGTH)
    return tokenizer


def assert_equal(one: list[Features], two: list[Features]) -> None:
    assert len(one) == len(two) > 0
    for left, right in zip(one, two, strict=True):
        for name in Features._fields:
            np.testing.assert_array_equal(getattr(left, name), getattr(right, name))


def test_spanjet(benchmark: BenchmarkFixture, corpus: Corpus, threads: int) -> None:
    tokenizer = Tokenizer(peer.UNCASED, threads=threads, match_special_tokens=True)
    benchmark.extra_info["questions"] = len(corpus.questions)
    assert_equal(benchmark(ours, tokenizer, corpus), theirs(other(), corpus))


@pytest.mark.usefixtures("threads")
def test_tokenizers(benchmark: BenchmarkFixture, corpus: Corpus) -> None:
    benchmark.extra_info["questions"] = len(corpus.questions)
    found = benchmark(theirs, other(), corpus)
    assert_equal(found, ours(Tokenizer(peer.UNCASED, match_special_tokens=True), corpus))
