"""F1 and time of long texts by window length and stride: python -m benches.strides SQUAD.json [--model DIR]

Each question is asked about the paragraphs around its own, about ``--tokens`` tokens in all. The settings
take turns in parts of the questions, so that a machine that slows down slows all of them; time is CPU time of
the process. The difference of F1 from the first setting is paired, with a 95 % interval by bootstrap.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from spanjet import Reader, RuntimeConfig, WindowConfig
from spanjet.cli.terminal.progress import progress_bar
from spanjet.evaluate import Question, SquadDataset, grade, load_squad
from spanjet.evaluate.retrieval import BETWEEN_PARAGRAPHS

SETTINGS = ((384, 128), (384, 192), (384, 256), (384, 320), (256, 171), (512, 341))
"""Tokens of a window, and from one window to the next."""
PART = 50
SAMPLES = 10_000


@dataclass
class Line:
    """What was measured of a setting."""

    length: int
    stride: int
    f1: list[float] = field(default_factory=list)
    exact: list[float] = field(default_factory=list)
    seconds: float = 0.0
    windows: int = 0


def long_texts(
    dataset: SquadDataset, reader: Reader, *, questions: int, tokens: int, seed: int
) -> Iterator[tuple[Question, str]]:
    """Questions with an answer, a seeded sample, and the paragraphs around each one's own."""
    rng = np.random.default_rng(seed)
    answered = [question for question in dataset.questions if question.answers and question.article]
    for place in rng.permutation(len(answered))[:questions]:
        question = answered[place]
        paragraphs = dataset.articles[question.article]
        own = paragraphs.index(question.context)
        first = last = own
        size = len(reader.prepare(question.context))
        while size < tokens and (first > 0 or last + 1 < len(paragraphs)):
            before = first > 0 and (last + 1 == len(paragraphs) or rng.random() < 0.5)
            first, last = (first - 1, last) if before else (first, last + 1)
            size += len(reader.prepare(paragraphs[first if before else last]))
        yield question, BETWEEN_PARAGRAPHS.join(paragraphs[first : last + 1])


def measure(readers: Sequence[Reader], texts: Sequence[tuple[Question, str]]) -> list[Line]:
    """Ask all questions with each reader, in turns."""
    lines = [Line(reader.window_config.max_length, reader.window_config.doc_stride) for reader in readers]
    with progress_bar("questions") as bar:
        for first in range(0, len(texts), PART):
            part = texts[first : first + PART]
            questions, contexts = [each.question for each, _ in part], [text for _, text in part]
            for line, reader in zip(lines, readers, strict=True):
                began = time.process_time()
                found = reader.ask_many(questions, contexts, threshold=None)
                line.seconds += time.process_time() - began
                line.windows += len(reader.windows(questions, contexts))
                for (question, _), answers in zip(part, found, strict=True):
                    exact, f1 = grade(answers[0].text, question, "1.1")
                    line.exact.append(exact)
                    line.f1.append(f1)
            bar(first + len(part), len(texts))
    return lines


def interval(differences: Sequence[float], seed: int) -> tuple[float, float]:
    """The 95 % interval of a mean, by bootstrap."""
    rng = np.random.default_rng(seed)
    values = np.asarray(differences)
    means = [values[rng.integers(0, len(values), len(values))].mean() for _ in range(SAMPLES)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def table(lines: Sequence[Line], seed: int) -> str:
    """A Markdown table."""
    first = lines[0]
    rows = [
        "| window / stride | windows a question | CPU time | F1 | EM | F1 over the first, paired (95 %) |",
        "|---|---|---|---|---|---|",
    ]
    for line in lines:
        f1, exact = 100 * np.mean(line.f1), 100 * np.mean(line.exact)
        difference = 100 * (np.asarray(line.f1) - np.asarray(first.f1))
        low, high = interval(difference.tolist(), seed)
        paired = "" if line is first else f"{difference.mean():+.2f} ({low:+.2f} to {high:+.2f})"
        share = line.seconds / first.seconds
        rows.append(
            f"| {line.length} / {line.stride} | {line.windows / len(line.f1):.1f} | {share:.2f} | {f1:.2f} | "
            f"{exact:.2f} | {paired} |"
        )
    return "\n".join(rows)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("squad", type=Path, help="SQuAD file with whole articles")
    parser.add_argument("--model", type=Path, help="model directory; default: the bundled one")
    parser.add_argument("--questions", type=int, default=1500)
    parser.add_argument("--tokens", type=int, default=2000, help="of a text (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--settings",
        nargs="+",
        metavar="LENGTH/STRIDE",
        default=["/".join(map(str, pair)) for pair in SETTINGS],
    )
    options = parser.parse_args()
    pairs = [tuple(map(int, setting.split("/"))) for setting in options.settings]
    readers = [
        Reader(
            options.model,
            window_config=WindowConfig(max_length=length, doc_stride=stride),
            runtime_config=RuntimeConfig(cache_dir=None),
        )
        for length, stride in pairs
    ]
    wanted = {"questions": options.questions, "tokens": options.tokens, "seed": options.seed}
    texts = list(long_texts(load_squad(options.squad), readers[0], **wanted))
    sys.stdout.write(f"{table(measure(readers, texts), options.seed)}\n")


if __name__ == "__main__":
    main()
