"""Windows for training, drawn anew each epoch from prepared arrays; numpy alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Arrays", "Batch", "Layout", "Sampling", "Window", "batches", "collate", "windows"]

MAX_LENGTH = 384


class Layout(NamedTuple):
    """How a question and a context become one sequence.

    Attributes:
        cls, sep, pad: ids of the special tokens.
        between: separators between question and context: 1 for BERT, 2 for MPNet.
    """

    cls: int
    sep: int
    pad: int
    between: int = 1


class Window(NamedTuple):
    """A question and a part of the running text of an article.

    Attributes:
        question: row of the question.
        begin, end: tokens of the context among those of all paragraphs.
        first, last: tokens of the answer, counted from ``begin``; -1: the context has no answer.
    """

    question: int
    begin: int
    end: int
    first: int
    last: int


class Batch(NamedTuple):
    """Model inputs of some windows, padded to a multiple of 8.

    Attributes:
        ids, types: int64[windows, length].
        mask, allowed: bool[windows, length], the tokens, and those where an answer may begin or end.
        first, last: int64[windows], 0 ([CLS]): no answer.
    """

    ids: NDArray[np.int64]
    types: NDArray[np.int64]
    mask: NDArray[np.bool_]
    allowed: NDArray[np.bool_]
    first: NDArray[np.int64]
    last: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which windows an epoch has besides each question with its own paragraph.

    Attributes:
        elsewhere: share of answerable questions that also come with another part of their article, which
            does not hold the answer's words.
        article: share of answerable questions, and of those that also come elsewhere, whose context is a
            full window of the running article in place of a paragraph.
        unanswered: share of the unanswerable questions that come, drawn anew each epoch.
        max_length: tokens of a window at most. Shorter ones are cut at random around the answer.
    """

    elsewhere: float = 0.15
    article: float = 0.06
    unanswered: float = 1.0
    max_length: int = MAX_LENGTH

    def __post_init__(self) -> None:
        for name in ("elsewhere", "article", "unanswered"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected 0 to 1")
        if not 0 < self.max_length <= MAX_LENGTH:
            raise ValueError(f"max_length is {self.max_length}; expected 1 to {MAX_LENGTH}")


class Arrays:
    """What `recipes.prepare` wrote.

    Args:
        values: the arrays by name (see `recipes.prepare.arrays`).
        layout: of the model that they are for.

    Raises:
        ValueError: the paragraphs of an article are not together.
    """

    def __init__(self, values: Mapping[str, NDArray[np.int32]], layout: Layout) -> None:
        self.layout = layout
        self.tokens = values["paragraph_ids"]
        self.paragraph_begin = values["paragraph_indptr"]
        self.questions = values["question_ids"]
        self.question_begin = values["question_indptr"]
        self.paragraph = values["paragraph"]
        self.first, self.last = values["first"], values["last"]
        self.article = values["article"]
        paragraphs = np.arange(len(self.article))
        self.article_first = np.searchsorted(self.article, self.article, side="left")
        self.article_last = np.searchsorted(self.article, self.article, side="right") - 1
        if (np.diff(self.article) < 0).any() or len(paragraphs) != len(self.paragraph_begin) - 1:
            raise ValueError("the paragraphs of an article are not together")

    @classmethod
    def load(cls, file: Path, layout: Layout) -> "Arrays":
        """Read a file that `recipes.prepare` wrote."""
        with np.load(file) as values:
            return cls(dict(values), layout)

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.paragraph)

    def rooms(self, max_length: int = MAX_LENGTH) -> NDArray[np.int64]:
        """Count the tokens that a window of each question has for the context; 0 or less: none."""
        special = 2 + self.layout.between
        return max_length - np.diff(self.question_begin) - special

    def answer(self, question: int) -> tuple[int, int]:
        """Find the answer's tokens among those of all paragraphs, [first, last]."""
        begin = int(self.paragraph_begin[self.paragraph[question]])
        return begin + int(self.first[question]), begin + int(self.last[question])

    def holds(self, begin: int, end: int, question: int) -> bool:
        """Return True if the tokens of the question's answer stand in a row somewhere in [begin, end)."""
        first, last = self.answer(question)
        needle, hay = self.tokens[first : last + 1].tobytes(), self.tokens[begin:end].tobytes()
        at = hay.find(needle)
        while at >= 0 and at % self.tokens.itemsize:
            at = hay.find(needle, at + 1)
        return at >= 0


