"""Slow, obvious forms of the Rust core's windows, features and decoding: what the tests compare with.

Nothing here calls the core. Windows and decoding follow run_squad.py of Devlin et al. 2019 (arXiv
1810.04805) and, for unanswerable questions, Rajpurkar et al. 2018 (arXiv 1806.03822).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

# What run_squad.py splits a paragraph's words on.
WHITESPACE = " \t\r\n\u202f"


@dataclass(frozen=True)
class Context:
    """A tokenized text: offsets are [start, end) in code points."""

    text: str
    tokens: Sequence[str]
    offsets: Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Window:
    """One window; its context tokens lie at ``context_start`` and later, before the last ``[SEP]``."""

    question: int
    ids: list[int]
    context_start: int
    context_offset: int

    @property
    def part(self) -> range:
        """Which of the context's tokens the window holds."""
        return range(self.context_offset, self.context_offset + len(self.ids) - 1 - self.context_start)


@dataclass(frozen=True)
class Span:
    """An answer; the null answer has window -1."""

    start: int
    end: int
    logit: np.float32
    null_logit: np.float32
    window: int
    score: float = 0.0


@dataclass(frozen=True)
class Answers:
    """The answers of one question, best first, and the probability that there is none."""

    spans: list[Span]
    no_answer: float


@dataclass(frozen=True)
class Calibration:
    """How margins become probabilities."""

    slope: float = 1.0
    intercept: float = 0.0
    temperature: float = 1.0

    def odds(self, margin: np.float32) -> float:
        """The logarithm of the odds that a context with this best margin holds the answer."""
        return float(np.float32(self.slope)) * float(margin) + float(np.float32(self.intercept))

    def shares(self, margins: Sequence[np.float32]) -> list[float]:
        """Softmax of margins over the temperature, in float64."""
        temperature = float(np.float32(self.temperature))
        powers = [math.exp((float(margin) - float(max(margins))) / temperature) for margin in margins]
        return [power / sum(powers) for power in powers]


def parts(count: int, room: int, doc_stride: int, convention: str) -> list[range]:
    """The token ranges into which a context of ``count`` tokens falls, ``room`` at a time."""
    step = room - doc_stride if convention == "overlap" else min(room, doc_stride)
    found = []
    start = 0
    while True:
        stop = min(start + room, count)
        found.append(range(start, stop))
        if stop == count:
            return found
        start += step


def windows(
    questions: Sequence[Sequence[int]],
    contexts: Sequence[Sequence[int]],
    *,
    cls: int,
    sep: int,
    between: Sequence[int] | None = None,
    max_length: int = 384,
    doc_stride: int = 128,
    convention: str = "advance",
    max_question_length: int | None = 64,
) -> list[Window]:
    """All windows of questions and contexts given as ids; ``between`` them is by default ``sep``."""
    found = []
    for index, (question, context) in enumerate(zip(questions, contexts, strict=True)):
        head = [cls, *list(question)[:max_question_length], *([sep] if between is None else between)]
        room = max_length - len(head) - 1
        for part in parts(len(context), room, doc_stride, convention):
            ids = [*head, *[context[token] for token in part], sep]
            found.append(Window(index, ids, len(head), part.start))
    return found


def batch(found: Sequence[Window], rows: Sequence[int], length: int, pad: int) -> tuple[Ints, Ints, Ints]:
    """``input_ids``, ``attention_mask`` and ``token_type_ids`` of some windows."""
    input_ids, mask, types = [], [], []
    for row in rows:
        ids, start = found[row].ids, found[row].context_start
        padding = [0] * (length - len(ids))
        input_ids.append(ids + [pad] * len(padding))
        mask.append([1] * len(ids) + padding)
        types.append([0] * start + [1] * (len(ids) - start) + padding)
    return np.array(input_ids, np.int32), np.array(mask, np.int32), np.array(types, np.int32)


