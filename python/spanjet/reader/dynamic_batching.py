"""Answer the questions of concurrent callers in shared batches (dynamic batching)."""

import os
import threading
import time
import weakref
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import NamedTuple

from spanjet.reader.answer import Answer, Document
from spanjet.reader.pipeline import Pipeline

__all__ = ["DynamicBatcher"]

MAX_WAIT = 0.002
"""Maximum seconds that a question waits for others."""

MAX_GAP = 0.0003
"""Seconds without a new question after which the waiting ones are answered."""

MAX_CALLS = 128
"""Maximum number of questions to answer together."""


class _Call(NamedTuple):
    question: str
    context: str | Document
    top_k: int
    threshold: float | None
    future: "Future[list[Answer]]"


class DynamicBatcher:
    """Dynamic batcher of concurrent questions, with one background thread, started on first use.

    While it answers some questions others queue up, so that batches grow with the load.

    Args:
        pipeline: pipeline to answer with.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._start_anew()
        _BATCHERS.add(self)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()
        self._queue: SimpleQueue[_Call | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def submit(
        self, question: str, context: str | Document, top_k: int, threshold: float | None
    ) -> "Future[list[Answer]]":
        """Queue a question, and return a future of its answers or error."""
        call = _Call(question, context, top_k, threshold, Future())
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._queue = SimpleQueue()
                self._thread = threading.Thread(
                    target=_work, args=(self._pipeline, self._queue), name="spanjet-batcher", daemon=True
                )
                self._thread.start()
            self._queue.put(call)
        return call.future

    def close(self) -> None:
        """Stop the thread after the queued questions; a later question starts another."""
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is not None:
                self._queue.put(None)
        if thread is not None and thread is not threading.current_thread():
            thread.join()


_BATCHERS: "weakref.WeakSet[DynamicBatcher]" = weakref.WeakSet()


def _after_fork_in_child() -> None:
    """Forget the parent's threads, which the child does not have, and the locks that one of them may hold."""
    for batcher in list(_BATCHERS):
        batcher._start_anew()


os.register_at_fork(after_in_child=_after_fork_in_child)


def _work(pipeline: Pipeline, queue: "SimpleQueue[_Call | None]") -> None:
    """Run the thread, which does not reference the reader, so that readers can be freed."""
    goes_on = True
    while goes_on:
        calls, goes_on = _gather(queue)
        groups: defaultdict[tuple[int, float | None], list[_Call]] = defaultdict(list)
        for call in calls:
            if call.future.set_running_or_notify_cancel():
                groups[call.top_k, call.threshold].append(call)
        for (top_k, threshold), group in groups.items():
            _answer(pipeline, group, top_k, threshold)


def _gather(queue: "SimpleQueue[_Call | None]") -> tuple[list[_Call], bool]:
    """Collect calls that arrive at nearly the same time; return False with them after a close."""
    call = queue.get()
    calls: list[_Call] = []
    end = time.monotonic() + MAX_WAIT
    while call is not None:
        calls.append(call)
        left = end - time.monotonic()
        if len(calls) == MAX_CALLS or left <= 0:
            return calls, True
        try:
            call = queue.get(timeout=min(left, MAX_GAP))
        except Empty:
            return calls, True
    return calls, False


def _answer(pipeline: Pipeline, calls: Sequence[_Call], top_k: int, threshold: float | None) -> None:
    try:
        pairs = [(call.question, call.context) for call in calls]
        results: Sequence[list[Answer] | Exception] = pipeline.answer_each(pairs, top_k, threshold)
    except BaseException as error:
        for call in calls:
            call.future.set_exception(error)
        return
    for call, result in zip(calls, results, strict=True):
        if isinstance(result, Exception):
            call.future.set_exception(result)
        else:
            call.future.set_result(result)
