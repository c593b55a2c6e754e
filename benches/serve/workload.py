"""Questions to send, their length classes, and the answers that `Reader` gives."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from spanjet import Reader
from spanjet.files.datasets.squad import load_squad

CLASSES = {"128": 128, "384": 384}
"""Tokens of a question's only window at most, by the name of the class."""

LONGER = "more windows"

COMPARED = ("text", "start", "end", "score", "no_answer")


@dataclass(frozen=True)
class Item:
    """One request and what is known of it.

    Attributes:
        body: of ``POST /v1/ask``.
        length_class: a key of `CLASSES`, or `LONGER`.
        answer: what the best answer must be, by the names of `COMPARED`.
    """

    body: dict[str, Any]
    length_class: str
    answer: dict[str, Any]

    def is_answered_by(self, content: Any) -> bool:
        """Whether a response's content is the answer, to the bit of its single-precision scores."""
        first = content["answers"][0]
        return all(first[name] == value for name, value in self.answer.items())


def make_workload(path: Path, count: int, *, seed: int = 0) -> list[Item]:
    """Sample questions of a SQuAD file, and answer them by `Reader.ask_many`."""
    questions = load_squad(path).questions
    chosen = random.Random(seed).choices(questions, k=count)
    reader = Reader()
    pairs = [each.question for each in chosen], [each.context for each in chosen]
    windows = reader.windows(*pairs)
    lengths = np.diff(windows.indptr)
    number = Counter(windows.question.tolist())
    longest: dict[int, int] = {}
    for question, length in zip(windows.question.tolist(), lengths.tolist(), strict=True):
        longest[question] = max(longest.get(question, 0), length)
    items = []
    for index, answers in enumerate(reader.ask_many(*pairs)):
        best = answers[0].as_dict()
        body = {"question": pairs[0][index], "context": pairs[1][index]}
        kind = LONGER if number[index] > 1 else _class_of(longest[index])
        items.append(Item(body, kind, {name: best[name] for name in COMPARED}))
    return items


def _class_of(tokens: int) -> str:
    return next((name for name, most in CLASSES.items() if tokens <= most), LONGER)
