"""Compile a model with OpenVINO and run batches through it without copies."""

import ctypes
import os
import threading
import weakref
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from pickle import PicklingError
from typing import Any, ClassVar, Literal, NamedTuple, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from spanjet.config import RuntimeConfig
from spanjet.runtime.cpu import quota_threads
from spanjet.runtime.machine import ROOT, after_fork_in_child
from spanjet.runtime.openvino import ov, shared_core
from spanjet.runtime.ports import OUTPUTS, adapt
from spanjet.runtime.precision import suited
from spanjet.runtime.warnings import warn_caller
from spanjet.storage import lock

__all__ = ["Logits", "ModelInputs", "Runtime"]

Hint = Literal["LATENCY", "THROUGHPUT"]


class ModelInputs(Protocol):
    """Model inputs of one batch: int32[rows, length], C-contiguous and writable, such as a `Batch`."""

    @property
    def input_ids(self) -> NDArray[np.int32]:
        """Token ids, int32[rows, length]."""

    @property
    def attention_mask(self) -> NDArray[np.int32]:
        """Attention mask, 1 for tokens and 0 for padding."""

    @property
    def token_type_ids(self) -> NDArray[np.int32]:
        """Segment of each token: 0 for the question, 1 for the context."""


class Logits(NamedTuple):
    """Start and end logits, float32[rows, length]: views of OpenVINO's memory, valid until the next batch."""

    start: NDArray[np.float32]
    end: NDArray[np.float32]


