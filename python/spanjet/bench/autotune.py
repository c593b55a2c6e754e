"""The settings of bulk work that are fastest on this machine, by measurement."""

import gc
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spanjet.config import TUNED_DEFAULTS, RuntimeConfig
from spanjet.model import Model
from spanjet.reader.batching import schedule
from spanjet.runtime.cpu import usable_cpus
from spanjet.runtime.engine import Runtime

__all__ = ["LENGTH_QUANTILES", "Candidate", "Tuned", "tune", "typical_lengths"]

LENGTH_QUANTILES = (
    17, 38, 47, 55, 66, 83, 102, 115, 124, 132, 140, 148, 157, 166, 176, 188, 202, 221, 247, 286, 384,
)  # fmt: skip
"""Tokens of SQuAD v1.1 training windows (Rajpurkar et al. 2016), at the shares 0, 0.05, … 1 of them."""

ROUNDINGS = ((16, 4), (16, 0), (8, 0), (32, 0), (64, 0))
"""Not 1: a long run would then meet a thousand shapes, and OpenVINO keeps 2.6 MB for each in every stream."""

BUDGETS = (512, 1024, 1536, 2048, 4096)

GAIN = 0.01
"""A setting must be faster than the best before it by this share to replace it, see `_is_faster`."""

STATIC_GAIN = 0.05
"""A model for each length must be, since it takes memory and its compilation takes time."""

SURE = 0.25
"""Of the rounds, at most so many may say otherwise: a median alone is above 1 by luck half of the time."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Settings that were measured.

    Attributes:
        settings: the names of `spanjet.config.TUNED_DEFAULTS`.
        speed: median over the rounds of its tokens a second, padding not counted, over those of the
            settings that were best before.
        tokens_per_second: median, padding not counted.
        padding: share of padding among all positions, 0 to 1.
        megabytes: by which the process grew when the settings were first compiled and run.
        is_best: whether it was faster than the best before it.
    """

    settings: dict[str, Any]
    speed: float
    tokens_per_second: float
    padding: float
    megabytes: float
    is_best: bool


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """What tuning found.

    Attributes:
        settings: the fastest ones, by the names of `spanjet.config.TUNED_DEFAULTS`.
        candidates: all that were measured, in their order.
        gain: their speed over that of the settings at the start, measured once more at the end; 1 where
            those are kept.
        windows: of the sample.
        cpu_share: CPU time that the process got, of what its threads could have used. Where other
            programs took much of it, what was found says little.
    """

    settings: dict[str, Any]
    candidates: tuple[Candidate, ...]
    gain: float
    windows: int
    cpu_share: float

    def as_dict(self) -> dict[str, Any]:
        """The attributes by name, ready for JSON."""
        return asdict(self)


class _Inputs(NamedTuple):
    input_ids: NDArray[np.int32]
    attention_mask: NDArray[np.int32]
    token_type_ids: NDArray[np.int32]


class _Trial:
    """Settings with their compiled model and their batches."""

    def __init__(self, settings: dict[str, Any], runtime: Runtime, batches: list[_Inputs]) -> None:
        self.settings = settings
        self.runtime = runtime
        self.batches = batches
        self.positions = sum(batch.input_ids.size for batch in batches)

    def seconds(self) -> float:
        began = time.perf_counter()
        for _ in self.runtime.run(self.batches):
            pass
        return time.perf_counter() - began


