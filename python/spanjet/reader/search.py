"""Search passages for answers chunk by chunk, keeping only the best answers."""

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

from spanjet.config import Calibration
from spanjet.reader.answer import Answer, Document
from spanjet.reader.errors import reworded
from spanjet.reader.passages import Passage, PassageAnswer, SearchResult
from spanjet.reader.pipeline import Chunk, Pipeline, of_one_pair

__all__ = ["AskedPassage", "Candidate", "Part", "Search", "count_tokens"]

CHUNK_PAIRS = 1024
"""Maximum number of pairs of a chunk; half as many take 1.4 % longer in smaller batches."""

CHUNK_TOKENS = 1 << 17
"""Number of passage tokens that fill a chunk; its windows take some megabytes."""


class Candidate(NamedTuple):
    """Passage that may have answers.

    Attributes:
        position: index among all passages.
        id: the caller's id, or None.
        document: text and encoding.
    """

    position: int
    id: Any
    document: Document


class AskedPassage(NamedTuple):
    """Passage that a question, given by its index, is asked of."""

    question: int
    candidate: Candidate


class Part(NamedTuple):
    """Part of a search whose inference is run by the caller.

    Attributes:
        tokens: number of passage tokens, counted once per question.
        prepare: makes the chunk to run.
        collect: keeps the best answers of the complete chunk.
        is_first_pass: True for a chunk of the first model of a reader with two.
    """

    tokens: int
    prepare: Callable[[], Chunk]
    collect: Callable[[Chunk], None]
    is_first_pass: bool = False


class _Best:
    """Best answers to one question so far, and the probability that there is none."""

    def __init__(self, top_k: int, calibration: Calibration) -> None:
        self._top_k = top_k
        self._calibration = calibration
        # A min-heap by unique keys, so that answers are never compared.
        self._heap: list[tuple[tuple[float, int, int], Answer, Candidate]] = []
        self.no_answer = 1.0

    def add(self, candidate: Candidate, answers: Sequence[Answer]) -> None:
        """Add the answers of a passage, best first."""
        self.no_answer *= answers[0].no_answer
        margin = math.inf
        for rank, answer in enumerate(answers):
            if answer.is_null:  # mode squad may find no span
                continue
            # Scores are also lower if the extent of the answer is uncertain, so they rank passages less well:
            # of 5 passages the right one in 94.6 % instead of 96.1 %, F1 82.3 instead of 83.3 (800 held-out
            # questions). The order within a passage, which depends on sentences, is kept.
            margin = min(margin, answer.margin)
            entry = ((margin, -candidate.position, -rank), answer, candidate)
            if len(self._heap) < self._top_k:
                heapq.heappush(self._heap, entry)
            else:
                heapq.heappushpop(self._heap, entry)

    def result(self, passages: int, threshold: float | None) -> SearchResult:
        """Return the best answers whose probability reaches the threshold."""
        answers = tuple(
            PassageAnswer.of(answer, candidate.document.text, candidate.position, candidate.id)
            for key, answer, candidate in sorted(self._heap, reverse=True)
            if threshold is None or self._answered(key, answer) >= threshold
        )
        return SearchResult(answers, self.no_answer, passages)

    def _answered(self, key: tuple[float, int, int], answer: Answer) -> float:
        """Compute the probability of an answer from its margin, at most that of its passage's best answer."""
        margin, _, rank = key
        best = 1 - answer.no_answer
        if rank == 0:
            return best
        odds = self._calibration.slope * margin + self._calibration.intercept
        return min(best, (1 + math.tanh(odds / 2)) / 2)


