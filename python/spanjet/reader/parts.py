"""Build the parts that a reader consists of from its settings."""

import os
import threading
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from spanjet._core import Tokenizer
from spanjet.config import Calibration, DecodeConfig, RuntimeConfig, Threshold, WindowConfig
from spanjet.model.directory import BUNDLED_MODEL
from spanjet.model.load import Model, load_model
from spanjet.reader.compatibility import check_compatible
from spanjet.reader.dynamic_batching.batcher import DynamicBatcher
from spanjet.reader.dynamic_batching.config import QueueConfig
from spanjet.reader.pipeline import Pipeline
from spanjet.reader.thresholds import Thresholds
from spanjet.reader.tuned_settings import tuned_settings
from spanjet.runtime.engine import Runtime

__all__ = ["Assembly", "Settings"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """The arguments of a `Reader`, checked; with a path for the model they can be pickled."""

    model: str | os.PathLike[str] | Model | None
    threshold: Threshold
    window_config: WindowConfig
    decode_config: DecodeConfig
    runtime_config: RuntimeConfig
    queue_config: QueueConfig
    match_special_tokens: bool


_Self = TypeVar("_Self", bound="Assembly")


class Parts:
    """The parts of one reader.

    Args:
        settings: the reader's.
        loaded: parts of a reader of the same model, whose engine and batcher are shared, and the tokenizer if
            it is the same; None: load them.

    Attributes:
        model: loaded.
        runtime_config: completed by what was tuned, and by defaults.
        thresholds, tokenizer, engine, pipeline, batcher: the stations of a question.

    Raises:
        OSError, ValueError, TypeError: as `Reader`.
    """

    model: Model
    runtime_config: RuntimeConfig
    tokenizer: Tokenizer
    engine: Runtime
    batcher: DynamicBatcher
    match_special_tokens: bool

    def __init__(self, settings: Settings, loaded: "Parts | None" = None) -> None:
        if loaded is None:
            self._load(settings)
        else:
            self.model, self.runtime_config = loaded.model, loaded.runtime_config
            self.engine, self.batcher = loaded.engine, loaded.batcher
            is_same = settings.match_special_tokens == loaded.match_special_tokens
            self.tokenizer = loaded.tokenizer if is_same else self._load_tokenizer(settings)
        self.match_special_tokens = settings.match_special_tokens
        check_compatible(self.model, self.tokenizer, settings.window_config)
        self.thresholds = Thresholds(self.model, settings.threshold, settings.decode_config.mode)
        self.pipeline = Pipeline(
            self.tokenizer,
            self.engine,
            window_config=settings.window_config,
            decode_config=settings.decode_config,
            runtime_config=self.runtime_config,
            calibration=self.thresholds.calibration,
            max_length=self.model.max_length,
        )

    def _load(self, settings: Settings) -> None:
        model = BUNDLED_MODEL if settings.model is None else settings.model
        self.model = model if isinstance(model, Model) else load_model(model)
        tuned = tuned_settings(self.model, settings.runtime_config)
        self.runtime_config = settings.runtime_config.completed(tuned)
        self.tokenizer = self._load_tokenizer(settings)
        self.engine = Runtime(self.model.model, self.runtime_config)
        self.batcher = DynamicBatcher(
            self.engine,
            settings.queue_config,
            batch_tokens=self.runtime_config.batch_tokens,
            max_length=self.model.max_length,
        )

    def _load_tokenizer(self, settings: Settings) -> Tokenizer:
        return Tokenizer(
            self.model.tokenizer,
            match_special_tokens=settings.match_special_tokens,
            threads=self.runtime_config.threads,
        )


class Assembly:
    """Build the parts of a reader: at once, or, in a process that it was pickled for, when it is first used.

    A worker that cannot unpickle its task ends without a word, so that nothing is read before the first call.

    Args:
        settings: the reader's.
        loaded: parts of a reader of the same model (see `Parts`).
    """

    def __init__(self, settings: Settings, loaded: Parts | None = None) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._built: Parts | None = self._build(loaded)

    def _build(self, loaded: Parts | None = None) -> Parts:
        return Parts(self._settings, loaded)

    @property
    def _parts(self) -> Parts:
        if self._built is None:
            with self._lock:
                self._built = self._built or self._build()
        return self._built

    def _sibling(self: _Self, **settings: Any) -> _Self:
        """Return a reader with some other settings that do not concern its model."""
        sibling = object.__new__(type(self))
        Assembly.__init__(sibling, replace(self._settings, **settings), self._parts)
        return sibling

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's tokenizer."""
        return self._parts.tokenizer

    @property
    def model(self) -> Model:
        """The model, its directory and its card."""
        return self._parts.model

    @property
    def window_config(self) -> WindowConfig:
        """Settings for cutting a context into windows."""
        return self._settings.window_config

    @property
    def decode_config(self) -> DecodeConfig:
        """Settings for decoding logits to answers."""
        return self._settings.decode_config

    @property
    def calibration(self) -> Calibration:
        """Parameters that turn logits into probabilities: the model's, or the defaults where it has none."""
        return self._parts.thresholds.calibration

    @property
    def threshold(self) -> float | None:
        """The probability of an answer below which the null answer is given; None: never."""
        return self._parts.thresholds.default

    def resolve_threshold(self, threshold: Threshold) -> float | None:
        """Return the minimum probability of an answer that a threshold of a call means; None: none."""
        return self._parts.thresholds.resolve(threshold)

    @property
    def queue_config(self) -> QueueConfig:
        """Limits of the queue of asynchronous calls."""
        return self._settings.queue_config

    @property
    def runtime_config(self) -> RuntimeConfig:
        """Settings for running the model, with tuned settings and defaults filled in."""
        return self._parts.runtime_config

    @property
    def engine(self) -> Runtime:
        """The model on this machine, for those who bring their own batches."""
        return self._parts.engine

    @property
    def _pipeline(self) -> Pipeline:
        return self._parts.pipeline

    def __getstate__(self) -> dict[str, Any]:
        settings, built = self._settings, self._built
        settings = settings if built is None else replace(settings, model=built.model.stored())
        return {**self.__dict__, "_settings": settings, "_lock": None, "_built": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    def __copy__(self) -> "Assembly":
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> "Assembly":
        return self
