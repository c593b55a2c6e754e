"""F1 and time of two models in turn: python -m benches.cascade SQUAD.json --first DIR [--model DIR]

Each question is asked about its whole article: of the large model alone, of the small one alone, and of
both, with several numbers of windows that the large one rereads. They take turns in parts of the questions,
so that a machine that slows down slows all of them; time is CPU time of the process, without tokenizing the
articles, which is done once. The small model reads a part once for all numbers, and its time counts for each.

"F1 over the large" is paired, with a 95 % interval by bootstrap; "same" is the share of the questions with
the large model's own answer; "found" is the share whose reference answer lies in a window that was reread;
times are shares of the large model's, with the quartiles of the parts.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from spanjet import Answer, CascadeConfig, Document, Reader, RuntimeConfig
from spanjet.cli.terminal.progress import progress_bar
from spanjet.evaluate import Question, SquadDataset, grade, load_squad
from spanjet.evaluate.retrieval import BETWEEN_PARAGRAPHS
from spanjet.reader.cascade.cascade import Cascade
from spanjet.reader.pipeline import Chunk, Pipeline
from spanjet.storage import replace_file

from benches.strides import interval

REREAD = (1, 2, 3, 5, 10)
LARGE, SMALL = "large alone", "small alone"


@dataclass(frozen=True)
class Asked:
    """A question about a whole article, and where its reference answers are in it."""

    question: Question
    document: Document
    places: tuple[tuple[int, int], ...]


@dataclass
class Line:
    """What was measured of one way of reading; seconds are of the parts."""

    windows: list[int] = field(default_factory=list)
    f1: list[float] = field(default_factory=list)
    exact: list[float] = field(default_factory=list)
    answers: list[tuple[int, int]] = field(default_factory=list)
    found: list[bool] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def whole_articles(
    dataset: SquadDataset, reader: Reader, *, questions: int, most: int, seed: int
) -> Iterator[Asked]:
    """Questions with an answer, a seeded sample, about their articles, each of which is tokenized once.

    Only articles with more than ``most`` windows are used, in which there is something to choose.
    """
    documents = {
        title: document
        for title, paragraphs in dataset.articles.items()
        if len(reader.windows(["?"], [document := reader.prepare(BETWEEN_PARAGRAPHS.join(paragraphs))]))
        > most
    }
    answered = [each for each in dataset.questions if each.answers and each.article in documents]
    for place in sorted(np.random.default_rng(seed).permutation(len(answered))[:questions].tolist()):
        question, document = answered[place], documents[answered[place].article]
        shift = document.text.index(question.context)
        starts = [(question.context.find(answer), answer) for answer in question.answers]
        places = tuple((shift + start, shift + start + len(each)) for start, each in starts if start >= 0)
        yield Asked(question, document, places)


def run(
    pipeline: Pipeline, prepare: Callable[..., Chunk], *arguments: Any
) -> tuple[Chunk, list[Answer], float]:
    """The chunk that is prepared, the best answers, and the CPU time of both."""
    began = time.process_time()
    chunk, hint = pipeline.only_chunk(prepare(*arguments))
    for _ in pipeline.run([chunk], hint=hint):
        pass
    answers = [found[0] for found in pipeline.decode(chunk, 1, None)]
    return chunk, answers, time.process_time() - began


def holds(chunk: Chunk, part: Sequence[Asked]) -> list[bool]:
    """Whether a reference answer of each question lies in one of its windows."""
    windows, held = chunk.windows, [False] * len(part)
    contexts, behind = windows.contexts, np.diff(windows.indptr) - windows.context_start - 1
    for row, index in enumerate(windows.question.tolist()):
        first = int(windows.context_offset[row])
        offsets = contexts[index].offsets[first : first + int(behind[row])]
        low, high = int(offsets[0, 0]), int(offsets[-1, 1])
        held[index] = held[index] or any(low <= start and end <= high for start, end in part[index].places)
    return held


def note(line: Line, part: Sequence[Asked], chunk: Chunk, answers: Sequence[Answer], seconds: float) -> None:
    """Add a part to a line."""
    line.windows += np.bincount(chunk.windows.question, minlength=len(part)).tolist()
    line.found += holds(chunk, part)
    line.seconds.append(seconds)
    for asked, answer in zip(part, answers, strict=True):
        exact, f1 = grade(answer.text, asked.question, "1.1")
        line.exact.append(exact)
        line.f1.append(f1)
        line.answers.append((answer.start, answer.end))


def measure(
    reader: Reader,
    reread: Sequence[int],
    asked: Sequence[Asked],
    *,
    size: int,
    save: Callable[[dict[str, Line]], None],
) -> dict[str, Line]:
    """Ask all questions in all ways, in parts of ``size``; ``save`` is called after each part."""
    cascades = {count: cascade_of(reader, count) for count in reread}
    cascade = cascades[min(reread)]
    large, small = cascade.alone, cascade.first
    lines = {name: Line() for name in (LARGE, SMALL, *map(str, reread))}
    with progress_bar("questions") as bar:
        for start in range(0, len(asked), size):
            part = asked[start : start + size]
            inputs = [each.question.question for each in part], [each.document for each in part]
            note(lines[LARGE], part, *run(large, large.prepared, *inputs))
            first, answers, seconds = run(small, cascade.prepared, *inputs)
            note(lines[SMALL], part, first, answers, seconds)
            for count, cascade in cascades.items():
                chunk, answers, more = run(cascade, cascade.reread, first)
                note(lines[str(count)], part, chunk, answers, seconds + more)
            save(lines)
            bar(start + len(part), len(asked))
    return lines


def cascade_of(reader: Reader, reread: int) -> Cascade:
    """The pipeline of a reader with another number of windows to reread."""
    pipeline = reader.with_config(cascade_config=CascadeConfig(reread=reread))._pipeline
    if not isinstance(pipeline, Cascade):
        raise TypeError("the reader has one model; expected a first one")
    return pipeline


def table(lines: dict[str, Line], seed: int) -> str:
    """A Markdown table."""
    large = lines[LARGE]
    rows = [
        "| windows reread | windows a question | F1 | EM | F1 over the large, paired (95 %) | same | found "
        "| CPU time |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, line in lines.items():
        difference = 100 * (np.asarray(line.f1) - np.asarray(large.f1))
        low, high = interval(difference.tolist(), seed)
        same = np.mean([mine == theirs for mine, theirs in zip(line.answers, large.answers, strict=True)])
        share = sum(line.seconds) / sum(large.seconds)
        quartiles = np.quantile(np.divide(line.seconds, large.seconds), [0.25, 0.75])
        rows.append(
            f"| {name} | {np.mean(line.windows):.1f} | {100 * np.mean(line.f1):.2f} | "
            f"{100 * np.mean(line.exact):.2f} | {difference.mean():+.2f} ({low:+.2f} to {high:+.2f}) | "
            f"{100 * same:.1f} % | {100 * np.mean(line.found):.1f} % | "
            f"{share:.3f} ({quartiles[0]:.3f} to {quartiles[1]:.3f}) |"
        )
    return "\n".join(rows)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("squad", type=Path, help="SQuAD file with whole articles")
    parser.add_argument("--first", type=Path, required=True, help="model directory of the small model")
    parser.add_argument("--model", type=Path, help="that of the large one; default: the bundled one")
    parser.add_argument("--questions", type=int, default=1500)
    parser.add_argument("--reread", type=int, nargs="+", default=REREAD, metavar="K")
    parser.add_argument("--part", type=int, default=20, help="questions of a turn (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="written after each part of the questions")
    options = parser.parse_args()
    reader = Reader(
        options.model, first=options.first, threshold=None, runtime_config=RuntimeConfig(cache_dir=None)
    )
    wanted = {"questions": options.questions, "most": max(options.reread), "seed": options.seed}
    asked = list(whole_articles(load_squad(options.squad), reader, **wanted))

    def save(lines: dict[str, Line]) -> None:
        if options.json is not None:
            content = {name: asdict(line) for name, line in lines.items()}
            replace_file(options.json, json.dumps(content).encode())

    lines = measure(reader, options.reread, asked, size=options.part, save=save)
    sys.stdout.write(f"{len(asked)} questions\n{table(lines, options.seed)}\n")


if __name__ == "__main__":
    main()