class Search:
    """Search over passages for one or several questions; to be run once.

    Two chunks of questions and passages are in progress at a time: while OpenVINO's threads infer the last
    batches of one, the next is read, tokenized and split into windows, and its first batches are queued.
    Answers that are not among the best are discarded when their chunk is decoded.

    Args:
        pipeline: pipeline to answer with.
        questions: questions, each of which is asked of every passage.
        top_k: maximum number of answers per question.
        calibration: calibration of margins; None: the default.
        single: True for a single question, which errors then name without an index.
        chunk_pairs: maximum number of pairs of question and passage of a chunk.
        chunk_tokens: number of passage tokens, counted once per question, that fill a chunk.

    Raises:
        ValueError: a question has no tokens, is too long for a window or has a lone surrogate, or ``top_k``
            is less than 1 or more than decoding allows; the message has the question's index.
        TypeError: a question is not a string; the message has its index.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        questions: Sequence[str],
        *,
        top_k: int,
        calibration: Calibration | None = None,
        single: bool = False,
        chunk_pairs: int = CHUNK_PAIRS,
        chunk_tokens: int = CHUNK_TOKENS,
    ) -> None:
        if top_k < 1:
            raise ValueError(f"top_k is {top_k}; expected at least 1")
        pipeline.check_top_k(top_k)
        _check_questions(pipeline, questions, single=single)
        self._pipeline = pipeline
        self._prepare = pipeline.prepare
        self._questions = questions
        self._top_k = top_k
        self._chunk_pairs = chunk_pairs
        self._chunk_tokens = chunk_tokens
        self._best = [_Best(top_k, calibration or Calibration()) for _ in questions]
        self._passages = 0
        self._exhausted = False
        self._under_way: deque[list[AskedPassage]] = deque()

    def run(self, passages: Iterable[Passage], threshold: float | None) -> list[SearchResult]:
        """Search passages, which are read once and in order; can be called only once.

        Args:
            passages: any number of passages.
            threshold: minimum probability of an answer; None: no threshold.

        Returns:
            The result of each question.

        Raises:
            ValueError: a passage has a lone surrogate, is of another tokenizer, or has logits that are not
                numbers; the message has its index.
            TypeError: ``passages`` or a passage has the wrong type; the message has the passage's index.
        """
        pairs = self._pairs(passages)
        first = self._read(pairs)
        if first and self._exhausted:
            self._run_alone(first, self._prepared(first))
        elif first:
            # An exhausted iterator frees its list, and the passages in it.
            chunks = self._chunks(chain(iter(first), pairs))
            del first
            for chunk in self._pipeline.run(chunks):
                self._collect(self._under_way.popleft(), chunk)
        return self.results(threshold)

    def parts(self, passages: Iterable[Passage]) -> Iterator[Part]:
        """Split a search into parts, each of which is to be collected before the next is requested.

        Args:
            passages: as for `run`, instead of which this can be called once.

        Raises:
            ValueError, TypeError: as `run`; also from the functions of the parts.
        """
        pairs = self._pairs(passages)
        while read := self._read(pairs):
            yield Part(count_tokens(read), partial(self._prepared, read), partial(self._collect, read))

    def results(self, threshold: float | None) -> list[SearchResult]:
        """Return the result of each question after all passages were read."""
        return [best.result(self._passages, threshold) for best in self._best]

    def _run_alone(self, pairs: list[AskedPassage], chunk: Chunk) -> None:
        """Run the only chunk of the model, and keep the best answers."""
        chunk, hint = self._pipeline.only_chunk(chunk)
        (chunk,) = self._pipeline.run([chunk], hint=hint)
        self._collect(pairs, chunk)

    def _pairs(self, passages: Iterable[Any]) -> Iterator[AskedPassage]:
        """Pair each non-blank passage, tokenized once, with each question."""
        passages = _checked_passages(passages)
        return self._paired(passages if self._questions else [])

    def _paired(self, passages: Iterable[Any]) -> Iterator[AskedPassage]:
        for position, passage in enumerate(passages):
            candidate = _candidate(position, passage, self._prepare)
            self._passages += 1
            if len(candidate.document):
                for question in range(len(self._questions)):
                    yield AskedPassage(question, candidate)

    def _read(self, pairs: Iterator[AskedPassage]) -> list[AskedPassage]:
        """Read the pairs of the next chunk, which the last ones may not fill."""
        read: list[AskedPassage] = []
        tokens = 0
        while len(read) < self._chunk_pairs and tokens < self._chunk_tokens:
            pair = next(pairs, None)
            if pair is None:
                self._exhausted = True
                break
            read.append(pair)
            tokens += len(pair.candidate.document)
        return read

    def _chunks(self, pairs: Iterator[AskedPassage]) -> Iterator[Chunk]:
        while read := self._read(pairs):
            self._under_way.append(read)
            yield self._pipeline.planned(self._prepared(read))

    def _prepared(self, pairs: list[AskedPassage]) -> Chunk:
        """Make the chunk of pairs."""
        documents = [pair.candidate.document for pair in pairs]
        try:
            # The warning of a truncated question was given once.
            return self._pipeline.prepared(self._asked(pairs), documents, warn=False)
        except (ValueError, TypeError) as error:
            causes = [self._pipeline.preparation_error(pair) for pair in self._questions_and_texts(pairs)]
            raise _located(pairs, causes, error) from None

    def _collect(self, pairs: list[AskedPassage], chunk: Chunk) -> None:
        """Decode a complete chunk, and keep the best answers."""
        try:
            found = self._pipeline.decode(chunk, self._top_k, None)
        except ValueError as error:  # logits that are not numbers
            results = self._pipeline.answer_each(self._questions_and_texts(pairs), self._top_k, None)
            raise _located(pairs, results, error) from None
        for pair, answers in zip(pairs, found, strict=True):
            self._best[pair.question].add(pair.candidate, answers)

    def _asked(self, pairs: list[AskedPassage]) -> list[str]:
        return [self._questions[pair.question] for pair in pairs]

    def _questions_and_texts(self, pairs: list[AskedPassage]) -> list[tuple[str, str | Document]]:
        return [(self._questions[pair.question], pair.candidate.document) for pair in pairs]


def count_tokens(pairs: list[AskedPassage]) -> int:
    """Count the passage tokens of pairs, once per question."""
    return sum(len(pair.candidate.document) for pair in pairs)


def _located(pairs: list[AskedPassage], results: Iterable[object], error: Exception) -> Exception:
    """Find the first error among the results of single pairs, and name its passage."""
    for pair, result in zip(pairs, results, strict=True):
        if isinstance(result, Exception):
            reason = str(result).removeprefix("context ")
            return reworded(result, f"passages[{pair.candidate.position}]: {reason}")
    return error


def _check_questions(pipeline: Pipeline, questions: Sequence[str], *, single: bool) -> None:
    for index, question in enumerate(questions):
        name = "question" if single else f"questions[{index}]"
        if not isinstance(question, str):
            raise TypeError(f"{name}: expected a text, found {type(question).__name__}")
        try:
            empty = not len(pipeline.tokenizer.encode(question))
            if not empty:
                # Check that a window has room for it beside a context, here the question itself.
                pipeline.windows([question], [question])
        except ValueError as error:
            raise ValueError(f"{name}: {str(of_one_pair(error)).removeprefix('question ')}") from None
        if empty:
            raise ValueError(f"{name} is empty: it has no tokens, expected some text")


def _checked_passages(passages: Any) -> Iterable[Any]:
    """Reject a string or mapping, which would be searched by letters or keys."""
    expected = "passages: expected an iterable of texts, Documents or pairs (id, text)"
    if isinstance(passages, str | bytes | bytearray | Document):
        raise TypeError(f"{expected}, found one {type(passages).__name__}; give [passage]")
    if isinstance(passages, Mapping):
        raise TypeError(f"{expected}, found {type(passages).__name__}; give its items()")
    if not isinstance(passages, Iterable):
        raise TypeError(f"{expected}, found {type(passages).__name__}")
    return passages


def _candidate(position: int, passage: Any, prepare: Callable[[str], Document]) -> Candidate:
    """Read one item of the passages and tokenize its text."""
    name, content = None, passage
    if isinstance(passage, tuple | list):
        if len(passage) != 2:
            raise TypeError(f"passages[{position}]: expected a pair (id, text), found {len(passage)} items")
        name, content = passage
    if isinstance(content, Document):
        return Candidate(position, name, content)
    if not isinstance(content, str):
        expected = "expected a text, a Document or a pair (id, text)"
        raise TypeError(f"passages[{position}]: {expected}, found {type(content).__name__}")
    try:
        return Candidate(position, name, prepare(content))
    except ValueError as error:
        raise ValueError(f"passages[{position}]: {error}") from None
