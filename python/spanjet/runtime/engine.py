"""Compile a model with OpenVINO and run batches through it without copies."""

import ctypes
import os
import threading
import warnings
import weakref
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from spanjet.config import RuntimeConfig
from spanjet.runtime.openvino import ov
from spanjet.runtime.ports import OUTPUTS, adapt
from spanjet.runtime.precision import suited

__all__ = ["Logits", "ModelInputs", "Runtime"]

Hint = Literal["LATENCY", "THROUGHPUT"]


class ModelInputs(Protocol):
    """The arrays of one batch: int32[rows, length], C-contiguous and writable, as `Batch` has them."""

    @property
    def input_ids(self) -> NDArray[np.int32]:
        """Vocabulary ids."""

    @property
    def attention_mask(self) -> NDArray[np.int32]:
        """1 for tokens, 0 for padding."""

    @property
    def token_type_ids(self) -> NDArray[np.int32]:
        """The part of the pair that a token belongs to."""


class Logits(NamedTuple):
    """float32[rows, length] each: views of OpenVINO's memory, valid until the next batch is asked for."""

    start: NDArray[np.float32]
    end: NDArray[np.float32]


class Runtime:
    """Run one question-answering model on the CPUs of this machine; safe to share between threads.

    The model is compiled when it is first needed, on its own for single batches (OpenVINO's LATENCY
    hint: all threads on one batch) and for bulk work (THROUGHPUT: several batches side by side). A process
    forked before that may use the runtime; one forked later may not.

    The lengths vary by default. With ``static_lengths``, each length in bulk work has a compiled model of
    its own, made when the length first comes: MiniLM-L6 INT8 then takes 6 % less time (10 % if the
    number of rows were fixed too), but each of 24 lengths takes 36 MB and 0.6 s to compile, 0.9 GB and
    14 s in all.

    Args:
        model: an ``openvino.Model`` with the inputs ``input_ids``, ``attention_mask`` and, if it has
            any, ``token_type_ids`` [rows, length], and the outputs ``start_logits`` and ``end_logits``
            [rows, length]. Other element types than int32 and float32 are converted in the model.
        config: threads, streams, precision and cache; default: OpenVINO's choices.

    Raises:
        ValueError: the model has other inputs or outputs.
    """

    def __init__(self, model: ov.Model, config: RuntimeConfig | None = None) -> None:
        self._config = RuntimeConfig() if config is None else config
        adapted, self._inputs = adapt(model)
        self._model = suited(adapted, int8=self._config.int8)
        self._lock = threading.Lock()
        self._lanes: dict[tuple[Hint, int | None], _Lane] = {}

    def run(
        self, batches: Iterable[ModelInputs | None], *, hint: Hint = "THROUGHPUT"
    ) -> Generator[Logits, None, None]:
        """Run batches side by side; the next ones are taken from ``batches`` while others run.

        The batch's arrays are the model's input memory: nothing is copied, and they must not change
        until their logits are out. When the iterator is closed, or an error ends it, nothing is left
        running.

        Args:
            batches: any iterable; it is read only a few batches ahead. None in place of a batch: the
                next one is asked for when the oldest that runs has its logits out.
            hint: what to compile for (see `Runtime`).

        Yields:
            The logits of each batch, in the order of ``batches``.

        Raises:
            RuntimeError: OpenVINO failed; the message is its own. Or this process was forked from one that
                had compiled a model.
            TypeError: an array that is not int32, C-contiguous and writable.
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
        """Batches that run at the same time in bulk work."""
        return self._lane("THROUGHPUT", None).streams

    def compile_counting(self) -> ov.CompiledModel:
        """Compile one stream of bulk work that counts the time of each operation."""
        bulk = self._lane("THROUGHPUT", None).compiled
        threads = bulk.get_property("INFERENCE_NUM_THREADS") // bulk.get_property("NUM_STREAMS")
        single = {"NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": max(1, threads)}
        return self._compile("THROUGHPUT", None, PERF_COUNT=True, **single)

    @staticmethod
    def check_process() -> None:
        """Raise the RuntimeError that a process forked after inference gets."""
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
        properties = _properties(self._config, hint) | properties
        if length is not None:
            model = model.clone()
            model.reshape({name: [-1, length] for name in self._inputs})
            # Models side by side would be pinned to the same CPUs.
            properties.setdefault("ENABLE_CPU_PINNING", False)
        compiled = ov.Core().compile_model(model, "CPU", properties)
        _Fork.compiled.add(compiled)
        return compiled


def _properties(config: RuntimeConfig, hint: Hint) -> dict[str, Any]:
    """Translate the settings to OpenVINO's properties."""
    given: dict[str, Any] = {
        "PERFORMANCE_HINT": hint,
        "INFERENCE_NUM_THREADS": config.threads,
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

    It has none of its parent's threads, but OpenVINO and TBB in it count on them: inference hung in one of
    ten children, and to free a compiled model in most.
    """

    started = False  # whether this process has compiled a model, which starts threads
    orphaned = False  # whether the parent had, when this process was made
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
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(compiled))  # so that it is never freed


os.register_at_fork(after_in_child=_Fork.after_in_child)


class _Lane:
    """A compiled model and its idle requests, which are kept for later runs."""

    def __init__(self, compiled: ov.CompiledModel, inputs: tuple[str, ...]) -> None:
        self.compiled = compiled
        self.streams = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        # Twice the streams, so that a stream which is done early finds its next batch waiting.
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
    """Wait for the oldest request; it is free again when its logits have been used."""
    lane, request = pending[0]
    logits = request.logits()
    pending.popleft()
    try:
        yield logits
    finally:
        lane.give_back(request)


class _Request:
    """An inference request and the batch whose memory it reads."""

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
        """Wait for the end without a result, before the batch's memory is freed.

        It is not cancelled: in 6 of 180 runs, OpenVINO 2026.4 then failed in later batches of other
        shapes, whose sizes it had half taken over.
        """
        with suppress(RuntimeError):  # the caller already has an error, or wants no result
            self._request.wait()


def _usable(cache_dir: Path) -> bool:
    """Tell whether compiled models can be cached there; without, only the start is slower."""
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
    else:
        if os.access(cache_dir, os.W_OK | os.X_OK):
            return True
        reason = "no permission to write"
    warnings.warn(f"compiled models are not kept: {cache_dir}: {reason}", RuntimeWarning, stacklevel=2)
    return False
