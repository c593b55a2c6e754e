"""F1 of several models on the same questions, paired: python -m benches.paired SQUAD.json MODEL MODEL …

A model is a checkpoint or a model directory; ``PATH@f32`` computes its floating-point products in float32
(also ``@bf16``, ``@f16``). "span" is F1 of the questions with an answer when each is given one. "v2" is F1 of
all questions, where the null answer is given above the probability of no answer that is best for the model
itself; only v2.0 files have it. The models take turns in parts of the questions, in random order, so that
``--minutes`` can end the comparison early. Differences are those from the first model, question by question,
with a 95 % interval by bootstrap.
"""

import argparse
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray
from spanjet import Reader, RuntimeConfig
from spanjet.cli.terminal.progress import progress_bar
from spanjet.evaluate import Question, SquadDataset, evaluate, grade, load_squad, score

from benches.strides import interval

Precision = Literal["f32", "bf16", "f16"]


PART = 200


@dataclass(frozen=True)
class Asked:
    """Answers of a model: spans and probabilities of no answer by the questions' ids."""

    model: str
    spans: dict[str, str] = field(default_factory=dict)
    no_answer: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Line:
    """F1 of a model, float64[questions]: of those with an answer, and of all with null answers."""

    model: str
    span: NDArray[np.float64]
    v2: NDArray[np.float64] | None


def reader_of(model: str) -> Reader:
    """Load ``PATH`` or ``PATH@PRECISION``.

    Raises:
        ValueError: the precision is unknown.
    """
    path, at, precision = model.rpartition("@")
    if not at:
        path, precision = model, ""
    elif precision not in get_args(Precision):
        raise ValueError(f"{model}: precision {precision!r}; expected {', '.join(get_args(Precision))}")
    chosen = cast(Precision, precision) if precision else None
    return Reader(path, runtime_config=RuntimeConfig(precision=chosen, cache_dir=None))


def grades(dataset: SquadDataset, asked: Asked) -> Line:
    """Grade the answers of a model, which gave a span to every question."""
    answered = [question for question in dataset.questions if question.answers]
    span = np.array([grade(asked.spans[each.id], each, dataset.version)[1] for each in answered])
    if dataset.version == "1.1" or len(answered) == len(dataset.questions):
        return Line(asked.model, span, None)
    best = score(dataset, asked.spans, asked.no_answer).best_f1_threshold
    if best is None:
        raise ValueError("no threshold was found; expected a v2.0 file")
    given = [asked.spans[each.id] if asked.no_answer[each.id] <= best else "" for each in dataset.questions]
    pairs = zip(given, dataset.questions, strict=True)
    v2 = np.array([grade(text, each, dataset.version)[1] for text, each in pairs])
    return Line(asked.model, span, v2)


def measure(dataset: SquadDataset, models: Sequence[str], *, minutes: float, seed: int) -> list[Line]:
    """Ask all models the same questions in parts, in turn, until all are asked or the time is over."""
    readers, asked = [reader_of(model) for model in models], [Asked(model) for model in models]
    order, ends = np.random.default_rng(seed).permutation(len(dataset)), time.monotonic() + 60 * minutes
    done: list[Question] = []
    with progress_bar("questions") as bar:
        while len(done) < len(order) and (not done or time.monotonic() < ends):
            places = order[len(done) : len(done) + PART]
            part = replace(dataset, questions=tuple(dataset.questions[place] for place in places))
            for reader, answers in zip(readers, asked, strict=True):
                found = evaluate(reader, part, threshold=None)
                answers.spans.update(found.spans)
                answers.no_answer.update(found.no_answer)
            done += part.questions
            bar(len(done), len(order))
    whole = replace(dataset, questions=tuple(done))
    return [grades(whole, each) for each in asked]


def table(lines: Sequence[Line], seed: int) -> str:
    """A Markdown table."""
    rows = [
        "| model | span F1 | over the first (95 %) | v2 F1 | over the first (95 %) |",
        "|---|---|---|---|---|",
    ]
    for line in lines:
        cells = [line.model]
        for mine, first in ((line.span, lines[0].span), (line.v2, lines[0].v2)):
            if mine is None or first is None:
                cells += ["", ""]
                continue
            difference = 100 * (mine - first)
            low, high = interval(difference.tolist(), seed)
            paired = f"{difference.mean():+.2f} ({low:+.2f} to {high:+.2f})"
            cells += [f"{100 * mine.mean():.2f}", "" if line is lines[0] else paired]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("squad", type=Path, help="SQuAD file")
    parser.add_argument(
        "models", nargs="+", metavar="MODEL", help="the first is what others are held against"
    )
    parser.add_argument("--minutes", type=float, default=math.inf, help="ask no more after it (all)")
    parser.add_argument("--seed", type=int, default=0, help="of the questions' order and the bootstrap")
    options = parser.parse_args()
    lines = measure(load_squad(options.squad), options.models, minutes=options.minutes, seed=options.seed)
    sys.stdout.write(f"{len(lines[0].span)} questions with an answer\n\n{table(lines, options.seed)}\n")


if __name__ == "__main__":
    main()
