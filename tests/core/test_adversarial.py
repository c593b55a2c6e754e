"""Texts that are made to be slow, which a quadratic algorithm would take minutes for."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import peer
import pytest
import tokenizer_files
import trained_tokenizers
from spanjet import Tokenizer, WindowConfig, decode_spans
from spanjet._core import sentence

SECONDS = 30
"""Far more than any of these takes, on any machine, and far less than if the time were quadratic."""


@pytest.mark.parametrize(
    "text", ["\u6771." * 300_000, "a)" * 300_000 + ". B", "a.b" * 200_000, "..." * 300_000]
)
def test_sentences(text: str) -> None:
    began = time.monotonic()
    sentence(text, 0, 1)
    assert time.monotonic() - began < SECONDS


@pytest.mark.parametrize("text", ["a'" * 500_000, "a:" * 300_000, "a\u2019" * 300_000])
def test_words(text: str) -> None:
    tokenizer = Tokenizer(peer.UNCASED)
    windows = tokenizer.windows(["who?"], [text], doc_stride=300)
    logits = np.zeros(len(windows.ids), np.float32)
    began = time.monotonic()
    decode_spans(windows, logits, logits, sentence_margin=1.0)
    assert time.monotonic() - began < SECONDS


def test_blanks_that_are_tokens(tmp_path: Path) -> None:
    content = trained_tokenizers.edited("byte-level", lambda _: None)
    tokenizer = Tokenizer(tokenizer_files.write(tmp_path / "tokenizer.json", content))
    windows = tokenizer.windows(["in the"], ["x" + " " * 400_000 + "y"], doc_stride=300)
    logits = np.zeros(len(windows.ids), np.float32)
    began = time.monotonic()
    found = decode_spans(windows, logits, logits, top_k=2)
    assert time.monotonic() - began < SECONDS
    assert {(0, 1), (400_001, 400_002)} >= set(zip(found.start.tolist(), found.end.tolist(), strict=True))


def test_many_windows_in_mode_squad() -> None:
    tokenizer = Tokenizer(peer.UNCASED)
    windows = tokenizer.windows(
        ["who?"], ["the tower " * 30_000], **WindowConfig(max_length=64, doc_stride=1).arguments()
    )
    assert len(windows) > 50_000
    start, end = np.random.default_rng(0).normal(size=(2, len(windows.ids))).astype(np.float32)
    began = time.monotonic()
    decode_spans(windows, start, end, mode="squad")
    assert time.monotonic() - began < SECONDS
