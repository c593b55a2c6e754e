"""Mark the tokens of the reference answers in windows."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spanjet._core import Encoding, Windows
from spanjet.compress.distill.distillation import ANSWERS
from spanjet.evaluate import Question

__all__ = ["mark_answers"]

_NO_ANSWER = (0, 0)


def mark_answers(
    windows: Windows, questions: Sequence[Question], count: int
) -> list[dict[str, NDArray[np.int32]]]:
    """Mark first and last token of the reference answers in windows.

    A data set tells the text of an answer: its place is known if the text is there once. In a window that
    holds none of the answer, and for a question without one, [CLS] is marked; in one that holds a part of it,
    and where the place is not known, nothing is.

    Args:
        windows: windows of the questions.
        questions: the questions, with their answers.
        count: number of windows, from the first one on.

    Returns:
        For each window the arrays `ANSWERS`, int32[1, tokens].
    """
    contexts = windows.contexts
    lengths = np.diff(windows.indptr)
    marked = []
    for row in range(count):
        index = int(windows.question[row])
        answer = _answer(questions[index])
        places = (
            _NO_ANSWER if answer == _NO_ANSWER else answer and _tokens(windows, contexts[index], row, answer)
        )
        marks = [np.zeros((1, int(lengths[row])), np.int32) for _ in ANSWERS]
        for values, place in zip(marks, places or (), strict=False):
            values[0, place] = 1
        marked.append(dict(zip(ANSWERS, marks, strict=True)))
    return marked


def _answer(question: Question) -> tuple[int, int] | None:
    """Find start and end of the answer in code points, 0 and 0 if there is none; None: not known."""
    if not question.answers:
        return _NO_ANSWER
    text = question.answers[0]
    start = question.context.find(text)
    if not text or start < 0 or question.context.find(text, start + 1) >= 0:
        return None
    return start, start + len(text)


def _tokens(windows: Windows, context: Encoding, row: int, answer: tuple[int, int]) -> tuple[int, int] | None:
    """Find the answer's first and last token; 0 and 0 if the window holds none, None if it holds a part."""
    touched = np.flatnonzero((context.offsets[:, 1] > answer[0]) & (context.offsets[:, 0] < answer[1]))
    begin, skipped = int(windows.context_start[row]), int(windows.context_offset[row])
    ids = windows.ids[int(windows.indptr[row]) + begin : int(windows.indptr[row + 1])]
    there = context.ids[skipped : skipped + len(ids)]
    count = int((there == ids[: len(there)]).sum())  # separators follow
    inside = touched[(touched >= skipped) & (touched < skipped + count)]
    if not len(touched) or 0 < len(inside) < len(touched):
        return None
    if not len(inside):
        return _NO_ANSWER
    return begin + int(inside[0]) - skipped, begin + int(inside[-1]) - skipped
