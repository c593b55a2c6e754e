"""What question-answering scripts usually do with NumPy and Python between tokenizer and model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_LENGTH, DOC_STRIDE = 384, 128


class Features(NamedTuple):
    """Padded model inputs, int32[windows, length]."""

    input_ids: NDArray[np.int32]
    attention_mask: NDArray[np.int32]
    token_type_ids: NDArray[np.int32]


class Candidate(NamedTuple):
    """A span in code points of its context."""

    start: int
    end: int
    score: float
    probability: float = 0.0


def encode_pairs(tokenizer: Any, questions: Sequence[str], contexts: Sequence[str]) -> list[Any]:
    """All windows of all pairs; ``tokenizer`` truncates the second text and pads."""
    encodings = tokenizer.encode_batch(list(zip(questions, contexts, strict=True)))
    return [window for encoding in encodings for window in (encoding, *encoding.overflowing)]


def features(windows: Sequence[Any]) -> Features:
    """Encodings to arrays."""
    columns = ("ids", "attention_mask", "type_ids")
    return Features(*(np.array([getattr(window, name) for window in windows], np.int32) for name in columns))


def decode(
    offsets: Sequence[Sequence[tuple[int, int] | None]],
    start_logits: Sequence[NDArray[np.float32]],
    end_logits: Sequence[NDArray[np.float32]],
    *,
    n_best: int = 20,
    max_answer_length: int = 30,
) -> list[Candidate]:
    """The n best spans of one question.

    Args:
        offsets: for each window, the offsets of its tokens; None outside the context.
        start_logits, end_logits: float32[length] for each window.
        n_best: starts and ends of each window, and spans in all.
        max_answer_length: tokens of a span at most.
    """
    found = []
    for places, start, end in zip(offsets, start_logits, end_logits, strict=True):
        best_starts = np.argsort(start)[: -n_best - 1 : -1].tolist()
        best_ends = np.argsort(end)[: -n_best - 1 : -1].tolist()
        for first in best_starts:
            for last in best_ends:
                if first >= len(places) or last >= len(places):
                    continue
                opening, closing = places[first], places[last]
                if opening is None or closing is None or not first <= last < first + max_answer_length:
                    continue
                found.append(Candidate(opening[0], closing[1], start[first] + end[last]))
    found = sorted(found, key=lambda candidate: candidate.score, reverse=True)[:n_best]
    powers = np.exp(np.array([candidate.score for candidate in found]) - found[0].score)
    shares = (powers / powers.sum()).tolist()
    return [one._replace(probability=share) for one, share in zip(found, shares, strict=True)]
