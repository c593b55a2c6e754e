"""Measure many questions on one long document, and the share of time spent outside the model."""

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
        tokens: length of the document in tokens.
        questions, windows: number of questions and windows; each question has all windows of the document.
        prepare_milliseconds: time to tokenize the document once.
        turns: times of ``answers`` (`Reader.ask_many` on the prepared document) and of ``inference`` (the
            model alone, on prepared batches).
    """

    tokens: int
    questions: int
    windows: int
    prepare_milliseconds: float
    turns: dict[str, list[Turn]]

    def rate(self, amount: float) -> Spread:
        """Compute an amount per second in each round."""
        return Spread.of([amount / turn.wall for turn in self.turns["answers"]])

    def outside(self) -> Spread:
        """Compute the share of time spent outside the model in each round; below 0 is noise."""
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
    """Time questions on one document that is joined from their contexts.

    Args:
        reader: reader to measure.
        questions: source of questions and contexts, at least one; repeated as often as needed.
        count: number of questions to ask.
        tokens: minimum length of the document in tokens.
        rounds: number of rounds, at least 1.
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
    """Join contexts to a document, and time its preparation in seconds."""
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
