"""Build the parts that a reader consists of from its settings."""

import os
import threading
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from spanjet._core import Tokenizer
from spanjet.config import (
    SPECIAL_TOKENS,
    Calibration,
    DecodeConfig,
    RuntimeConfig,
    Threshold,
    WindowConfig,
)
from spanjet.model.directory import BUNDLED_MODEL
from spanjet.model.load import Model, load_model
from spanjet.reader.cascade.cascade import Cascade
from spanjet.reader.cascade.config import CascadeConfig
from spanjet.reader.cascade.thresholds import CascadeThresholds
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
    first: str | os.PathLike[str] | Model | None
    threshold: Threshold
    window_config: WindowConfig | None
    decode_config: DecodeConfig
    runtime_config: RuntimeConfig
    queue_config: QueueConfig
    cascade_config: CascadeConfig
    match_special_tokens: bool

    def of_first(self, model: Model, windows: WindowConfig) -> "Settings":
        """Return the settings of the first model, which ranks windows and answers nothing.

        Its windows are the reader's, or shorter ones where it cannot read those. A text that its tokenizer
        makes nothing of ranks last, and a question leaves at least half of a window to the text.
        """
        if model.max_length < windows.max_length:
            # In the proportion of the default settings, which fits any length.
            stride = max(1, model.max_length // 3)
            windows = replace(windows, max_length=model.max_length, convention="advance", doc_stride=stride)
        most = max(1, (windows.max_length - SPECIAL_TOKENS - 1) // 2)
        question = min(windows.max_question_length or most, most)
        windows = replace(windows, max_question_length=question, allow_empty=True)
        return replace(self, model=model, first=None, threshold=None, window_config=windows)


_Self = TypeVar("_Self", bound="Assembly")


class Parts:
    """The parts of one reader.

    Args:
        settings: the reader's.
        loaded: parts of a reader of the same models, whose engine and batcher are shared, and the tokenizer
            if it is the same; None: load them.

    Attributes:
        settings: the reader's.
        model: loaded.
        first: parts of the first model; None: there is none.
        runtime_config: completed by what was tuned, and by defaults.
        window_config: the settings', or the default ones as far as they fit the model.
        thresholds, tokenizer, engine, pipeline, batcher: the stages that a question passes through.

    Raises:
        OSError, ValueError, TypeError: as `Reader`.
    """

    model: Model
    runtime_config: RuntimeConfig
    tokenizer: Tokenizer
    engine: Runtime
    batcher: DynamicBatcher
    match_special_tokens: bool
    first: "Parts | None"
    cascade_thresholds: CascadeThresholds | None = None

    def __init__(self, settings: Settings, loaded: "Parts | None" = None) -> None:
        if loaded is None:
            self._load(settings)
        else:
            self.model, self.runtime_config = loaded.model, loaded.runtime_config
            self.engine, self.batcher = loaded.engine, loaded.batcher
            is_same = settings.match_special_tokens == loaded.match_special_tokens
            self.tokenizer = loaded.tokenizer if is_same else self._load_tokenizer(settings)
        self.match_special_tokens = settings.match_special_tokens
        self.window_config = settings.window_config or WindowConfig.fitting(self.model.max_length)
        check_compatible(self.model, self.tokenizer, self.window_config)
        self.settings = settings
        self.thresholds = Thresholds(self.model, settings.threshold, settings.decode_config.mode)
        self.first = self._first_parts(settings, None if loaded is None else loaded.first)
        self.pipeline = self._pipeline(settings)

    def _first_parts(self, settings: Settings, loaded: "Parts | None") -> "Parts | None":
        if settings.first is None:
            return None
        if loaded is None:
            given = settings.first
            first = given if isinstance(given, Model) else load_model(given)
            return Parts(settings.of_first(first, self.window_config))
        return Parts(settings.of_first(loaded.model, self.window_config), loaded)

    def _pipeline(self, settings: Settings) -> Pipeline:
        options: dict[str, Any] = {
            "window_config": self.window_config,
            "decode_config": settings.decode_config,
            "runtime_config": self.runtime_config,
            "thresholds": self.thresholds,
            "max_length": self.model.max_length,
        }
        if self.first is None:
            return Pipeline(self.tokenizer, self.engine, **options)
        config, mode = settings.cascade_config, settings.decode_config.mode
        self.cascade_thresholds = CascadeThresholds(
            self.model, self.first.model, config, settings.threshold, mode
        )
        return Cascade(
            self.first.pipeline,
            self.tokenizer,
            self.engine,
            cascade_thresholds=self.cascade_thresholds,
            config=config,
            **options,
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

    A worker that cannot unpickle its task ends silently, so that nothing is read before the first call.

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
    def first(self: _Self) -> _Self | None:
        """A reader of the first model alone, which shares its engine; None: there is no first model."""
        parts = self._parts.first
        if parts is None:
            return None
        reader = object.__new__(type(self))
        Assembly.__init__(reader, parts.settings, parts)
        return reader

    @property
    def cascade_config(self) -> CascadeConfig:
        """Settings of the reading with two models."""
        return self._settings.cascade_config

    @property
    def cascade_calibration(self) -> Calibration | None:
        """Calibration of both models for texts that both read; None: there is none, or only one model."""
        thresholds = self._parts.cascade_thresholds
        return None if thresholds is None else thresholds.fitted

    @property
    def window_config(self) -> WindowConfig:
        """Settings for cutting a context into windows."""
        return self._parts.window_config

    @property
    def decode_config(self) -> DecodeConfig:
        """Settings for decoding logits to answers."""
        return self._settings.decode_config

    @property
    def match_special_tokens(self) -> bool:
        """True if special tokens in a text become those tokens."""
        return self._settings.match_special_tokens

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
        if built is not None:
            first = None if built.first is None else built.first.model.stored()
            settings = replace(settings, model=built.model.stored(), first=first)
        return {**self.__dict__, "_settings": settings, "_lock": None, "_built": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    def __copy__(self) -> "Assembly":
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> "Assembly":
        return self