class Runtime:
    """Engine that runs one question-answering model on the CPUs of this machine; thread-safe.

    The model is compiled on first use, separately for single batches (OpenVINO's LATENCY hint: all threads on
    one batch) and for bulk work (THROUGHPUT: several batches in parallel). A process forked before that may
    use the runtime; one forked later may not.

    Lengths are dynamic by default. With ``static_lengths``, each length in bulk work has a compiled model of
    its own, made on its first use: MiniLM-L6 INT8 then takes 6 % less time (10 % if the number of rows were
    static too), but each of 24 lengths takes 36 MB and 0.6 s to compile, 0.9 GB and 14 s in total.

    Args:
        model: an ``openvino.Model`` with the inputs ``input_ids``, ``attention_mask`` and optionally
            ``token_type_ids`` [rows, length], and the outputs ``start_logits`` and ``end_logits`` [rows,
            length]. Other element types than int32 and float32 are converted in the model.
        config: threads, streams, precision and cache; default: OpenVINO's choices, with at most
            as many threads as a container's CPU quota allows.
        root: directory whose ``proc`` and ``sys`` the quota is read from.

    Raises:
        ValueError: the model has other inputs or outputs.
    """

    def __init__(self, model: ov.Model, config: RuntimeConfig | None = None, *, root: Path = ROOT) -> None:
        self._config = RuntimeConfig() if config is None else config
        self._threads = self._config.threads or quota_threads(root)
        adapted, self._inputs = adapt(model)
        self._model = suited(adapted, int8=self._config.int8)
        self._lock = threading.Lock()
        self._lanes: dict[tuple[Hint, int | None], _Lane] = {}

    def __reduce__(self) -> NoReturn:
        raise PicklingError("a compiled model cannot go to another process; expected the Reader, which can")

    def run(
        self, batches: Iterable[ModelInputs | None], *, hint: Hint = "THROUGHPUT"
    ) -> Generator[Logits, None, None]:
        """Run batches in parallel, taking the next ones from ``batches`` while others run.

        The batch's arrays are the model's input memory: nothing is copied, and they must not change until
        their logits are yielded. When the iterator is closed, or an error ends it, no batch is left running.

        Args:
            batches: any iterable, which is read only a few batches ahead. None instead of a batch: wait for
                the logits of the oldest running batch before the next one is requested.
            hint: OpenVINO's performance hint (see `Runtime`).

        Yields:
            The logits of each batch, in the order of ``batches``.

        Raises:
            RuntimeError: OpenVINO failed, with its message; or the process was forked from one that had
                compiled a model.
            TypeError: an array is not int32, C-contiguous and writable.
        """
        pending: deque[tuple[_Lane, _Request]] = deque()
        try:
            for batch in batches:
                if batch is None:
                    if pending:
                        yield from _finish(pending)
                    continue
                lane = self._lane(hint, batch)
                while len(pending) >= lane.depth:
                    yield from _finish(pending)
                request = lane.take()
                pending.append((lane, request))
                request.start(batch)
            while pending:
                yield from _finish(pending)
        finally:
            for _, request in pending:
                request.abandon()

    def describe(self, hint: Hint = "THROUGHPUT") -> dict[str, str]:
        """Describe the settings that OpenVINO chose on this machine: precision, streams, threads, pinning."""
        compiled = self._lane(hint, None).compiled
        properties = {
            "precision": "INFERENCE_PRECISION_HINT",
            "streams": "NUM_STREAMS",
            "threads": "INFERENCE_NUM_THREADS",
            "pinning": "ENABLE_CPU_PINNING",
        }
        described = {name: compiled.get_property(key) for name, key in properties.items()}
        described["precision"] = described["precision"].to_string()
        return {name: str(value) for name, value in described.items()}

    @property
    def streams(self) -> int:
        """Number of parallel batches in bulk work."""
        return self._lane("THROUGHPUT", None).streams

    def compile_counting(self) -> ov.CompiledModel:
        """Compile a single stream of bulk work with profiling of each operation."""
        bulk = self._lane("THROUGHPUT", None).compiled
        threads = bulk.get_property("INFERENCE_NUM_THREADS") // bulk.get_property("NUM_STREAMS")
        single = {"NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": max(1, threads)}
        return self._compile("THROUGHPUT", None, PERF_COUNT=True, **single)

    @staticmethod
    def check_process() -> None:
        """Raise RuntimeError in a process that was forked after inference."""
        _Fork.check()

    def _lane(self, hint: Hint, batch: ModelInputs | None) -> "_Lane":
        _Fork.check()
        static = self._config.static_lengths and hint == "THROUGHPUT" and batch is not None
        key = (hint, batch.input_ids.shape[1] if static and batch is not None else None)
        lane = self._lanes.get(key)
        if lane is None:
            with self._lock:
                lane = self._lanes.get(key)
                if lane is None:
                    lane = self._lanes[key] = _Lane(self._compile(*key), self._inputs)
        return lane

    def _compile(self, hint: Hint, length: int | None, **properties: Any) -> ov.CompiledModel:
        model = self._model
        properties = _properties(self._config, hint, self._threads) | properties
        if length is not None:
            model = model.clone()
            model.reshape({name: [-1, length] for name in self._inputs})
            # Several compiled models would be pinned to the same CPUs.
            properties.setdefault("ENABLE_CPU_PINNING", False)
        with _alone_at(properties.get("CACHE_DIR")):
            compiled = shared_core().compile_model(model, "CPU", properties)
        _Fork.compiled.add(compiled)
        return compiled


def _properties(config: RuntimeConfig, hint: Hint, threads: int | None) -> dict[str, Any]:
    """Convert the settings to OpenVINO's properties."""
    given: dict[str, Any] = {
        "PERFORMANCE_HINT": hint,
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": config.streams if hint == "THROUGHPUT" else None,
        "INFERENCE_PRECISION_HINT": config.precision,
        "ENABLE_CPU_PINNING": config.pinning,
        "ENABLE_HYPER_THREADING": config.hyper_threading,
    }
    if config.cache_dir is not None and _usable(Path(config.cache_dir)):
        given["CACHE_DIR"] = str(config.cache_dir)
    return {name: value for name, value in given.items() if value is not None}


