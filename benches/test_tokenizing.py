"""Paragraphs to ids and offsets."""

from __future__ import annotations

import numpy as np
import peer
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from spanjet import Encodings, Tokenizer

from benches.conftest import Corpus

pytestmark = pytest.mark.benchmark(group="tokenizing")


def encode(tokenizer: Tokenizer, texts: list[str]) -> Encodings:
    encodings = tokenizer.encode_batch(texts)
    # Code points are counted when they are first asked for; the peer always has them.
    _ = encodings.offsets
    return encodings


def assert_equal(encodings: Encodings, wanted: peer.Flat) -> None:
    np.testing.assert_array_equal(encodings.indptr, wanted.indptr)
    np.testing.assert_array_equal(encodings.ids, wanted.ids)
    np.testing.assert_array_equal(encodings.offsets, wanted.offsets)


def megabytes(texts: list[str]) -> float:
    return sum(len(text.encode()) for text in texts) / 1e6


def test_spanjet(benchmark: BenchmarkFixture, corpus: Corpus, threads: int) -> None:
    texts = corpus.paragraphs
    tokenizer = Tokenizer(peer.UNCASED, threads=threads, match_special_tokens=True)
    benchmark.extra_info["MB"] = megabytes(texts)
    assert_equal(benchmark(encode, tokenizer, texts), peer.encode(peer.load(peer.UNCASED), texts))


def test_spanjet_cold(benchmark: BenchmarkFixture, corpus: Corpus, threads: int) -> None:
    """A new tokenizer each time, which has seen no word yet."""
    texts = corpus.paragraphs
    benchmark.extra_info["MB"] = megabytes(texts)

    def new() -> tuple[tuple[Tokenizer, list[str]], dict[str, object]]:
        return (Tokenizer(peer.UNCASED, threads=threads, match_special_tokens=True), texts), {}

    found = benchmark.pedantic(encode, setup=new, rounds=10)  # type: ignore[no-untyped-call]
    assert_equal(found, peer.encode(peer.load(peer.UNCASED), texts))


@pytest.mark.usefixtures("threads")
def test_tokenizers(benchmark: BenchmarkFixture, corpus: Corpus) -> None:
    # The peer's ids and offsets stay inside its own objects: to take them out is not timed.
    texts = corpus.paragraphs
    other = peer.load(peer.UNCASED)
    benchmark.extra_info["MB"] = megabytes(texts)
    encodings = benchmark(other.encode_batch, texts, add_special_tokens=False)
    assert_equal(Tokenizer(peer.UNCASED, match_special_tokens=True).encode_batch(texts), peer.flat(encodings))
