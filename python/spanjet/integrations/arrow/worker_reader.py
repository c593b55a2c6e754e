"""Load the reader of a worker process once for all who use it with equal settings."""

import os
import threading
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from spanjet.config import DecodeConfig, RuntimeConfig, Threshold, WindowConfig
from spanjet.reader.reader import Reader
from spanjet.validation import check_count, check_threshold, check_type

__all__ = ["WorkerReaderSettings", "load_reader", "model_path"]

KEPT = 4
"""Number of readers that a process keeps while nothing uses them, as between two tasks of Spark."""

_lock = threading.Lock()


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerReaderSettings:
    """Arguments of a `Reader`, checked as far as possible without a model; can be pickled and compared.

    Attributes:
        model: path or hub id; None: the bundled model.
        threads: threads of the reader; None: those of ``runtime_config``.
        runtime_config: None: the default of the process that loads the reader. ``pinning`` of None means
            False here: OpenVINO would pin the threads of all processes to the same CPUs.
        threshold, window_config, decode_config, match_special_tokens: as for `Reader`.

    Raises:
        TypeError, ValueError: a field has the wrong type, or is out of range.
    """

    model: str | None
    threshold: Threshold
    window_config: WindowConfig
    decode_config: DecodeConfig
    runtime_config: RuntimeConfig | None
    threads: int | None
    match_special_tokens: bool

    def __post_init__(self) -> None:
        if isinstance(self.threshold, str) and self.threshold != "model":
            expected = "'model', a probability, 0 to 1, or None"
            raise ValueError(f"threshold is {self.threshold!r}; expected {expected}")
        if not isinstance(self.threshold, str):
            check_threshold("threshold", self.threshold, "'model', ")
        if self.threads is not None:
            check_count("threads", self.threads)
        if self.runtime_config is not None:
            check_type("runtime_config", self.runtime_config, RuntimeConfig)
        check_type("match_special_tokens", self.match_special_tokens, bool)

    def read(self) -> Reader:
        """Load the reader."""
        runtime = RuntimeConfig() if self.runtime_config is None else self.runtime_config
        if self.threads is not None:
            runtime = replace(runtime, threads=self.threads)
        if runtime.pinning is None:
            runtime = replace(runtime, pinning=False)
        return Reader(
            self.model,
            threshold=self.threshold,
            window_config=self.window_config,
            decode_config=self.decode_config,
            runtime_config=runtime,
            match_special_tokens=self.match_special_tokens,
        )


def load_reader(settings: WorkerReaderSettings) -> Reader:
    """Return the process's reader of these settings; load it if there is none.

    Raises:
        OSError, ValueError: as `Reader`.
    """
    with _lock:
        return _load(settings)


def model_path(model: Any) -> str | None:
    """Return a path or hub id as text; a directory here becomes absolute, as workers run elsewhere.

    Raises:
        TypeError: ``model`` is neither, nor None.
    """
    if model is None:
        return None
    if not isinstance(model, str | os.PathLike):
        found = type(model).__name__
        raise TypeError(f"model: expected a path, a hub id or None, found {found}; each worker loads it")
    path = os.fspath(model)
    return str(Path(path).absolute()) if Path(path).is_dir() else path


@lru_cache(KEPT)
def _load(settings: WorkerReaderSettings) -> Reader:
    return settings.read()
