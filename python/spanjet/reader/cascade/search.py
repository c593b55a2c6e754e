"""Search passages with a small model, and the best windows of all of them with a large one."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, count
from typing import Any, NamedTuple

import numpy as np

from spanjet.reader.cascade.cascade import Cascade
from spanjet.reader.passages import Passage, SearchResult
from spanjet.reader.pipeline import Chunk
from spanjet.reader.search import AskedPassage, Candidate, Part, Search, count_tokens

__all__ = ["CascadeSearch"]


class _Place(NamedTuple):
    """Place that the first model ranks.

    Attributes:
        key: margin, and the order of arrival, by which no two are equal; the least leaves the heap first.
        candidate: passage.
        character: where the best span begins, in code points.
    """

    key: tuple[float, int]
    candidate: Candidate
    character: int


class CascadeSearch(Search):
    """Search in which the first model reads all passages, and the second the best windows of a question.

    Those are the best ones of all passages together. Passages without one of them count as holding nothing.
    If no question has more windows in all passages than are reread, the second model reads all of them, and
    the results are those of its own search.

    Args:
        cascade: pipeline of both models.
        questions: see `Search`.
        options: the other arguments of `Search`.

    Raises:
        ValueError, TypeError: as `Search`.
    """

    def __init__(self, cascade: Cascade, questions: Sequence[str], **options: Any) -> None:
        super().__init__(cascade.alone, questions, **options)
        self._prepare = cascade.prepare
        self._cascade = cascade
        self._places: list[list[_Place]] = [[] for _ in questions]
        self._arrivals = count()

    def run(self, passages: Iterable[Passage], threshold: float | None) -> list[SearchResult]:
        """Search passages (see `Search.run`)."""
        pairs = self._pairs(passages)
        read = self._read(pairs)
        if read and self._is_short(read):
            self._run_alone(read, self._prepared(read))
        elif read:
            # An exhausted iterator frees its list, and the passages in it.
            chunks = self._first_chunks(chain(iter(read), pairs))
            del read
            for chunk in self._cascade.first.run(chunks):
                self._rank(self._under_way.popleft(), chunk)
            self._run_alone(*self._best_windows())
        return self.results(threshold)

    def parts(self, passages: Iterable[Passage]) -> Iterator[Part]:
        """Split a search into parts (see `Search.parts`); the first model's come first."""
        pairs = self._pairs(passages)
        read = self._read(pairs)
        if read and self._is_short(read):
            yield Part(count_tokens(read), partial(self._prepared, read), partial(self._collect, read))
            return
        while read:
            prepare, collect = partial(self._first_chunk, read), partial(self._rank, read)
            yield Part(count_tokens(read), prepare, collect, is_first_pass=True)
            read = self._read(pairs)
        chosen, chunk = self._best_windows()
        if chosen:
            yield Part(len(chunk.windows.ids), lambda: chunk, partial(self._collect, chosen))

    def _is_short(self, pairs: list[AskedPassage]) -> bool:
        """Return True if these are all pairs, and no question has more windows than are reread."""
        if not self._exhausted:
            return False
        asked = np.array([pair.question for pair in pairs], np.int64)
        counts = np.bincount(asked[self._prepared(pairs).windows.question])
        return int(counts.max(initial=0)) <= self._cascade.most

    def _first_chunks(self, pairs: Iterator[AskedPassage]) -> Iterator[Chunk]:
        while read := self._read(pairs):
            self._under_way.append(read)
            yield self._cascade.first.planned(self._first_chunk(read))

    def _first_chunk(self, pairs: list[AskedPassage]) -> Chunk:
        self._prepared(pairs)  # with the errors of the second model, before the first has read everything
        documents = [pair.candidate.document for pair in pairs]
        return Chunk(documents, self._cascade.first_windows(self._asked(pairs), documents))

    def _rank(self, pairs: list[AskedPassage], chunk: Chunk) -> None:
        """Keep the best places of a complete chunk of the first model."""
        margins, starts = self._cascade.rank(chunk)
        rows = zip(chunk.windows.question.tolist(), margins.tolist(), starts.tolist(), strict=True)
        for index, margin, character in rows:
            pair = pairs[index]
            heap = self._places[pair.question]
            place = _Place((margin, -next(self._arrivals)), pair.candidate, character)
            if len(heap) < self._cascade.most:
                heapq.heappush(heap, place)
            else:
                heapq.heappushpop(heap, place)

    def _best_windows(self) -> tuple[list[AskedPassage], Chunk]:
        """Return the passages of the best places, and the chunk of the windows to reread."""
        places = [
            (place.candidate.position, question, place)
            for question, heap in enumerate(self._places)
            for place in heap
        ]
        places.sort(key=lambda each: each[:2])
        pairs: dict[tuple[int, int], AskedPassage] = {}
        for position, question, place in places:
            pairs.setdefault((position, question), AskedPassage(question, place.candidate))
        chosen = list(pairs.values())
        index_of = {key: index for index, key in enumerate(pairs)}
        chunk = self._prepared(chosen)
        indices = np.array([index_of[place[:2]] for place in places], np.int64)
        characters = np.array([place.character for *_, place in places], np.int32)
        rows = np.unique(chunk.windows.central(indices, characters))
        return chosen, Chunk(chunk.contexts, chunk.windows.select(rows))