class _Search:
    """Coordinate search: one setting after the other, each against the best so far."""

    def __init__(
        self,
        model: Model,
        config: RuntimeConfig,
        lengths: NDArray[np.int64],
        rounds: int,
        progress: Callable[[int, int | None], None] | None,
    ) -> None:
        self._model = model
        # What is compiled for trials alone is not to be kept.
        self._config = replace(config, cache_dir=None)
        self._lengths = lengths
        self._rounds = rounds
        self._progress = progress
        self._threads = min(config.threads or usable_cpus(), usable_cpus())
        self._wall = self._cpu = 0.0
        self.candidates: list[Candidate] = []
        self._runtimes: dict[tuple[Any, ...], Runtime] = {}
        settings = {
            name: default if getattr(config, name) is None else getattr(config, name)
            for name, default in TUNED_DEFAULTS.items()
        }
        before = resident_megabytes()
        self._best = self._trial(settings)
        self._best.seconds()
        megabytes = resident_megabytes() - before
        seconds = [self._best.seconds() for _ in range(rounds)]
        self._add(self._best, [1.0], seconds, megabytes=megabytes, is_best=True)

    @property
    def settings(self) -> dict[str, Any]:
        return self._best.settings

    @property
    def streams(self) -> int:
        return self._best.runtime.streams

    @property
    def cpu_share(self) -> float:
        return self._cpu / (self._wall * self._threads)

    def compare(
        self, changes: dict[str, Any], *, gain: float = GAIN, max_megabytes: float = math.inf
    ) -> None:
        """Measure the best settings with some changes, in turns with the best; keep the faster."""
        settings = {**self._best.settings, **changes}
        if any(candidate.settings == settings for candidate in self.candidates):
            return
        before = resident_megabytes()
        trial = self._trial(settings)
        trial.seconds()  # compiles, and lets OpenVINO see the shapes
        megabytes = resident_megabytes() - before
        ratios, seconds = self._turns(trial)
        is_best = _is_faster(ratios, gain) and megabytes <= max_megabytes
        self._add(trial, ratios, seconds, megabytes=megabytes, is_best=is_best)
        if is_best:
            self._best = trial
        del trial
        self._runtimes = {key: each for key, each in self._runtimes.items() if each is self._best.runtime}
        gc.collect()

    def confirm(self) -> float:
        """Measure the best settings against those at the start once more; without a gain those are best.

        Of many settings the fastest has also had the most luck, which it does not have again.

        Returns:
            Speed of the best settings over those at the start.
        """
        first = self.candidates[0].settings
        if self._best.settings == first:
            return 1.0
        trial = self._trial(first)
        trial.seconds()
        ratios, _ = self._turns(trial)
        gains = [1 / ratio for ratio in ratios]
        if _is_faster(gains, GAIN):
            return statistics.median(gains)
        self._best = trial
        return 1.0

    def _turns(self, trial: _Trial) -> tuple[list[float], list[float]]:
        """Speed of a trial over the best in each round, and its seconds."""
        ratios, seconds = [], []
        for turn in range(self._rounds):
            pair = (trial, self._best) if turn % 2 else (self._best, trial)
            wall, cpu = time.perf_counter(), time.process_time()
            found = {one: one.seconds() for one in pair}
            self._wall += time.perf_counter() - wall
            self._cpu += time.process_time() - cpu
            ratios.append(found[self._best] / found[trial])
            seconds.append(found[trial])
        return ratios, seconds

    def _trial(self, settings: dict[str, Any]) -> _Trial:
        key = (settings["streams"], settings["static_lengths"])
        if key not in self._runtimes:
            self._runtimes[key] = Runtime(self._model.model, replace(self._config, **settings))
        runtime = self._runtimes[key]
        plan = schedule(
            self._lengths,
            batch_tokens=settings["batch_tokens"],
            length_multiple=settings["length_multiple"],
            length_excess=settings["length_excess"],
            max_length=self._model.max_length,
            streams=runtime.streams,
        )
        batches = [self._inputs(self._lengths[rows], length) for rows, length in plan]
        return _Trial(settings, runtime, batches)

    def _inputs(self, tokens: NDArray[np.int64], length: int) -> _Inputs:
        """A batch of windows with these numbers of tokens; which tokens they are makes no difference."""
        mask = (np.arange(length) < tokens[:, None]).astype(np.int32)
        ids = np.random.default_rng(0).integers(0, self._model.vocab_size, mask.shape, dtype=np.int32) * mask
        return _Inputs(ids, mask, np.zeros_like(mask))

    def _add(
        self,
        trial: _Trial,
        ratios: list[float],
        seconds: list[float],
        *,
        megabytes: float,
        is_best: bool,
    ) -> None:
        tokens = int(self._lengths.sum())
        self.candidates.append(
            Candidate(
                settings=trial.settings,
                speed=statistics.median(ratios),
                tokens_per_second=tokens / statistics.median(seconds),
                padding=1 - tokens / trial.positions,
                megabytes=megabytes,
                is_best=is_best,
            )
        )
        if self._progress is not None:
            self._progress(len(self.candidates), None)