def windows(arrays: Arrays, sampling: Sampling, seed: tuple[int, int]) -> list[Window]:
    """Draw the windows of an epoch, in the order of the questions.

    Args:
        arrays: questions and paragraphs.
        sampling: shares, and the length of a window.
        seed: of the run, and the epoch.
    """
    rng = np.random.default_rng(seed)
    found: list[Window] = []
    # Lists, because an item of an array takes ten times as long to read.
    bounds, firsts = arrays.paragraph_begin.tolist(), arrays.first.tolist()
    rooms = arrays.rooms(sampling.max_length).tolist()
    for question, paragraph in enumerate(arrays.paragraph.tolist()):
        begin, end = bounds[paragraph], bounds[paragraph + 1]
        is_answered, room = firsts[question] >= 0, rooms[question]
        # Nothing is drawn where all come: epochs of the default stay what they are.
        is_left_out = not is_answered and sampling.unanswered < 1 and rng.random() >= sampling.unanswered
        if room <= 0 or is_left_out:
            continue
        if is_answered and rng.random() < sampling.article:
            begin, end = _article(arrays, paragraph)
        window = _cut(arrays, question, (begin, end), room, rng)
        if window is not None:
            found.append(window)
        if is_answered and rng.random() < sampling.elsewhere:
            window = _elsewhere(arrays, question, paragraph, room, sampling.article, rng)
            if window is not None:
                found.append(window)
    return found


def _article(arrays: Arrays, paragraph: int) -> tuple[int, int]:
    first, last = arrays.article_first[paragraph], arrays.article_last[paragraph]
    return int(arrays.paragraph_begin[first]), int(arrays.paragraph_begin[last + 1])


def _cut(
    arrays: Arrays, question: int, part: tuple[int, int], room: int, rng: np.random.Generator
) -> Window | None:
    """Cut a window of a part of the text at a random place, with the whole answer if there is one."""
    begin, end = part
    low, high = begin, max(begin, end - room)
    if arrays.first[question] < 0:
        start = int(rng.integers(low, high + 1))
        return Window(question, start, min(end, start + room), -1, -1)
    first, last = arrays.answer(question)
    low, high = max(low, last + 1 - room), min(high, first)
    if low > high:
        return None
    start = int(rng.integers(low, high + 1))
    return Window(question, start, min(end, start + room), first - start, last - start)


def _elsewhere(
    arrays: Arrays, question: int, paragraph: int, room: int, article: float, rng: np.random.Generator
) -> Window | None:
    """Cut another part of the article, where the words of the answer do not stand.

    ``article``: share of windows of the running article.
    """
    begin, end = _article(arrays, paragraph)
    if rng.random() < article:
        start = int(rng.integers(begin, max(begin, end - room) + 1))
        stop = min(end, start + room)
    else:
        first, last = int(arrays.article_first[paragraph]), int(arrays.article_last[paragraph])
        if first == last:
            return None
        other = int(rng.integers(first, last))
        other += other >= paragraph
        begin, end = (int(bound) for bound in arrays.paragraph_begin[other : other + 2])
        start = int(rng.integers(begin, max(begin, end - room) + 1))
        stop = min(end, start + room)
    if stop <= start or arrays.holds(start, stop, question):
        return None
    return Window(question, start, stop, -1, -1)


def batches(
    arrays: Arrays, found: list[Window], tokens: int, seed: tuple[int, int], *, most: int | None = None
) -> list[list[Window]]:
    """Put the windows of an epoch into batches in random order; windows of like length share one.

    Args:
        arrays: the questions' lengths.
        found: windows.
        tokens: rows times length of a batch at most.
        seed: of the run, and the epoch.
        most: rows at most; None: 64, or one for each 128 of ``tokens`` if that is more.
    """
    rng = np.random.default_rng((*seed, 1))
    most = max(64, tokens // 128) if most is None else most
    outside = MAX_LENGTH - arrays.rooms()
    lengths = np.array([outside[w.question] + w.end - w.begin for w in found])
    order = rng.permutation(len(found))
    made: list[list[Window]] = []
    for chunk in np.array_split(order, max(1, len(order) // 2400)):
        current: list[Window] = []
        for index in chunk[np.argsort(lengths[chunk], kind="stable")]:
            if current and (lengths[index] * (len(current) + 1) > tokens or len(current) == most):
                made.append(current)
                current = []
            current.append(found[index])
        made.append(current)
    return [made[index] for index in rng.permutation(len(made))]


def collate(arrays: Arrays, chosen: list[Window]) -> Batch:
    """Make the model inputs of some windows."""
    cls, sep, pad, between = arrays.layout
    parts = [
        (
            arrays.questions[arrays.question_begin[w.question] : arrays.question_begin[w.question + 1]],
            arrays.tokens[w.begin : w.end],
        )
        for w in chosen
    ]
    longest = max(len(question) + len(context) + 2 + between for question, context in parts)
    length = -(-longest // 8) * 8
    ids = np.full((len(chosen), length), pad, np.int64)
    types = np.zeros_like(ids)
    mask = np.zeros(ids.shape, bool)
    allowed = np.zeros(ids.shape, bool)
    bounds = np.zeros((2, len(chosen)), np.int64)
    for row, (window, (question, context)) in enumerate(zip(chosen, parts, strict=True)):
        at = len(question) + 1 + between
        end = at + len(context)
        ids[row, : end + 1] = [cls, *question, *[sep] * between, *context, sep]
        types[row, at : end + 1] = 1
        mask[row, : end + 1] = True
        allowed[row, 0] = allowed[row, at:end] = True
        if window.first >= 0:
            bounds[:, row] = at + window.first, at + window.last
    return Batch(ids, types, mask, allowed, bounds[0], bounds[1])
