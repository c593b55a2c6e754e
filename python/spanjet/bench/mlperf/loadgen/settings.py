"""Define the settings of a LoadGen test: scenario, duration, and expected speed of the system."""

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
from spanjet.validation import check_bool, check_choice, check_integer, check_number

__all__ = ["LoadSettings"]

_read = threading.Event()


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadSettings:
    """Settings of a LoadGen test.

    Attributes:
        scenario: LoadGen's scenario.
        samples: number of samples, all of them in memory.
        target_qps: Offline: expected samples per second; Server: queries per second that LoadGen issues.
        target_latency: SingleStream, MultiStream: expected milliseconds of a query.
        seconds: minimum duration of the performance run in seconds; None: as the rules require.
        least: minimum number of samples (Offline) or queries of the performance run; None: as the rules
            require.
        evenly: query every sample equally often in random order, instead of sampling with replacement.

    Raises:
        TypeError: a field has the wrong type.
        ValueError: a field is out of range.
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
        check_bool(self, "evenly")

    @property
    def official(self) -> bool:
        """True if the durations, counts and random choices are those of the rules."""
        return self.seconds is None and self.least is None and not self.evenly

    def user_conf(self) -> str:
        """Render LoadGen's ``user.conf`` of these settings, as far as such a file may set them."""
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
        """Build LoadGen's ``TestSettings``, reusable for any number of tests.

        LoadGen reads its built-in rules, with the round's random seeds, once per process: with the first
        configuration. Official settings can therefore be built only once per process. Others do not read the
        rules.

        Args:
            loadgen: the module ``mlperf_loadgen``.
            user_conf: file with the content of `user_conf`.

        Raises:
            RuntimeError: the process has already built official settings.
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
        """Set the values that the configuration files would."""
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
