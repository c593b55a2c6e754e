"""Graphemes and words by a peer's rules (Unicode Standard Annex 29), and where answers may begin and end."""

from __future__ import annotations

import unicodedata
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
    return frozenset(starts) & graphemes(text), frozenset(ends) & graphemes(text)


def words_of(text: str) -> Widen:
    """Widen a range to whole words."""
    starts, ends = bounds(text)
    return lambda start, end: (max(p for p in starts if p <= start), min(p for p in ends if p >= end))


def graphemes_of(text: str) -> Widen:
    """Widen a range to whole graphemes."""
    places = graphemes(text)
    return lambda start, end: (max(p for p in places if p <= start), min(p for p in places if p >= end))


def is_stripped(text: str, white_space: str | None) -> bool:
    """Whether no white space is around a text, but for what makes a grapheme with the mark behind it."""
    inner = text.strip(white_space)
    if not inner or inner[-1] != text[-1]:
        return False
    return inner == text or unicodedata.category(inner[0])[0] == "M"
