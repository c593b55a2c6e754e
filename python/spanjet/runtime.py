"""The model on this machine: compiled by OpenVINO, fed with batches, read without copies."""

import ctypes
import os
import threading
import warnings
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import spanjet.telemetry  # noqa: F401

# isort: split
import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino.preprocess import PrePostProcessor

from spanjet.config import RuntimeConfig

__all__ = ["Logits", "ModelInputs", "Runtime"]

REQUIRED_INPUTS = ("input_ids", "attention_mask")
INPUTS = (*REQUIRED_INPUTS, "token_type_ids")
OUTPUTS = ("start_logits", "end_logits")

Hint = Literal["LATENCY", "THROUGHPUT"]


class ModelInputs(Protocol):
    """The arrays of one batch: int32[rows, length], C-contiguous and writable, as `Batch` has them."""

    @property
    def input_ids(self) -> NDArray[np.int32]: ...  # noqa: D102
    @property
    def attention_mask(self) -> NDArray[np.int32]: ...  # noqa: D102
    @property
    def token_type_ids(self) -> NDArray[np.int32]: ...  # noqa: D102


class Logits(NamedTuple):
    """float32[rows, length] each: views of OpenVINO's memory, valid until the next batch is asked for."""

    start: NDArray[np.float32]
    end: NDArray[np.float32]


class Runtime:
    """One question-answering model on the CPUs of this machine; safe to share between threads.

    The model is compiled when it is first needed, on its own for single batches (OpenVINO's LATENCY
    hint: all threads on one batch) and for bulk work (THROUGHPUT: several batches side by side). A process
    forked before that may use the runtime; one forked later may not.

    Args:
        model: an ``openvino.Model`` with the inputs ``input_ids``, ``attention_mask`` and, if it has
            any, ``token_type_ids`` [rows, length], and the outputs ``start_logits`` and ``end_logits``
            [rows, length]. Other element types than int32 and float32 are converted in the model.
        config: threads, streams, precision and cache; default: OpenVINO's choices.

    Raises:
        ValueError: the model has other inputs or outputs.
    """

    def __init__(self, model: ov.Model, config: RuntimeConfig | None = None) -> None:
        self._model, self._inputs = _adapt(model)
        self._config = RuntimeConfig() if config is None else config
        self._lock = threading.Lock()
        self._models: dict[Hint, ov.CompiledModel] = {}

    def run(self, batches: Iterable[ModelInputs], *, hint: Hint = "THROUGHPUT") -> Iterator[Logits]:
        """Run batches side by side; the next ones are taken from ``batches`` while others run.

        The batch's arrays are the model's input memory: nothing is copied, and they must not change
        until their logits are out.

        Args:
            batches: any iterable; it is read only a few batches ahead.
            hint: what to compile for (see `Runtime`).

        Yields:
            The logits of each batch, in the order of ``batches``.

        Raises:
            RuntimeError: OpenVINO failed; the message is its own. Or this process was forked from one that
                had compiled a model.
            TypeError: an array that is not int32, C-contiguous and writable.
        """
        compiled = self._compiled(hint)
        # Twice the streams, so that a stream which is done early finds its next batch waiting.
        depth = 2 * int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        pending: deque[_Request] = deque()
        free: list[_Request] = []
        try:
            for batch in batches:
                if len(pending) == depth:
                    request = pending.popleft()
                    yield request.logits()
                    free.append(request)
                request = free.pop() if free else _Request(compiled, self._inputs)
                request.start(batch)
                pending.append(request)
            while pending:
                request = pending.popleft()
                yield request.logits()
        finally:
            for request in pending:
                request.abandon()

    def _compiled(self, hint: Hint) -> ov.CompiledModel:
        _Fork.check()
        with self._lock:
            if hint not in self._models:
                self._models[hint] = self._compile(hint)
            return self._models[hint]

    def _compile(self, hint: Hint) -> ov.CompiledModel:
        config = self._config
        properties: dict[str, Any] = {"PERFORMANCE_HINT": hint}
        if config.threads is not None:
            properties["INFERENCE_NUM_THREADS"] = config.threads
        if config.streams is not None and hint == "THROUGHPUT":
            properties["NUM_STREAMS"] = config.streams
        if config.precision is not None:
            properties["INFERENCE_PRECISION_HINT"] = config.precision
        if config.cache_dir is not None and _usable(Path(config.cache_dir)):
            properties["CACHE_DIR"] = str(config.cache_dir)
        compiled = ov.Core().compile_model(self._model, "CPU", properties)
        _Fork.compiled.add(compiled)
        return compiled


class _Fork:
    """What a child made by fork must not do.

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
        """Come to an end without a result, before the batch's memory is freed."""
        try:
            self._request.cancel()
            self._request.wait()
        except RuntimeError:
            return  # cancelled or failed; the caller already has an error, or wants no result


def _adapt(model: ov.Model) -> tuple[ov.Model, tuple[str, ...]]:
    """The model with int32 inputs and float32 outputs, and the names of its inputs."""
    inputs = _named(model.inputs, INPUTS, REQUIRED_INPUTS, "inputs")
    for name, port in inputs.items():
        if any(dimension.is_static for dimension in port.get_partial_shape()):
            shape = port.get_partial_shape()
            raise ValueError(f"the model's {name} has the fixed shape {shape}; expected one that can vary")
    outputs = _named(model.outputs, OUTPUTS, OUTPUTS, "outputs")
    other_inputs = [name for name, port in inputs.items() if port.get_element_type().to_string() != "i32"]
    other_outputs = [name for name, port in outputs.items() if port.get_element_type().to_string() != "f32"]
    if other_inputs or other_outputs:
        processor = PrePostProcessor(model.clone())
        for name in other_inputs:
            processor.input(name).tensor().set_element_type(ov.Type.i32)
        for name in other_outputs:
            processor.output(name).tensor().set_element_type(ov.Type.f32)
        model = processor.build()
    return model, tuple(name for name in INPUTS if name in inputs)


def _named(
    ports: Iterable[Any], known: tuple[str, ...], required: tuple[str, ...], kind: str
) -> dict[str, Any]:
    """The model's ports by their names, which must be the known ones."""
    named: dict[str, Any] = {}
    for port in ports:
        names = port.get_names()
        named[next((name for name in known if name in names), min(names, default="(no name)"))] = port
    if not set(required) <= set(named) <= set(known):
        raise ValueError(f"the model has the {kind} {sorted(named)}; expected {list(known)}")
    for name, port in named.items():
        shape = port.get_partial_shape()
        if shape.rank.is_static and len(shape) != 2:
            raise ValueError(f"the model's {name} has the shape {shape}; expected [rows, length]")
    return named


def _usable(cache_dir: Path) -> bool:
    """Whether compiled models can be kept there; a reader works without, only its start is slower."""
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = str(error)
    else:
        if os.access(cache_dir, os.W_OK | os.X_OK):
            return True
        reason = "no permission to write"
    warnings.warn(f"compiled models are not kept: {cache_dir}: {reason}", RuntimeWarning, stacklevel=2)
    return False
