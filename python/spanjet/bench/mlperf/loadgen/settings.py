"""Settings of a LoadGen test: scenario, duration, and the expected speed of the system."""

import threading
from dataclasses import dataclass
from errno import EIO
from pathlib import Path
from types import ModuleType
from typing import Any

from spanjet.bench.mlperf.rules import (
    MODEL,
    SCENARIOS,
    SERVER_MILLISECONDS,
    SINGLE_QUERIES,
    STREAM_SAMPLES,
    Scenario,
)
from spanjet.config import check_choice, check_integer, check_number

__all__ = ["LoadSettings"]

_read = threading.Event()


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadSettings:
    """Settings of a test.

    Attributes:
        scenario: how LoadGen asks.
        samples: how many there are, all of them in memory.
        target_qps: Offline: samples a second that are expected; Server: that are asked for.
        target_latency: SingleStream, MultiStream: milliseconds of a query that are expected.
        seconds: of the performance run at least; None: as the rules have it.
        least: samples (Offline) or queries of the performance run at least; None: as the rules have it.
        evenly: whether every sample is asked for equally often, in random order, instead of at random.

    Raises:
        TypeError: a field of another type.
        ValueError: a field out of range.
    """

    scenario: Scenario
    samples: int
    target_qps: float = 1.0
    target_latency: float = 10.0
    seconds: float | None = None
    least: int | None = None
    evenly: bool = False

    def __post_init__(self) -> None:
        check_choice(self, "scenario", SCENARIOS)
        check_integer(self, "samples", minimum=1)
        for name in ("target_qps", "target_latency"):
            check_number(self, name, above=0)
        check_number(self, "seconds", above=0, optional=True)
        check_integer(self, "least", minimum=1, optional=True)

    @property
    def official(self) -> bool:
        """Tell whether the rules' own durations, counts and random choices are kept."""
        return self.seconds is None and self.least is None and not self.evenly

    def user_conf(self) -> str:
        """Write the file ``user.conf`` that says the same, as far as such a file may."""
        key = f"{MODEL}.{self.scenario}"
        lines = [f"# {MODEL}, {self.scenario}: what is expected of this system."]
        if self.scenario in ("Offline", "Server"):
            lines.append(f"{key}.target_qps = {self.target_qps:.6g}")
        else:
            lines.append(f"{key}.target_latency = {self.target_latency:.6g}")
        if not self.official:
            lines.append("# Not valid: a short test.")
        if self.seconds is not None:
            lines.append(f"{key}.min_duration = {round(1000 * self.seconds)}")
        least = SINGLE_QUERIES if self.official and self.scenario == "SingleStream" else self.least
        if least is not None:
            lines.append(f"{key}.min_query_count = {least}")
        if self.evenly:
            lines.append(f"{key}.sample_concatenate_permutation = 1")
        lines.append(f"{MODEL}.*.performance_sample_count_override = {self.samples}")
        return "\n".join(lines) + "\n"

    def build(self, loadgen: ModuleType, user_conf: Path) -> Any:
        """Make LoadGen's ``TestSettings``, for any number of tests.

        LoadGen reads its built-in rules, with the round's random seeds, once in a process: when the first
        configuration is read. Official settings are therefore made once in a process. Others do without.

        Args:
            loadgen: the module ``mlperf_loadgen``.
            user_conf: a file with the content of `user_conf`.

        Raises:
            RuntimeError: this process has made official settings before.
            OSError: LoadGen cannot read the file.
        """
        settings = loadgen.TestSettings()
        if self.official:
            if _read.is_set():
                raise RuntimeError(
                    "LoadGen reads its rules once in a process: run another valid test in another process"
                )
            _read.set()
            if settings.FromConfig(str(user_conf), MODEL, self.scenario):
                raise OSError(EIO, "LoadGen cannot read it", str(user_conf))
        else:
            self._set(settings)
        settings.scenario = getattr(loadgen.TestScenario, self.scenario)
        return settings

    def _set(self, settings: Any) -> None:
        """Set what the files would."""
        settings.min_duration_ms = round(1000 * (self.seconds or 0))
        settings.min_query_count = self.least or 1
        settings.performance_sample_count_override = self.samples
        settings.sample_concatenate_permutation = self.evenly
        settings.offline_expected_qps = settings.server_target_qps = self.target_qps
        settings.server_target_latency_ns = SERVER_MILLISECONDS * 1_000_000
        settings.server_target_latency_percentile = 0.99
        latency = round(1e6 * self.target_latency)
        settings.single_stream_expected_latency_ns = settings.multi_stream_expected_latency_ns = latency
        settings.single_stream_target_latency_percentile = 0.9
        settings.multi_stream_target_latency_percentile = 0.99
        settings.multi_stream_samples_per_query = STREAM_SAMPLES