def tune(
    model: Model,
    config: RuntimeConfig | None = None,
    *,
    lengths: NDArray[np.int64] | None = None,
    rounds: int = 5,
    max_static_megabytes: float = 2048,
    progress: Callable[[int, int | None], None] | None = None,
) -> Tuned:
    """Find the fastest settings for bulk work on this machine.

    Number of streams, rounding of lengths, budget of a batch, and a compiled model for each length are
    tried one after the other, each in turns with the best settings before it, so that a machine whose
    speed wavers slows down both. At the end, what was found must be faster than the beginning once more.
    Nothing is kept: see `spanjet.reader.tuned_settings.save_tuning`.

    Args:
        model: what runs.
        config: its threads, precision and pinning are used, and its values of tuned settings are where
            the search begins; default: ``RuntimeConfig()``.
        lengths: int64[windows], tokens of a sample of windows; default: `typical_lengths`.
        rounds: turns of each comparison, at least 1.
        max_static_megabytes: a model for each length is not kept if it takes more memory than this.
        progress: called with the number of settings that were measured, and None.

    Raises:
        ValueError: no lengths, one that is less than 1 or more than the model takes, or ``rounds`` less
            than 1.
    """
    config = RuntimeConfig() if config is None else config
    lengths = typical_lengths(model.max_length) if lengths is None else np.asarray(lengths, np.int64)
    if rounds < 1:
        raise ValueError(f"rounds is {rounds}; expected at least 1")
    if len(lengths) == 0 or lengths.min() < 1 or lengths.max() > model.max_length:
        raise ValueError(f"lengths: expected numbers from 1 to {model.max_length}, the model's positions")
    search = _Search(model, config, lengths, rounds, progress)
    for streams in _stream_counts(config.threads or usable_cpus()):
        if streams != search.streams:
            search.compare({"streams": streams})
    for multiple, excess in ROUNDINGS:
        search.compare({"length_multiple": multiple, "length_excess": excess})
    for budget in BUDGETS:
        search.compare({"batch_tokens": budget})
    # With multiples alone: twice as many lengths would take twice the memory.
    static = {"static_lengths": True, "length_excess": 0}
    search.compare(static, gain=STATIC_GAIN, max_megabytes=max_static_megabytes)
    gain = search.confirm()
    return Tuned(
        gain=gain,
        settings=search.settings,
        candidates=tuple(search.candidates),
        windows=len(lengths),
        cpu_share=search.cpu_share,
    )


def _is_faster(ratios: list[float], gain: float) -> bool:
    """Whether speeds over another's are above 1 + gain in the median, and nearly all above 1."""
    return statistics.median(ratios) > 1 + gain and float(np.quantile(ratios, SURE)) > 1


def _stream_counts(threads: int) -> list[int]:
    """1, the threads, and what lies between in powers of 2, from many to few."""
    counts = {threads}
    count = 1
    while count < threads:
        counts.add(count)
        count *= 2
    return sorted(counts, reverse=True)


def typical_lengths(max_length: int, *, windows: int = 400) -> NDArray[np.int64]:
    """int64[windows]: tokens of windows as SQuAD has them (see `LENGTH_QUANTILES`), but no more than fit."""
    shares = (np.arange(windows) + 0.5) / windows
    places = np.linspace(0, 1, len(LENGTH_QUANTILES))
    return np.minimum(np.interp(shares, places, LENGTH_QUANTILES).astype(np.int64), max_length)


def resident_megabytes() -> float:
    """Memory of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return float("nan")
