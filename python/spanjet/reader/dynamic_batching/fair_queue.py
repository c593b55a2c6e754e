"""Queue the windows of concurrent calls fairly between short and long ones."""

from bisect import bisect_left
from collections import OrderedDict, deque
from typing import NamedTuple

from spanjet.reader.dynamic_batching.call import Call

__all__ = ["CLASSES", "FairQueue", "Taken", "length_class"]

BOUNDS = (128, 512, 2048, 8192)
"""Maximum tokens of the calls of each length class but the last."""

CLASSES = len(BOUNDS) + 1


def length_class(tokens: int) -> int:
    """Return the length class of a call with so many tokens, from 0 for the shortest."""
    return bisect_left(BOUNDS, tokens)


class Taken(NamedTuple):
    """Windows that left the queue to run as one batch.

    Attributes:
        length: padded length of all of them.
        parts: calls, each with the indices of its windows.
        rows: number of windows.
        length_class: the class of the calls.
    """

    length: int
    parts: list[tuple[Call, list[int]]]
    rows: int
    length_class: int


class _LengthClass:
    """Calls of similar length.

    Attributes:
        tokens: number of waiting tokens.
        virtual_time: tokens that the class has been served, as if it had always had something to serve.
        calls: calls by the padded length of their waiting windows, in order of arrival.
    """

    def __init__(self) -> None:
        self.tokens = 0
        self.virtual_time = 0
        self.calls: dict[int, OrderedDict[Call, deque[int]]] = {}

    def oldest(self) -> int:
        """Return the padded length whose first call has waited longest."""
        return min(self.calls, key=lambda length: next(iter(self.calls[length])).entered)

    def remove(self, call: Call, length: int) -> None:
        """Remove the windows of a call that have one padded length."""
        calls = self.calls[length]
        del calls[call]
        if not calls:
            del self.calls[length]


class FairQueue:
    """Queue of windows in length classes, which share the engine equally while they have something waiting.

    The class that has been served the fewest tokens is next (start-time fair queueing, Goyal et al. 1996), so
    that a short question does not wait for long texts, and long texts are not put off for ever. Within a
    class the call that came first is next; windows of the same padded length, in order of arrival, may share
    its batch. Padding them to share one with others would cost more than it saves.

    Attributes:
        tokens: number of waiting tokens, padding included.
    """

    def __init__(self) -> None:
        self._classes = [_LengthClass() for _ in range(CLASSES)]
        self._virtual_time = 0
        self.tokens = 0

    def add(self, call: Call) -> None:
        """Let a call's windows wait."""
        chosen = self._classes[length_class(call.tokens)]
        if not chosen.tokens:
            # What it did not use while it was empty is lost.
            chosen.virtual_time = max(chosen.virtual_time, self._virtual_time)
        for length, rows in call.waiting.items():
            chosen.calls.setdefault(length, OrderedDict())[call] = rows
        chosen.tokens += call.tokens
        self.tokens += call.tokens

    def discard(self, call: Call) -> None:
        """Remove the windows of a call that still wait."""
        chosen = self._classes[length_class(call.tokens)]
        for length, rows in call.waiting.items():
            if call in chosen.calls.get(length, ()):
                chosen.remove(call, length)
                chosen.tokens -= length * len(rows)
                self.tokens -= length * len(rows)
        call.waiting.clear()

    def take(self, batch_tokens: int, streams: int) -> Taken | None:
        """Take the next batch.

        Args:
            batch_tokens: maximum tokens of the batch, padding included; a longer window is its own batch.
            streams: number of streams that share what waits; a batch takes its share, so that none is idle.

        Returns:
            None if nothing waits.
        """
        if not self.tokens:
            return None
        place, chosen = min(
            ((place, each) for place, each in enumerate(self._classes) if each.tokens),
            key=lambda item: item[1].virtual_time,
        )
        length = chosen.oldest()
        share = -(-self.tokens // streams)
        parts, rows = self._pick(chosen, length, max(1, batch_tokens // length), max(1, share // length))
        served = rows * length
        chosen.tokens -= served
        self.tokens -= served
        self._virtual_time = chosen.virtual_time
        chosen.virtual_time += served
        return Taken(length, parts, rows, place)

    def oldest(self) -> float:
        """Return the time at which the call that has waited longest came; something must wait."""
        calls = (calls for each in self._classes for calls in each.calls.values())
        return min(next(iter(each)).entered for each in calls)

    def waiting(self) -> list[int]:
        """Return the number of waiting tokens of each length class."""
        return [each.tokens for each in self._classes]

    @staticmethod
    def _pick(
        chosen: _LengthClass, length: int, full: int, share: int
    ) -> tuple[list[tuple[Call, list[int]]], int]:
        """Take windows of one length: a full batch, or half of it, a quarter …, so that there are few shapes.

        Args:
            chosen: class of the windows.
            length: padded length of the windows.
            full: number of windows of a full batch.
            share: maximum number of windows.
        """
        calls = chosen.calls[length]
        there = 0
        for rows in calls.values():
            there += len(rows)
            if there >= full:
                break
        count = full
        while count > min(there, share):
            count //= 2
        parts = []
        left = count
        while left:
            call, rows = next(iter(calls.items()))
            picked = [rows.popleft() for _ in range(min(left, len(rows)))]
            parts.append((call, picked))
            left -= len(picked)
            if not rows:
                chosen.remove(call, length)
                del call.waiting[length]
        return parts, count