def max_context(split: Sequence[range], token: int) -> int:
    """Which part gives a token the most context on its poorer side; the first of equals."""
    best_score, best = -1.0, -1
    for index, part in enumerate(split):
        if token in part:
            score = min(token - part.start, part.stop - 1 - token) + 0.01 * len(part)
            if score > best_score:
                best_score, best = score, index
    return best


def null_logit(logits: tuple[Floats, Floats]) -> np.float32:
    """Start plus end logit of ``[CLS]`` in a window."""
    start, end = logits
    null: np.float32 = start[0] + end[0]
    return null


def logistic(odds: float) -> float:
    """The probability that these odds, as a logarithm, stand for."""
    return 1 / (1 + math.exp(-odds)) if odds > -700 else 0.0


def with_null(
    spans: list[Span], null: np.float32, odds: float, top_k: int, threshold: float | None
) -> Answers:
    """Cut to ``top_k``, after the null answer went first where the threshold asks for it."""
    no_answer = logistic(-odds)
    if not spans or (threshold is not None and 1 - float(np.float32(no_answer)) < threshold):
        spans = [Span(0, 0, null, null, -1, no_answer), *spans]
    return Answers(spans[:top_k], no_answer)


def decode_global(
    context: Context,
    found: Sequence[Window],
    logits: Sequence[tuple[Floats, Floats]],
    *,
    first_window: int = 0,
    top_k: int = 1,
    n_best: int = 20,
    max_answer_length: int = 30,
    threshold: float | None = None,
    overlap: bool = False,
    widen: Callable[[int, int], tuple[int, int]] = lambda start, end: (start, end),
    sentence: Callable[[int], int] = lambda _: 0,
    sentence_margin: float = 0.0,
    **calibration: float,
) -> Answers:
    """Mode ``global`` for one question.

    ``first_window`` is the index of its first window; ``widen`` makes a span one of whole words, and
    ``sentence`` is the number of a token's sentence.
    """
    rule = Calibration(**calibration)
    best: dict[tuple[int, int], tuple[np.float32, Span]] = {}
    for index, (window, (start_logits, end_logits)) in enumerate(zip(found, logits, strict=True)):
        shift = window.context_start - window.context_offset
        null = null_logit((start_logits, end_logits))
        for first in window.part:
            for last in range(first, min(first + max_answer_length, window.part.stop)):
                place = widen(context.offsets[first][0], context.offsets[last][1])
                start, end = start_logits[first + shift], end_logits[last + shift]
                margin = (start - null) + end
                if sentence(first) != sentence(last):
                    margin -= np.float32(sentence_margin)
                if place not in best or margin > best[place][0]:
                    best[place] = (margin, Span(*place, start + end, null, first_window + index))
    ranked = sorted(best.values(), key=lambda item: (-item[0], item[1].start, item[1].end))
    if not ranked:
        return with_null([], min(map(null_logit, logits)), -math.inf, top_k, threshold)
    odds = rule.odds(ranked[0][0])
    shares = rule.shares([margin for margin, _ in ranked[:n_best]])
    spans: list[Span] = []
    for rank, (_, span) in enumerate(ranked):
        share = shares[rank] if rank < n_best else 0.0
        if overlap or not any(span.start < other.end and other.start < span.end for other in spans):
            spans.append(replace(span, score=logistic(odds) * share))
    return with_null(spans, ranked[0][1].null_logit, odds, top_k, threshold)


def words(text: str) -> list[tuple[int, int]]:
    """[start, end) of the words between whitespace."""
    found = []
    start = None
    for position, character in enumerate(text + " "):
        if character in WHITESPACE:
            if start is not None:
                found.append((start, position))
            start = None
        elif start is None:
            start = position
    return found


def word_text(tokens: Sequence[str]) -> str:
    """WordPieces put together again, as run_squad.py does it."""
    return " ".join(" ".join(tokens).replace(" ##", "").replace("##", "").split())


