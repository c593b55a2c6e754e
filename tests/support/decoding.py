"""Decoding compared with the slow reference, for random logits and for a model's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import peer
import reference
import segments
from numpy.typing import NDArray
from spanjet import Spans, Tokenizer, Windows, decode_spans, sentence

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
    windows = Tokenizer(path, match_special_tokens=True).windows(questions, contexts, **options)
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


def sentences_of(context: reference.Context) -> Callable[[int], int]:
    """The number of each token's sentence, by the core's own notion of one."""
    starts = [sentence(context.text, start, end)[0] for start, end in context.offsets]
    return lambda token: starts[token]


def assert_equal(
    data: Case, start: Floats, end: Floats, mode: Mode, *, align_to_words: bool = True, **options: Any
) -> Spans:
    spans = decode_spans(data.windows, start, end, mode=mode, align_to_words=align_to_words, **options)
    assert len(spans.indptr) == len(data.contexts) + 1
    for question, context in enumerate(data.contexts):
        numbers = [index for index, window in enumerate(data.listed) if window.question == question]
        found = [data.listed[index] for index in numbers]
        cuts = [slice(*data.windows.indptr[index : index + 2]) for index in numbers]
        logits = [(start[cut], end[cut]) for cut in cuts]
        whole = segments.graphemes_of(context.text)
        rules: dict[str, Any] = {"first_window": numbers[0], **options}
        if mode == "squad":
            uncut = segments.uncut_of(context.text)
            wanted = reference.decode_squad(context, found, logits, basic=data.basic, whole=uncut, **rules)
        else:
            widen = segments.words_of(context.text) if align_to_words else whole
            if "sentence_margin" in options:
                rules["sentence"] = sentences_of(context)
            wanted = reference.decode_global(context, found, logits, widen=widen, **rules)
        assert_question_equal(spans, question, context.text, wanted)
    return spans


def assert_question_equal(spans: Spans, question: int, text: str, wanted: reference.Answers) -> None:
    rows = slice(*spans.indptr[question : question + 2])
    columns = (spans.start, spans.end, spans.logit, spans.null_logit, spans.window)
    found = list(zip(*(column[rows] for column in columns), strict=True))
    expected = [(span.start, span.end, span.logit, span.null_logit, span.window) for span in wanted.spans]
    assert found == expected
    scores = [span.score for span in wanted.spans]
    np.testing.assert_allclose(spans.score[rows], scores, rtol=1e-6, atol=1e-37)
    np.testing.assert_allclose(spans.no_answer[question], wanted.no_answer, rtol=1e-6, atol=1e-37)
    for i in range(rows.start, rows.stop):
        assert spans.byte_start[i] == len(text[: spans.start[i]].encode())
        assert spans.byte_end[i] == len(text[: spans.end[i]].encode())
