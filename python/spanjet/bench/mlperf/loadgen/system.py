"""Implement LoadGen's system under test: answer queries with logits."""

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
"""Bytes of a token in a response: two float32."""

MOST_WAITING = 64
"""Maximum number of queries to merge into one run."""


class Query(Protocol):
    """Sample of a LoadGen query."""

    @property
    def id(self) -> int:
        """Response id for LoadGen."""

    @property
    def index(self) -> int:
        """Index of the sample."""


class System:
    """System under test: a reader's engine; a response is float32[tokens, 2], start and end logits.

    Responses have no padding, and batches have samples of similar length. If LoadGen waits for each query
    (SingleStream, MultiStream), it is answered synchronously in the call. In the other scenarios a thread
    answers, and queries that arrive meanwhile are merged.

    Args:
        loadgen: the module ``mlperf_loadgen``.
        reader: reader whose engine and settings are used.
        samples: samples that LoadGen may query.
        scenario: scenario of the test.
        batching: function that batches samples; None: as the reader does.
        hint: OpenVINO's performance hint; None: ``"LATENCY"`` if one batch holds all samples of a query, else
            ``"THROUGHPUT"``, as a reader chooses.

    Attributes:
        asked: number of samples that LoadGen has queried.
        completed: number of answered samples.
        failure: error that ended inference, after which responses are empty; None: no error.
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
        """Receive queries from LoadGen; never raises, as an exception would crash LoadGen."""
        self.asked += len(queries)
        if self._waits:
            self._answer(queries)
        else:
            self._queue.put(queries)

    def flush(self) -> None:
        """Receive LoadGen's end of queries; nothing is buffered."""

    def stop(self) -> None:
        """Answer all further samples with empty responses, so that LoadGen finishes."""
        self._stopped = True

    def infer(self, indices: NDArray[np.int64]) -> Generator[tuple[PlannedBatch, Logits], None, None]:
        """Yield the logits of samples batch by batch, each valid until the next is requested.

        Args:
            indices: int64[n], sample indices, which may repeat.

        Yields:
            Batch of positions in ``indices``, and its logits.
        """
        hint, plan = self.plan(indices)
        batches = (self._samples.batch(indices[places], length=length) for places, length in plan)
        with closing(self._engine.run(batches, hint=hint)) as results:
            yield from zip(plan, results, strict=True)

    def run(self, indices: NDArray[np.int64]) -> None:
        """Run inference on samples and discard the logits."""
        for _ in self.infer(indices):
            pass

    def plan(self, indices: NDArray[np.int64]) -> tuple[Hint, list[PlannedBatch]]:
        """Choose the performance hint, and plan batches of positions in ``indices``."""
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
        """Answer queries, with empty responses on failure."""
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
        """Pass a batch's logits to LoadGen without copying."""
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