def project(predicted: str, original: str, basic: Callable[[str], list[str]]) -> tuple[int, int] | None:
    """``get_final_text``: where a normalised text lies in the original, [start, end).

    ``basic`` normalises and splits a text as the tokenizer does before WordPiece. None where the
    two texts cannot be laid over each other character by character.
    """
    normalised = " ".join(basic(original))
    position = normalised.find(predicted)
    if position == -1 or not predicted:
        return None
    original_places = [place for place, character in enumerate(original) if character != " "]
    normalised_places = [place for place, character in enumerate(normalised) if character != " "]
    if len(original_places) != len(normalised_places):
        return None
    first = normalised_places.index(position)
    last = normalised_places.index(position + len(predicted) - 1)
    return original_places[first], original_places[last] + 1


def final_text(
    context: Context, first: int, last: int, basic: Callable[[str], list[str]]
) -> tuple[str, int, int]:
    """The text that run_squad.py gives for a span of tokens, and [start, end) of the context."""
    start, end = context.offsets[first][0], context.offsets[last][1]
    touched = [word for word in words(context.text) if word[0] < end and start < word[1]]
    # Where the words lie once they are joined by one space.
    places = [place for left, right in touched for place in [*range(left, right), right]][:-1]
    original = " ".join(context.text[left:right] for left, right in touched)
    projected = project(word_text(context.tokens[first : last + 1]), original, basic)
    left, right = projected or (0, len(original))
    return original[left:right], places[left], places[right - 1] + 1


def best_indexes(logits: Floats, n_best: int) -> list[int]:
    """Positions of the largest logits, the earlier of equals first."""
    return sorted(range(len(logits)), key=lambda position: -logits[position])[:n_best]


def candidates(
    found: Sequence[Window], logits: Sequence[tuple[Floats, Floats]], n_best: int, max_answer_length: int
) -> list[tuple[float, int, int, int]]:
    """Score, window, first and last context token; best first, in order of generation where equal.

    Scores are sums in double precision.
    """
    split = [window.part for window in found]
    generated = []
    for index, (window, (start_logits, end_logits)) in enumerate(zip(found, logits, strict=True)):
        shift = window.context_offset - window.context_start
        ends = best_indexes(end_logits, n_best)
        for start in best_indexes(start_logits, n_best):
            first = start + shift
            if start < window.context_start or first not in window.part or max_context(split, first) != index:
                continue
            for end in ends:
                last = end + shift
                if last in window.part and first <= last < first + max_answer_length:
                    score = float(start_logits[start]) + float(end_logits[end])
                    generated.append((score, index, first, last))
    return sorted(generated, key=lambda candidate: -candidate[0])


def decode_squad(
    context: Context,
    found: Sequence[Window],
    logits: Sequence[tuple[Floats, Floats]],
    *,
    basic: Callable[[str], list[str]],
    whole: Callable[[int, int], tuple[int, int]] = lambda start, end: (start, end),
    first_window: int = 0,
    top_k: int = 1,
    n_best: int = 20,
    max_answer_length: int = 30,
    threshold: float | None = None,
    **calibration: float,
) -> Answers:
    """Mode ``squad`` for one question: the n-best list of run_squad.py's ``write_predictions``.

    ``whole`` widens a span to whole graphemes.
    """
    rule = Calibration(**calibration)
    null = min(map(null_logit, logits))
    listed: list[Span] = []
    margins: list[np.float32] = []
    seen = set()
    for logit, index, first, last in candidates(found, logits, n_best, max_answer_length):
        if len(listed) == n_best:
            break
        text, *place = final_text(context, first, last, basic)
        if text not in seen:
            seen.add(text)
            start, end = whole(*place)
            if all((span.start, span.end) != (start, end) for span in listed):
                listed.append(Span(start, end, np.float32(logit), null, first_window + index))
                margins.append(np.float32(logit - float(null)))
    if not listed:
        return with_null([], null, -math.inf, top_k, threshold)
    odds = rule.odds(margins[0])
    shares = zip(listed, rule.shares(margins), strict=True)
    spans = [replace(span, score=logistic(odds) * share) for span, share in shares]
    return with_null(spans, null, odds, top_k, threshold)
