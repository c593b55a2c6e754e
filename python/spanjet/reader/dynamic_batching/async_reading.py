"""Ask a reader without blocking the event loop."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, overload

from spanjet.config import Threshold
from spanjet.reader.answer import Answer, Document
from spanjet.reader.cascade.cascade import Cascade
from spanjet.reader.cascade.search import CascadeSearch
from spanjet.reader.dynamic_batching.batcher import DynamicBatcher
from spanjet.reader.dynamic_batching.config import WhenFull
from spanjet.reader.parts import Assembly
from spanjet.reader.passages import Passage, SearchResult
from spanjet.reader.pipeline import Chunk, of_one_pair
from spanjet.reader.search import Search
from spanjet.validation import check_count, check_list, check_type

__all__ = ["AsyncReading"]

LONG = 1 << 16
"""Number of characters that are tokenized in another thread, because they take a millisecond."""

QUESTION_TOKENS = 64
"""Tokens that are reserved for a question, beside one for each character of its text.

A reservation is replaced by the real number as soon as the text is tokenized, so that it may be too large.
"""

_T = TypeVar("_T")


class AsyncReading(Assembly):
    """The part of a reader that answers without blocking the event loop."""

    @property
    def batcher(self) -> DynamicBatcher:
        """The dynamic batcher that all asynchronous calls share, for those who measure or limit them."""
        return self._parts.batcher

    @overload
    async def ask_async(
        self,
        question: str,
        context: str | Document,
        *,
        threshold: Threshold = "reader",
        when_full: WhenFull = "wait",
    ) -> Answer: ...
    @overload
    async def ask_async(
        self,
        question: str,
        context: str | Document,
        *,
        top_k: int,
        threshold: Threshold = "reader",
        when_full: WhenFull = "wait",
    ) -> list[Answer]: ...
    async def ask_async(
        self,
        question: str,
        context: str | Document,
        *,
        top_k: int | None = None,
        threshold: Threshold = "reader",
        when_full: WhenFull = "wait",
    ) -> Answer | list[Answer]:
        """Answer a question without blocking the event loop, for servers.

        Calls from any event loops and threads share batches. They wait in a queue that is bounded by
        ``queue_config``, from which short and long ones are taken in turn. A call that is cancelled leaves
        it; one that is cancelled or fails does not affect the others.

        Args:
            question: as for `ask`.
            context: as for `ask`.
            top_k: as for `ask`.
            threshold: as for `ask`.
            when_full: ``"wait"``: if the queue is full, wait for room, in order of arrival; ``"raise"``:
                refuse the call then, or if it would probably wait longer than ``max_wait``.

        Returns:
            What `ask` returns.

        Raises:
            Overloaded: the call is refused.
            ValueError, TypeError: as `ask`.
        """
        questions = [check_type("question", question, str)]
        count = 1 if top_k is None else top_k
        (answers,) = await self.ask_many_async(
            questions, [context], top_k=count, threshold=threshold, when_full=when_full
        )
        return answers[0] if top_k is None else answers

    async def ask_many_async(
        self,
        questions: Sequence[str],
        contexts: Sequence[str | Document] | str | Document,
        *,
        top_k: int = 1,
        threshold: Threshold = "reader",
        when_full: WhenFull = "wait",
    ) -> list[list[Answer]]:
        """Answer many questions without blocking the event loop; all of them wait as one call.

        Args:
            questions: as for `ask_many`.
            contexts: as for `ask_many`.
            top_k: as for `ask_many`.
            threshold: as for `ask_many`.
            when_full: as for `ask_async`.

        Returns:
            What `ask_many` returns.

        Raises:
            Overloaded: the call is refused.
            ValueError, TypeError: as `ask_many`.
        """
        questions = check_list("questions", questions)
        if isinstance(contexts, str | Document):
            contexts = [contexts] * len(questions)
        texts = check_list("contexts", contexts)
        pipeline = self._pipeline
        pipeline.check_threshold(threshold)
        if check_count("top_k", top_k) > 1:
            pipeline.check_top_k(top_k)

        def prepare() -> Chunk:
            try:
                return pipeline.prepared(questions, texts)
            except (ValueError, TypeError) as error:
                raise (of_one_pair(error) if len(questions) == len(texts) == 1 else error) from None

        def finish(chunk: Chunk) -> list[list[Answer]]:
            return pipeline.decode(chunk, top_k, threshold)

        self._check_call(when_full)
        first, characters = self._parts.first, sum(map(_characters, texts))
        if first is None or not isinstance(pipeline, Cascade):
            return await _infer(self.batcher, prepare, finish, characters, when_full)
        chunk = await _infer(first.batcher, prepare, pipeline.reread, characters, when_full)
        if pipeline.is_reread(chunk):
            when_full = "wait"  # it has been let in
        return await _infer(self.batcher, lambda: chunk, finish, len(chunk.windows.ids), when_full)

    async def search_async(
        self,
        question: str,
        passages: Iterable[Passage],
        *,
        top_k: int = 5,
        threshold: Threshold = "reader",
        when_full: WhenFull = "wait",
    ) -> SearchResult:
        """Find the best answers in many passages without blocking the event loop.

        Args:
            question: question to ask of every passage.
            passages: as for `search`; read by another thread, in parts that are queued one after the other.
            top_k: as for `search`.
            threshold: as for `search`.
            when_full: as for `ask_async`; once the first part is let in, the others wait for room.

        Returns:
            What `search` returns.

        Raises:
            Overloaded: the call is refused.
            ValueError, TypeError: as `search`.
        """
        search = self._new_search([check_type("question", question, str)], top_k, single=True)
        probability = self._parts.thresholds.resolve(threshold)
        self._check_call(when_full)
        first, parts = self._parts.first, search.parts(passages)
        while (part := await asyncio.to_thread(next, parts, None)) is not None:
            batcher = first.batcher if first is not None and part.is_first_pass else self.batcher
            await _infer(batcher, part.prepare, part.collect, part.tokens, when_full)
            when_full = "wait"
        return search.results(probability)[0]

    def _new_search(self, questions: Sequence[str], top_k: int, *, single: bool) -> Search:
        """Begin a search, with the errors of its arguments."""
        if self.decode_config.mode == "hf":
            raise ValueError("search compares the margins of passages, which mode 'hf' does not rank by")
        top_k = check_count("top_k", top_k)
        options: dict[str, Any] = {"top_k": top_k, "calibration": self.calibration, "single": single}
        pipeline = self._pipeline
        search: Search
        if isinstance(pipeline, Cascade):
            search = CascadeSearch(pipeline, questions, **options)
        else:
            search = Search(pipeline, questions, **options)
        self._parts.thresholds.warn_uncalibrated("search compares passages by them")
        return search

    def _check_call(self, when_full: WhenFull) -> None:
        """Check that this process can answer, and the value of ``when_full``."""
        if when_full not in ("wait", "raise"):
            raise ValueError(f"when_full is {when_full!r}; expected 'wait' or 'raise'")
        self._parts.engine.check_process()


async def _infer(
    batcher: DynamicBatcher,
    prepare: Callable[[], Chunk],
    finish: Callable[[Chunk], _T],
    characters: int,
    when_full: WhenFull,
) -> _T:
    """Prepare questions, wait for their logits, and return the result of them.

    Args:
        batcher: batcher of the model that computes them.
        prepare: makes windows of the questions.
        finish: makes the result of the complete chunk.
        characters: number of characters of the texts.
        when_full: see `ask_async`.
    """
    if when_full == "raise":
        future = batcher.submit(await _prepared(prepare, characters, batcher), finish, limited=True)
    else:
        reservation = batcher.reserve(QUESTION_TOKENS + characters)
        try:
            if not reservation.future.done():
                await asyncio.wrap_future(reservation.future)
            future = batcher.submit(await _prepared(prepare, characters, batcher), finish)
        finally:
            reservation.release()
    return await asyncio.wrap_future(future)


def _characters(context: object) -> int:
    text = context.text if isinstance(context, Document) else context
    return len(text) if isinstance(text, str) else 0


async def _prepared(prepare: Callable[[], Chunk], characters: int, batcher: DynamicBatcher) -> Chunk:
    begun = time.perf_counter()
    chunk = prepare() if characters < LONG else await asyncio.to_thread(prepare)
    if batcher.observer is not None:
        batcher.observer.prepared(seconds=time.perf_counter() - begun)
    return chunk
