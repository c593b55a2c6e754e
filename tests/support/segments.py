"""Graphemes and words by a peer's rules (Unicode Standard Annex 29), and where answers may begin and end."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise

from uniseg.graphemecluster import grapheme_cluster_boundaries
from uniseg.wordbreak import word_boundaries

Widen = Callable[[int, int], tuple[int, int]]


@cache
def graphemes(text: str) -> frozenset[int]:
    """Code points at which graphemes begin or end."""
    return frozenset({0, len(text), *grapheme_cluster_boundaries(text)})


@cache
def bounds(text: str) -> tuple[frozenset[int], frozenset[int]]:
    """Code points at which answers of whole words may begin, and may end."""
    places = sorted({0, len(text), *word_boundaries(text)})
    starts, ends = set(places), set(places)
    for left, right in pairwise(places):
        for place in range(left, right):
            before, after = text[left:place], text[place + 1 : right]
            if text[place] in "'\u2019":
                ends |= {place} if len(after) in (1, 2) and after != "t" else set()
                starts |= {place + 1} if len(before) in (1, 2) else set()
            missing_space = text[place] == "." and before[-1:].islower() and after[:1].isupper()
            if text[place] == ":" or missing_space:
                ends.add(place)
                starts.add(place + 1)
    return after_white_space(text, frozenset(starts) & graphemes(text)), frozenset(ends) & graphemes(text)


def after_white_space(text: str, starts: frozenset[int]) -> frozenset[int]:
    """A mark behind white space makes a grapheme with it, and an answer begins with the mark."""

    def is_white(character: str) -> bool:  # Python counts four control characters too
        return character.isspace() and not "\x1c" <= character <= "\x1f"

    return frozenset(start + is_white(text[start : start + 1]) for start in starts)


def words_of(text: str) -> Widen:
    """Widen a range to whole words."""
    starts, ends = bounds(text)
    return lambda start, end: (max(p for p in starts if p <= start), min(p for p in ends if p >= end))


def graphemes_of(text: str) -> Widen:
    """Widen a range to whole graphemes."""
    ends = graphemes(text)
    starts = after_white_space(text, ends)
    return lambda start, end: (max(p for p in starts if p <= start), min(p for p in ends if p >= end))


def uncut_of(text: str) -> Widen:
    """Widen a range that cuts graphemes, as mode squad does; one that begins with white space stays."""
    bounds, widen = graphemes(text), graphemes_of(text)

    def uncut(start: int, end: int) -> tuple[int, int]:
        left = start if start in bounds else widen(start, end)[0]
        return left, min(place for place in bounds if place >= end)

    return uncut
