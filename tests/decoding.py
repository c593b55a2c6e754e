"""Decoding compared with the slow reference, for random logits and for a model's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import peer
import reference
from numpy.typing import NDArray
from spanjet import Spans, Tokenizer, Windows, decode

Floats = NDArray[np.float32]
Mode = Literal["global", "squad"]
MODES: tuple[Mode, ...] = ("global", "squad")


@dataclass(frozen=True)
class Case:
    """Windows, and what the reference needs to know about them."""

    windows: Windows
    listed: list[reference.Window]
    contexts: list[reference.Context]
    peer: Any

    def basic(self, text: str) -> list[str]:
        return peer.basic_tokens(self.peer, text)


def case(path: Path, questions: Sequence[str], contexts: Sequence[str], **options: Any) -> Case:
    windows = Tokenizer(path).windows(questions, contexts, **options)
    parts = np.split(windows.ids, windows.indptr[1:-1])
    columns = (windows.question, windows.context_start, windows.context_offset)
    rows = [column.tolist() for column in columns]
    listed = [
        reference.Window(question, part.tolist(), start, offset)
        for part, question, start, offset in zip(parts, *rows, strict=True)
    ]
    tokenized = [
        reference.Context(context.text, context.tokens, [(a, b) for a, b in context.offsets.tolist()])
        for context in windows.contexts
    ]
    return Case(windows, listed, tokenized, peer.load(path))


def assert_equal(data: Case, start: Floats, end: Floats, mode: Mode, **options: Any) -> Spans:
    spans = decode(data.windows, start, end, mode=mode, **options)
    assert len(spans.indptr) == len(data.contexts) + 1
    for question, context in enumerate(data.contexts):
        numbers = [index for index, window in enumerate(data.listed) if window.question == question]
        found = [data.listed[index] for index in numbers]
        cuts = [slice(*data.windows.indptr[index : index + 2]) for index in numbers]
        logits = [(start[cut], end[cut]) for cut in cuts]
        if mode == "squad":
            wanted = reference.decode_squad(
                context, found, logits, basic=data.basic, first_window=numbers[0], **options
            )
        else:
            wanted = reference.decode_global(context, found, logits, first_window=numbers[0], **options)
        assert_question_equal(spans, question, context.text, wanted)
    return spans


def assert_question_equal(spans: Spans, question: int, text: str, wanted: reference.Answers) -> None:
    rows = range(spans.indptr[question], spans.indptr[question + 1])
    found = [(spans.start[i], spans.end[i], spans.score[i], spans.window[i]) for i in rows]
    assert found == [(span.start, span.end, span.score, span.window) for span in wanted.spans]
    shares = [span.probability for span in wanted.spans]
    np.testing.assert_allclose(spans.probability[rows.start : rows.stop], shares, rtol=1e-6, atol=1e-37)
    assert spans.null_score[question] == wanted.null_score
    np.testing.assert_allclose(
        spans.null_probability[question], wanted.null_probability, rtol=1e-6, atol=1e-37
    )
    for i in rows:
        assert spans.byte_start[i] == len(text[: spans.start[i]].encode())
        assert spans.byte_end[i] == len(text[: spans.end[i]].encode())
