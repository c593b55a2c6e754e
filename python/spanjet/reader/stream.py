"""Answer a stream of pairs in order, in bounded memory."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from spanjet.config import Threshold
from spanjet.reader.answer import Answer, Document, Failure
from spanjet.reader.errors import reworded
from spanjet.reader.pipeline import Chunk, Pair, Pipeline, unzip
from spanjet.validation import check_count

__all__ = ["Stream"]


class _Part(NamedTuple):
    """Part of a stream: pairs that are read together.

    Attributes:
        pairs: pairs in order.
        errors: error of each pair that cannot be prepared, else None.
        chunk: chunk of the other pairs.
    """

    pairs: list[Pair]
    errors: list[Exception | None]
    chunk: Chunk


class Stream:
    """Stream of pairs that are answered chunk by chunk.

    Two parts of the stream are in progress at a time: while OpenVINO's threads infer the last batches of one,
    the next is read, tokenized and split into windows, and its first batches are queued; then the answers of
    the first are decoded during inference of the second.

    Args:
        pipeline: pipeline to answer with.
        pairs: the pairs.
        top_k: maximum number of answers per question.
        threshold: threshold of the call, see `Reader`.
        look_ahead: number of pairs to read ahead.
        errors: ``"raise"``: stop reading and answering at the first pair that fails; ``"return"``: continue.

    Raises:
        TypeError, ValueError: an argument has the wrong type, or is out of range.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        pairs: Iterator[Pair],
        top_k: int,
        threshold: Threshold,
        look_ahead: int,
        errors: str,
    ) -> None:
        look_ahead = check_count("look_ahead", look_ahead)
        if errors not in ("raise", "return"):
            raise ValueError(f"errors is {errors!r}; expected 'raise' or 'return'")
        pipeline.check_threshold(threshold)
        pipeline.check_top_k(check_count("top_k", top_k))
        self._pipeline = pipeline
        self._pairs = pairs
        self._top_k = top_k
        self._threshold = threshold
        # If two parts do not fit, one is finished before the next is read.
        self._size = max(1, look_ahead // 2)
        self._alone = look_ahead == 1
        self._stop_at_failure = errors == "raise"
        self._exhausted = False
        self._source_error: Exception | None = None
        self._documents: dict[str, Document] = {}

    def answers(self) -> Iterator[list[Answer]]:
        """Yield the answers to each pair in order; raise the error of the first pair that has none."""
        for result in self.results():
            if isinstance(result, Failure):
                raise result.error
            yield result

    def results(self) -> Iterator[list[Answer] | Failure]:
        """Yield the answers or failure of each pair in order; raise an error of the source itself last."""
        index = 0
        while not self._exhausted:
            parts: dict[Chunk, _Part] = {}
            for chunk in self._pipeline.run(self._chunks(parts)):
                part = parts.pop(chunk)
                for result in self._answers(part):
                    yield _failure(index, result) if isinstance(result, Exception) else result
                    index += 1
        if self._source_error is not None:
            raise self._source_error

    def _chunks(self, parts: dict[Chunk, _Part]) -> Iterator[Chunk]:
        """Read and prepare parts until the look-ahead is used up."""
        while pairs := self._read():
            part = self._prepare(pairs)
            chunk = self._pipeline.planned(part.chunk)
            parts[chunk] = part._replace(chunk=chunk)
            yield chunk
            if self._alone or not chunk.plan:
                return

    def _read(self) -> list[Pair]:
        pairs: list[Pair] = []
        try:
            pairs.extend(islice(self._pairs, 0 if self._exhausted else self._size))
        except Exception as error:  # of the caller's iterator, raised after the answers to earlier pairs
            self._source_error = error
        self._exhausted = self._exhausted or len(pairs) < self._size
        return pairs

    def _prepare(self, pairs: list[Pair]) -> _Part:
        errors: list[Exception | None] = [None] * len(pairs)
        try:
            return _Part(pairs, errors, self._chunk(pairs))
        except (ValueError, TypeError):
            errors = [self._pipeline.preparation_error(pair) for pair in pairs]
        if self._stop_at_failure:
            first = next(index for index, error in enumerate(errors) if error is not None)
            pairs, errors = pairs[: first + 1], errors[: first + 1]
            self._exhausted = True
        good = [pair for pair, error in zip(pairs, errors, strict=True) if error is None]
        return _Part(pairs, errors, self._chunk(good))

    def _chunk(self, pairs: Sequence[Pair]) -> Chunk:
        questions, contexts = unzip(pairs)
        return self._pipeline.prepared(questions, self._tokenized(contexts))

    def _tokenized(self, contexts: list[str | Document]) -> list[str | Document]:
        """Tokenize contexts, except those already in this part or the last one.

        Each text is tokenized on its own, since a cached one would keep all others of a batch alive.
        """
        known, self._documents = self._documents, {}
        found: list[str | Document] = []
        for context in contexts:
            if not isinstance(context, str):
                found.append(context)  # a document, or something whose error windowing raises
            else:
                document = self._documents.get(context) or known.get(context)
                if document is None:
                    document = self._pipeline.prepare(context)
                self._documents[context] = document
                found.append(document)
        return found

    def _answers(self, part: _Part) -> list[list[Answer] | Exception]:
        results: Iterator[list[Answer] | Exception]
        try:
            results = iter(self._pipeline.decode(part.chunk, self._top_k, self._threshold))
        except ValueError:  # logits of a question that are not numbers
            good = [pair for pair, error in zip(part.pairs, part.errors, strict=True) if error is None]
            results = iter(self._pipeline.answer_each(good, self._top_k, self._threshold))
        return [next(results) if error is None else error for error in part.errors]


def _failure(index: int, error: Exception) -> Failure:
    return Failure(index, reworded(error, f"pair {index}: {error}"))
