"""F1 of several models on the same questions, paired: python -m benches.paired SQUAD.json MODEL MODEL …

A model is a checkpoint or a model directory; ``PATH@f32`` computes its floating-point products in float32
(also ``@bf16``, ``@f16``). "span" is F1 of the questions with an answer when each is given one. "v2" is F1 of
all questions, where the null answer is given above the probability of no answer that is best for the model
itself; only v2.0 files have it. Differences are those from the first model, question by question, with a 95 %
interval by bootstrap.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray
from spanjet import Reader, RuntimeConfig
from spanjet.cli.terminal.progress import progress_bar
from spanjet.evaluate import Evaluation, SquadDataset, evaluate, grade, load_squad, score

from benches.strides import interval

Precision = Literal["f32", "bf16", "f16"]


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


def grades(dataset: SquadDataset, found: Evaluation, model: str) -> Line:
    """Grade the answers of a model, which gave a span to every question."""
    answered = [question for question in dataset.questions if question.answers]
    span = np.array([grade(found.spans[each.id], each, dataset.version)[1] for each in answered])
    if dataset.version == "1.1" or len(answered) == len(dataset.questions):
        return Line(model, span, None)
    best = score(dataset, found.spans, found.no_answer).best_f1_threshold
    if best is None:
        raise ValueError("no threshold was found; expected a v2.0 file")
    given = [found.spans[each.id] if found.no_answer[each.id] <= best else "" for each in dataset.questions]
    pairs = zip(given, dataset.questions, strict=True)
    return Line(model, span, np.array([grade(text, each, dataset.version)[1] for text, each in pairs]))


def measure(dataset: SquadDataset, models: Sequence[str]) -> list[Line]:
    """Ask all models all questions, one after the other."""
    lines = []
    for model in models:
        with progress_bar("questions") as bar:
            lines.append(
                grades(dataset, evaluate(reader_of(model), dataset, threshold=None, on_step=bar), model)
            )
    return lines


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
    parser.add_argument("--questions", type=int, help="number of them, a sample; default: all")
    parser.add_argument("--seed", type=int, default=0, help="of the sample and the bootstrap")
    options = parser.parse_args()
    dataset = load_squad(options.squad)
    if options.questions:
        order = np.random.default_rng(options.seed).permutation(len(dataset.questions))
        chosen = sorted(order[: options.questions].tolist())
        dataset = replace(dataset, questions=tuple(dataset.questions[place] for place in chosen))
    sys.stdout.write(f"{table(measure(dataset, options.models), options.seed)}\n")


if __name__ == "__main__":
    main()
