"""Tune the runtime settings of bulk work on this machine by measurement."""

import gc
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.latency.typical_batches import RandomBatch, typical_batches
from spanjet.config import TUNED_DEFAULTS, RuntimeConfig
from spanjet.measure.rounds import Turn, alternate, ratios
from spanjet.model import Model
from spanjet.runtime.cpu import usable_cpus
from spanjet.runtime.engine import Runtime
from spanjet.runtime.machine import resident_megabytes

__all__ = ["LENGTH_QUANTILES", "Candidate", "Tuned", "tune", "typical_lengths"]

LENGTH_QUANTILES = (
    17, 38, 47, 55, 66, 83, 102, 115, 124, 132, 140, 148, 157, 166, 176, 188, 202, 221, 247, 286, 384,
)  # fmt: skip
"""Quantiles 0, 0.05, … 1 of the lengths in tokens of SQuAD v1.1 training windows (Rajpurkar et al. 2016)."""

BUDGETS = (512, 1024, 1536, 2048, 4096)

GAIN = 0.01
"""Minimum relative speed-up for a setting to replace the best one so far, see `_is_faster`."""

STATIC_GAIN = 0.05
"""Minimum relative speed-up for one compiled model per length, which takes memory and time to compile."""

SURE = 0.25
"""Maximum share of rounds without a speed-up: a median alone is above 1 by chance half of the time."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Measured settings.

    Attributes:
        settings: values by the names of `spanjet.config.TUNED_DEFAULTS`.
        speed: median over the rounds of its tokens per second relative to the best settings so far, without
            padding.
        tokens_per_second: median over the rounds, without padding.
        padding: share of padding among all positions, 0 to 1.
        megabytes: growth of the process's resident memory by compiling and running the settings.
        is_best: True if it was faster than the best settings so far.
    """

    settings: dict[str, Any]
    speed: float
    tokens_per_second: float
    padding: float
    megabytes: float
    is_best: bool


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """Result of tuning: all candidates, the best settings and their gain.

    Attributes:
        settings: fastest values by the names of `spanjet.config.TUNED_DEFAULTS`.
        candidates: all measured settings, in order.
        gain: speed relative to the initial settings, measured again at the end; 1 if those are kept.
        windows: number of windows of the sample.
        cpu_share: CPU time of the process as a share of what its threads could have used, 0 to 1; if it is
            low, other programs were running and the result is unreliable.
    """

    settings: dict[str, Any]
    candidates: tuple[Candidate, ...]
    gain: float
    windows: int
    cpu_share: float

    def as_dict(self) -> dict[str, Any]:
        """Return the attributes by name, JSON-serialisable."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class _Trial:
    """Settings with their compiled model and batches."""

    settings: dict[str, Any]
    runtime: Runtime
    batches: list[RandomBatch]

    def run(self) -> None:
        for _ in self.runtime.run(self.batches):
            pass

    def equals(self, other: "_Trial") -> bool:
        """Return True if the other trial's model gives bit-identical logits for this trial's batches.

        Static lengths let OpenVINO choose other kernels, which may round differently: those of a MiniLM-L6
        do not, those of a BERT of hidden size 32 do in bf16.
        """
        runs = (each.runtime.run(self.batches) for each in (self, other))
        return self.runtime is other.runtime or all(
            np.array_equal(mine[batch.attention_mask == 1], others[batch.attention_mask == 1])
            for batch, *logits in zip(self.batches, *runs, strict=True)
            for mine, others in zip(*logits, strict=True)
        )


class _Search:
    """Coordinate search over the settings, each compared with the best so far."""

    def __init__(
        self,
        model: Model,
        config: RuntimeConfig,
        lengths: NDArray[np.int64],
        rounds: int,
        progress: Callable[[int, int | None], None] | None,
    ) -> None:
        self._model = model
        # Models compiled for trials alone are not cached.
        self._config = replace(config.completed(), cache_dir=None)
        self._lengths = lengths
        self._rounds = rounds
        self._progress = progress
        self._runtimes: dict[tuple[Any, ...], Runtime] = {}
        self._measured: list[Turn] = []
        self.candidates: list[Candidate] = []
        self._best, megabytes = self._warm({name: getattr(self._config, name) for name in TUNED_DEFAULTS})
        turns = self._turns(best=self._best)["best"]
        self._add(self._best, [1.0], turns, megabytes=megabytes, is_best=True)

    @property
    def settings(self) -> dict[str, Any]:
        return self._best.settings

    @property
    def streams(self) -> int:
        return self._best.runtime.streams

    @property
    def cpu_share(self) -> float:
        threads = min(self._config.threads or usable_cpus(), usable_cpus())
        return sum(turn.cpu for turn in self._measured) / sum(turn.wall * threads for turn in self._measured)

    def compare(
        self, changes: dict[str, Any], *, gain: float = GAIN, max_megabytes: float | None = None
    ) -> None:
        """Measure changed settings in alternation with the best ones, and keep the faster."""
        settings = {**self._best.settings, **changes}
        if any(candidate.settings == settings for candidate in self.candidates):
            return
        trial, megabytes = self._warm(settings)
        turns = self._turns(trial=trial, best=self._best)
        speeds = ratios(turns["best"], turns["trial"])
        fits = max_megabytes is None or megabytes <= max_megabytes
        is_best = fits and _is_faster(speeds, gain) and trial.equals(self._best)
        self._add(trial, speeds, turns["trial"], megabytes=megabytes, is_best=is_best)
        if is_best:
            self._best = trial
        del trial
        self._runtimes = {key: each for key, each in self._runtimes.items() if each is self._best.runtime}
        gc.collect()

    def confirm(self) -> float:
        """Measure the best settings against the initial ones again, and revert to those without a gain.

        The fastest of many settings is partly selected by noise, which a second measurement removes.

        Returns:
            Speed of the best settings relative to the initial ones.
        """
        first = self.candidates[0].settings
        if self._best.settings == first:
            return 1.0
        trial, _ = self._warm(first)
        turns = self._turns(trial=trial, best=self._best)
        gains = ratios(turns["trial"], turns["best"])
        if _is_faster(gains, GAIN):
            return statistics.median(gains)
        self._best = trial
        return 1.0

    def _warm(self, settings: dict[str, Any]) -> tuple[_Trial, float]:
        """Compile a trial and run its shapes once; return it and the megabytes of memory it took."""
        before = resident_megabytes()
        key = (settings["streams"], settings["static_lengths"])
        config = replace(self._config, **settings)
        if key not in self._runtimes:
            self._runtimes[key] = Runtime(self._model.model, config)
        runtime = self._runtimes[key]
        batches = typical_batches(
            self._lengths,
            vocabulary=self._model.vocab_size,
            max_length=self._model.max_length,
            config=config,
            streams=runtime.streams,
        )
        trial = _Trial(settings, runtime, batches)
        trial.run()
        return trial, resident_megabytes() - before

    def _turns(self, **trials: _Trial) -> dict[str, list[Turn]]:
        turns = alternate({name: trial.run for name, trial in trials.items()}, self._rounds, warm_ups=0)
        self._measured += [turn for each in turns.values() for turn in each]
        return turns

    def _add(
        self,
        trial: _Trial,
        speeds: Sequence[float],
        turns: Sequence[Turn],
        *,
        megabytes: float,
        is_best: bool,
    ) -> None:
        tokens = int(self._lengths.sum())
        self.candidates.append(
            Candidate(
                settings=trial.settings,
                speed=statistics.median(speeds),
                tokens_per_second=tokens / statistics.median(turn.wall for turn in turns),
                padding=1 - tokens / sum(batch.input_ids.size for batch in trial.batches),
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
    """Tune the settings for bulk work on this machine.

    The number of streams, the tokens of a batch, and one compiled model per length are tried one after the
    other, each in alternation with the best settings so far, so that changes of the machine's speed affect
    both. At the end, the result must be faster than the initial settings once more. Settings that change a
    bit of the logits are never chosen. Nothing is written: see `spanjet.reader.tuned_settings.save_tuning`.

    Args:
        model: the model to run.
        config: its threads, precision and pinning are used, and its tuned settings are the initial values of
            the search; default: ``RuntimeConfig()``.
        lengths: int64[windows], lengths in tokens of a sample of windows; default: `typical_lengths`.
        rounds: number of rounds of each comparison, at least 1.
        max_static_megabytes: maximum memory of one compiled model per length, in megabytes of 1,000,000
            bytes.
        progress: called with the number of measured settings and None.

    Raises:
        ValueError: there are no lengths, a length is below 1 or exceeds the model's maximum, or ``rounds`` is
            below 1.
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
    for budget in BUDGETS:
        search.compare({"batch_tokens": budget})
    search.compare({"static_lengths": True}, gain=STATIC_GAIN, max_megabytes=max_static_megabytes)
    gain = search.confirm()
    return Tuned(
        gain=gain,
        settings=search.settings,
        candidates=tuple(search.candidates),
        windows=len(lengths),
        cpu_share=search.cpu_share,
    )


def _is_faster(speeds: Sequence[float], gain: float) -> bool:
    """Return True if the median relative speed exceeds 1 + gain and nearly all exceed 1."""
    return statistics.median(speeds) > 1 + gain and float(np.quantile(speeds, SURE)) > 1


def _stream_counts(threads: int) -> list[int]:
    """List 1, the number of threads and the powers of 2 between them, in descending order."""
    counts = {threads}
    count = 1
    while count < threads:
        counts.add(count)
        count *= 2
    return sorted(counts, reverse=True)


def typical_lengths(max_length: int, *, windows: int = 400) -> NDArray[np.int64]:
    """Make window lengths in tokens with SQuAD's distribution, int64[windows], up to a maximum."""
    shares = (np.arange(windows) + 0.5) / windows
    places = np.linspace(0, 1, len(LENGTH_QUANTILES))
    return np.minimum(np.interp(shares, places, LENGTH_QUANTILES).astype(np.int64), max_length)
