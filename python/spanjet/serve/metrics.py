"""Count and time what the server does, for Prometheus."""

import os
from collections.abc import Callable, Sequence

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

from spanjet.serve.guard import Served

__all__ = ["CONTENT_TYPE_LATEST", "DIRECTORY", "Metrics", "forget_process"]

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
TOKENS = (16, 32, 64, 128, 256, 384, 512, 768, 1024, 2048, 4096)

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable by which the metrics of several processes are added up."""

METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


class Metrics:
    """Metrics of one process, or, with several workers, of all of them together.

    They have no labels that a caller chooses: a path that is not known counts under the route "".

    Args:
        queues: one function for each model's queue, which returns the number of tokens that wait, and of
            batches that run.
    """

    def __init__(self, queues: Sequence[Callable[[], tuple[int, int]]]) -> None:
        self._queues = queues
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "spanjet_requests", "Requests.", ["route", "method", "status"], registry=registry
        )
        self._seconds = Histogram(
            "spanjet_request_seconds", "Time of a request.", ["route"], buckets=SECONDS, registry=registry
        )
        stage = Histogram(
            "spanjet_stage_seconds",
            "Time of a call in a stage: prepare, queue, infer, decode.",
            ["stage"],
            buckets=SECONDS,
            registry=registry,
        )
        self._stages = {name: stage.labels(name) for name in ("prepare", "queue", "infer", "decode")}
        self._batches = Histogram(
            "spanjet_batch_tokens", "Tokens of a batch, padding included.", buckets=TOKENS, registry=registry
        )
        self._windows = Counter("spanjet_windows", "Windows that were computed.", registry=registry)
        self._tokens = Counter("spanjet_tokens", "Tokens that were computed.", registry=registry)
        self._padding = Counter("spanjet_padding_tokens", "Padding that was computed.", registry=registry)
        self._refusals = Counter(
            "spanjet_refusals",
            "Requests that were refused: overload, size, timeout, token.",
            ["reason"],
            registry=registry,
        )
        self._queue = _gauge("spanjet_queue_tokens", "Tokens that wait, padding included.", registry)
        self._running = _gauge("spanjet_running_batches", "Batches that run.", registry)

    def served(self, served: Served) -> None:
        """Count a request."""
        method = served.method if served.method in METHODS else "other"
        self._requests.labels(served.route, method, str(served.status)).inc()
        self._seconds.labels(served.route).observe(served.seconds)
        reason = {401: "token", 408: "timeout", 413: "size", 429: "overload", 504: "timeout"}
        if served.status in reason:
            self._refusals.labels(reason[served.status]).inc()
        self._look()

    def prepared(self, *, seconds: float) -> None:
        """Receive the time in which a call was tokenized (see `Observer`)."""
        self._stages["prepare"].observe(seconds)

    def batch(self, *, rows: int, tokens: int, positions: int) -> None:
        """Receive the size of a batch (see `Observer`)."""
        self._batches.observe(positions)
        self._windows.inc(rows)
        self._tokens.inc(tokens)
        self._padding.inc(positions - tokens)
        self._look()

    def call(self, *, queued: float, inferred: float, decoded: float) -> None:
        """Receive the times of a call (see `Observer`)."""
        self._stages["queue"].observe(queued)
        self._stages["infer"].observe(inferred)
        self._stages["decode"].observe(decoded)

    def page(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        self._look()
        if DIRECTORY not in os.environ:
            return generate_latest(self._registry)
        together = CollectorRegistry()
        multiprocess.MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)

    def _look(self) -> None:
        waiting = [queue() for queue in self._queues]
        self._queue.set(sum(tokens for tokens, _ in waiting))
        self._running.set(sum(batches for _, batches in waiting))


def forget_process(number: int) -> None:
    """Remove what a worker that has ended was doing from the metrics of all; what it has done is kept."""
    multiprocess.mark_process_dead(number)  # type: ignore[no-untyped-call]


def _gauge(name: str, description: str, registry: CollectorRegistry) -> Gauge:
    return Gauge(name, description, registry=registry, multiprocess_mode="livesum")