class _Fork:
    """Guard against inference in a forked child.

    It has none of its parent's threads, on which OpenVINO and TBB rely: inference hung in one of ten
    children, and freeing a compiled model in most.
    """

    started = False  # True if the process has compiled a model, which starts threads
    orphaned = False  # True if the parent had when the process was forked
    compiled: ClassVar[weakref.WeakSet[ov.CompiledModel]] = weakref.WeakSet()

    @classmethod
    def check(cls) -> None:
        if cls.orphaned:
            raise RuntimeError(
                "this process was forked from one that had already asked a reader, and OpenVINO does not "
                "survive that; ask first in the child, or start processes with 'spawn' or 'forkserver'"
            )
        cls.started = True

    @classmethod
    def after_in_child(cls) -> None:
        cls.orphaned = cls.orphaned or cls.started
        for compiled in list(cls.compiled):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(compiled))  # never freed


after_fork_in_child(_Fork.after_in_child)


class _Lane:
    """Compiled model with a pool of idle inference requests."""

    def __init__(self, compiled: ov.CompiledModel, inputs: tuple[str, ...]) -> None:
        self.compiled = compiled
        self.streams = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        # Twice the streams, so that a stream that finishes early has its next batch queued.
        self.depth = 2 * self.streams
        self._inputs = inputs
        self._idle: list[_Request] = []

    def take(self) -> "_Request":
        try:
            return self._idle.pop()
        except IndexError:
            return _Request(self.compiled, self._inputs)

    def give_back(self, request: "_Request") -> None:
        self._idle.append(request)


def _finish(pending: "deque[tuple[_Lane, _Request]]") -> Iterator[Logits]:
    """Yield the logits of the oldest request, and free it after their use."""
    lane, request = pending[0]
    logits = request.logits()
    pending.popleft()
    try:
        yield logits
    finally:
        lane.give_back(request)


class _Request:
    """Inference request with the batch whose memory it reads."""

    def __init__(self, compiled: ov.CompiledModel, inputs: tuple[str, ...]) -> None:
        self._request = compiled.create_infer_request()
        self._inputs = inputs
        self._batch: ModelInputs | None = None

    def start(self, batch: ModelInputs) -> None:
        for name in self._inputs:
            array = getattr(batch, name)
            if array.dtype != np.int32 or not array.flags.carray:
                raise TypeError(f"{name}: expected a C-contiguous, writable int32 array, found {array.dtype}")
            self._request.set_tensor(name, ov.Tensor(array, shared_memory=True))
        self._batch = batch
        self._request.start_async()

    def logits(self) -> Logits:
        self._request.wait()
        self._batch = None
        return Logits(*(self._request.get_tensor(name).data for name in OUTPUTS))

    def abandon(self) -> None:
        """Wait for the request and discard its result, before the batch's memory is freed.

        It is not cancelled: in 6 of 180 runs, OpenVINO 2026.4 then failed in later batches of other shapes,
        whose sizes it had partly adopted.
        """
        with suppress(RuntimeError):  # the caller already has an error, or wants no result
            self._request.wait()


@contextmanager
def _alone_at(cache_dir: str | None) -> Iterator[None]:
    """Let one process at a time use the cache of compiled models.

    OpenVINO reads a file there that another process is still writing: of 60 processes that started four at a
    time on an empty cache, 8 ended with SIGBUS, one with an error, and one gave a wrong answer.
    """
    with ExitStack() as stack:
        if cache_dir is not None:
            with suppress(OSError):  # a file system without locks
                stack.enter_context(lock(Path(cache_dir) / "compiling.lock", wait=True))
        yield


def _usable(cache_dir: Path) -> bool:
    """Return True if compiled models can be cached in a directory; without, only the start is slower."""
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
    else:
        if os.access(cache_dir, os.W_OK | os.X_OK):
            return True
        reason = "no permission to write"
    warn_caller(f"compiled models are not kept: {cache_dir}: {reason}", RuntimeWarning)
    return False
