"""Measure many questions on one long document: the time that is spent outside the model."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from spanjet.files.datasets.dataset import Question
from spanjet.measure.progress import OnStep, ignore_step
from spanjet.measure.rounds import Spread, Turn, alternate, ratios
from spanjet.measure.workload import Workload
from spanjet.reader.answer import Document
from spanjet.reader.reader import Reader

__all__ = ["LongDocument", "measure_document"]


@dataclass(frozen=True, kw_only=True)
class LongDocument:
    """Times of answering many questions on one document.

    Attributes:
        tokens: of the document.
        questions, windows: their numbers; each question has all windows of the document.
        prepare_milliseconds: to tokenize the document, once.
        turns: of ``answers`` (`Reader.ask_many` on the prepared document) and of ``inference`` (batches
            made beforehand, and nothing but the model).
    """

    tokens: int
    questions: int
    windows: int
    prepare_milliseconds: float
    turns: dict[str, list[Turn]]

    def rate(self, amount: float) -> Spread:
        """Divide an amount by the seconds of each round."""
        return Spread.of([amount / turn.wall for turn in self.turns["answers"]])

    def outside(self) -> Spread:
        """Share of the time that is spent outside the model, round by round; below 0 is noise."""
        return Spread.of([1 - ratio for ratio in ratios(self.turns["inference"], self.turns["answers"])])


def measure_document(
    reader: Reader,
    questions: Sequence[Question],
    *,
    count: int,
    tokens: int,
    rounds: int,
    on_step: OnStep = ignore_step,
) -> LongDocument:
    """Ask questions on one document that is made of their contexts.

    Args:
        reader: what answers.
        questions: give the texts, at least one; where they do not suffice, they come again.
        count: how many questions.
        tokens: of the document at least.
        rounds: at least 1.
        on_step: called after each run.
    """
    document, seconds = _document(reader, questions, tokens)
    asked = [question.question for question in islice(cycle(questions), count)]
    work = Workload(reader, asked, [document.encoding] * count)
    sides: dict[str, Callable[[], object]] = {
        "answers": lambda: reader.ask_many(asked, document),
        "inference": work.infer,
    }
    return LongDocument(
        tokens=len(document),
        questions=count,
        windows=work.windows,
        prepare_milliseconds=1000 * seconds,
        turns=alternate(sides, rounds, on_step),
    )


def _document(reader: Reader, questions: Sequence[Question], tokens: int) -> tuple[Document, float]:
    """Make the document, and measure the seconds that its preparation takes."""
    contexts = list(dict.fromkeys(question.context for question in questions))
    lengths = [len(encoding) for encoding in reader.tokenizer.encode_batch(contexts)]
    parts, found = [], 0
    for context, length in cycle(zip(contexts, lengths, strict=True)):
        parts.append(context)
        found += length
        if found >= tokens:
            break
    text = "\n\n".join(parts)
    began = time.perf_counter()
    document = reader.prepare(text)
    return document, time.perf_counter() - began
