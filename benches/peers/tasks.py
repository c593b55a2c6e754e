"""What the contestants are given: a work, and its input."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import spanjet
from numpy.typing import NDArray

from benches.example_scripts import DOC_STRIDE, MAX_LENGTH
from benches.peers import texts

UNCASED = Path(__file__).parents[2] / "tests" / "data" / "tokenizers" / "bert-base-uncased"

UNITS = {
    "ids": "MB/s",
    "ids + offsets": "MB/s",
    "features": "questions/s",
    "decode, 20 of 20": "windows/s",
    "decode, 1 of 20": "windows/s",
}
"""The works, and the unit of their speed."""

N_BEST = 20
PARAGRAPHS_OF_A_CONTEXT = 8
Places = list[tuple[int, int] | None]


@dataclass(frozen=True)
class Pairs:
    """Questions and the context of each."""

    questions: list[str]
    contexts: list[str]


@dataclass(frozen=True)
class Logits:
    """Logits of all windows, float32[windows, `MAX_LENGTH`], and what the example scripts keep beside."""

    windows: spanjet.Windows
    start: NDArray[np.float32]
    end: NDArray[np.float32]
    offsets: list[Places]


@dataclass(frozen=True)
class Task:
    """A work on a text.

    Args:
        work: a key of `UNITS`.
        text: a key of `texts.MAKERS`.
        squad_file: where the text ``SQuAD`` comes from; None: the committed excerpt.
        scale: what the text's size is multiplied by.
    """

    work: str
    text: str
    squad_file: Path | None = None
    scale: float = 1.0

    @property
    def renewed(self) -> bool:
        """Whether every turn needs a text of its own."""
        return self.text == "new words"

    def inputs(self, seed: int, threads: int | None) -> Any:
        """A list of texts, `Pairs` or `Logits`."""
        if self.work == "features":
            size = int(texts.MAKERS[self.text][1] * self.scale)
            given = self.squad_file
            pairs = texts.squad_pairs(given) if given else texts.excerpt_pairs(size, seed)
            return Pairs(*map(list, zip(*pairs, strict=True)))
        found = texts.load(self.text, squad_file=self.squad_file, scale=self.scale, seed=seed)
        return logits(found, threads) if self.work.startswith("decode") else found


def amount(inputs: Any) -> float:
    """The size of an input: megabytes of UTF-8, questions or windows."""
    if isinstance(inputs, Pairs):
        return len(inputs.questions)
    if isinstance(inputs, Logits):
        return len(inputs.windows)
    return sum(len(text.encode()) for text in inputs) / 1e6


def logits(paragraphs: list[str], threads: int | None) -> Logits:
    """Logits as a model gives them, low but for one short answer in each window, on full windows.

    Several paragraphs are one context, so that most of the windows have `MAX_LENGTH` tokens.
    """
    group = PARAGRAPHS_OF_A_CONTEXT
    contexts = [" ".join(paragraphs[i : i + group]) for i in range(0, len(paragraphs), group)]
    tokenizer = spanjet.Tokenizer(UNCASED, threads=threads, match_special_tokens=True)
    options: dict[str, Any] = {"max_length": MAX_LENGTH, "doc_stride": DOC_STRIDE}
    windows = tokenizer.windows(["What happened there?"] * len(contexts), contexts, **options)
    rng = np.random.default_rng(31)
    start, end = rng.normal(-6, 1, (2, len(windows), MAX_LENGTH)).astype(np.float32)
    # Of [CLS]: peers compare the logits of several windows, and we their margins over it.
    start[:, 0] = end[:, 0] = -6
    last = np.diff(windows.indptr).astype(np.int64) - 2
    first = rng.integers(windows.context_start, last + 1)
    rows = np.arange(len(windows))
    start[rows, first] += 12
    end[rows, np.minimum(first + rng.integers(0, 8, len(rows)), last)] += 12
    return Logits(windows, start, end, places(windows))


def places(windows: spanjet.Windows) -> list[Places]:
    """For each window, the offsets of its tokens; None outside the context."""
    offsets = [[tuple(pair) for pair in context.offsets.tolist()] for context in windows.contexts]
    columns = (windows.question, windows.context_start, windows.context_offset, np.diff(windows.indptr))
    found = []
    for question, start, first, length in zip(*(column.tolist() for column in columns), strict=True):
        found.append([*[None] * start, *offsets[question][first : first + length - start - 1], None])
    return found
