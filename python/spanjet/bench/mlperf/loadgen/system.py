"""Answer LoadGen's queries with logits: the system under test."""

import threading
from collections.abc import Generator, Sequence
from contextlib import closing
from queue import Empty, SimpleQueue
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spanjet.bench.mlperf.loadgen.batching import Batching, scheduled
from spanjet.bench.mlperf.loadgen.samples import Samples
from spanjet.bench.mlperf.rules import Scenario
from spanjet.reader.batching import PlannedBatch
from spanjet.reader.reader import Reader
from spanjet.runtime.engine import Hint, Logits

__all__ = ["Query", "System"]

TOKEN_BYTES = 8
"""Of a token in a response: two float32."""

MOST_WAITING = 64
"""Queries that are merged at most; the others' turn comes after them."""


class Query(Protocol):
    """One sample that LoadGen asks for."""

    @property
    def id(self) -> int:
        """Name of the response for LoadGen."""

    @property
    def index(self) -> int:
        """Number of the sample."""


class System:
    """Answers queries with a reader's engine; a response is float32[tokens, 2], start and end logits.

    Samples come without padding and in batches of like length. Where LoadGen waits for each query
    (SingleStream, MultiStream), it is answered at once, in the call. In the other scenarios a thread answers,
    and what is asked meanwhile is merged.

    Args:
        loadgen: the module ``mlperf_loadgen``.
        reader: its engine and its settings are used.
        samples: what can be asked.
        scenario: of the test.
        batching: how samples become batches; None: as the reader makes them.
        hint: what to compile for; None: for one batch at a time (``"LATENCY"``) where one batch holds all
            samples of a query, else for several (``"THROUGHPUT"``), as a reader does.

    Attributes:
        asked: samples that LoadGen has asked for.
        completed: samples that were answered.
        failure: what ended the inference; None: nothing yet. The samples after it have empty responses.
    """

    def __init__(
        self,
        loadgen: ModuleType,
        reader: Reader,
        samples: Samples,
        scenario: Scenario,
        *,
        batching: Batching | None = None,
        hint: Hint | None = None,
    ) -> None:
        self._loadgen = loadgen
        self._engine = reader.engine
        self._samples = samples
        self._batching = scheduled(reader) if batching is None else batching
        self._hint = hint
        self._small = reader.runtime_config.batch_tokens or 0
        self._waits = scenario in ("SingleStream", "MultiStream")
        self._queue: SimpleQueue[Sequence[Query] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="spanjet-mlperf", daemon=True)
        self._stopped = False
        self.asked = 0
        self.completed = 0
        self.failure: BaseException | None = None

    def __enter__(self) -> "System":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._queue.put(None)
        self._thread.join()

    def issue(self, queries: Sequence[Query]) -> None:
        """LoadGen's callback; it never raises, which LoadGen would not survive."""
        self.asked += len(queries)
        if self._waits:
            self._answer(queries)
        else:
            self._queue.put(queries)

    def flush(self) -> None:
        """LoadGen's callback after the last query: nothing waits for more of them."""

    def stop(self) -> None:
        """Answer all further samples with nothing, so that LoadGen comes to its end."""
        self._stopped = True

    def infer(self, indices: NDArray[np.int64]) -> Generator[tuple[PlannedBatch, Logits], None, None]:
        """Infer the logits of some samples, batch by batch, valid until the next is asked for.

        Args:
            indices: int64[n], samples; one may come more than once.

        Yields:
            Places in ``indices`` and their logits.
        """
        hint, plan = self.plan(indices)
        batches = (self._samples.batch(indices[places], length=length) for places, length in plan)
        with closing(self._engine.run(batches, hint=hint)) as results:
            yield from zip(plan, results, strict=True)

    def run(self, indices: NDArray[np.int64]) -> None:
        """Infer samples as `infer` does, and let go of their logits."""
        for _ in self.infer(indices):
            pass

    def plan(self, indices: NDArray[np.int64]) -> tuple[Hint, list[PlannedBatch]]:
        """Choose what to compile for, and plan the batches of some samples: places in ``indices``."""
        lengths = self._samples.lengths[indices]
        hint = self._hint or ("LATENCY" if int(lengths.sum()) <= self._small else "THROUGHPUT")
        return hint, self._batching(lengths, 1 if hint == "LATENCY" else self._engine.streams)

    def _work(self) -> None:
        while (queries := self._queue.get()) is not None:
            merged = list(queries)
            ends = False
            while len(merged) < MOST_WAITING and not ends:
                try:
                    more = self._queue.get_nowait()
                except Empty:
                    break
                ends = more is None
                merged += more or ()
            self._answer(merged)
            if ends:
                return

    def _answer(self, queries: Sequence[Query]) -> None:
        """Answer queries, with nothing where that fails."""
        ids = [query.id for query in queries]
        answered = np.zeros(len(ids), bool)
        indices = np.fromiter((query.index for query in queries), np.int64, len(ids))
        try:
            with closing(self.infer(indices)) as results:
                while not self._stopped and (found := next(results, None)) is not None:
                    (places, length), logits = found
                    self._respond([ids[place] for place in places.tolist()], indices[places], length, logits)
                    answered[places] = True
        except BaseException as error:
            self.failure = error
            self._stopped = True
        left = np.flatnonzero(~answered).tolist()
        if left:
            self._complete([self._loadgen.QuerySampleResponse(ids[place], 0, 0) for place in left])

    def _respond(self, ids: list[int], indices: NDArray[np.int64], length: int, logits: Logits) -> None:
        """Hand a batch's logits to LoadGen, which reads them where they are."""
        buffer = np.stack(logits, axis=-1)  # alive until LoadGen has read it, when the call returns
        address = buffer.__array_interface__["data"][0]
        sizes = (TOKEN_BYTES * self._samples.lengths[indices]).tolist()
        response, step = self._loadgen.QuerySampleResponse, TOKEN_BYTES * length
        responses = [
            response(each, address + row * step, size)
            for row, (each, size) in enumerate(zip(ids, sizes, strict=True))
        ]
        self._complete(responses)

    def _complete(self, responses: list[Any]) -> None:
        self._loadgen.QuerySamplesComplete(responses)
        self.completed += len(responses)
