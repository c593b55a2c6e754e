"""Parse LoadGen's verdict from its detailed log."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spanjet.bench.mlperf.rules import Scenario

__all__ = ["Verdict"]

DETAIL = "mlperf_log_detail.txt"
MARK = ":::MLLOG "

#: What counts in each scenario: LoadGen's name, ours, its unit, and what to divide by.
METRICS: dict[Scenario, tuple[str, str, str, float]] = {
    "Offline": ("result_samples_per_second", "throughput", "samples/s", 1),
    "SingleStream": ("early_stopping_latency_ss", "90th percentile latency", "ms", 1e6),
    "MultiStream": ("early_stopping_latency_ms", "99th percentile latency", "ms", 1e6),
    "Server": ("result_completed_samples_per_sec", "throughput", "samples/s", 1),
}
#: Where too few queries were asked for an estimate with LoadGen's confidence, the percentile itself.
PERCENTILES: dict[Scenario, str] = {
    "SingleStream": "result_90.00_percentile_latency_ns",
    "MultiStream": "result_99.00_percentile_per_query_latency_ns",
}
CONDITIONS = {
    "result_perf_constraints_met": "the latency bound was not held",
    "result_min_duration_met": "the run was too short",
    "result_min_queries_met": "too few queries",
    "early_stopping_met": "too few queries for LoadGen's statistics (early stopping)",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """LoadGen's verdict on a performance run.

    Attributes:
        valid: True if LoadGen's verdict is VALID.
        reasons: reasons for INVALID, and LoadGen's recommendations.
        scenario: scenario of the test.
        metric, value, unit: result metric of the scenario.
        percentiles: 50th, 90th and 99th percentile of the query latency in milliseconds; of the single query
            in Offline.
        queries: number of queries; 1 in Offline.
        errors: errors in the log, with which a submission is rejected.
        loadgen: version of LoadGen.
    """

    valid: bool
    reasons: tuple[str, ...]
    scenario: Scenario
    metric: str
    value: float
    unit: str
    percentiles: dict[str, float]
    queries: int
    errors: tuple[str, ...]
    loadgen: str

    @classmethod
    def read(cls, directory: Path) -> "Verdict":
        """Parse the verdict from a directory of LoadGen's logs.

        Raises:
            OSError: there is no log.
            ValueError: the log is not of a completed performance run.
        """
        path = directory / DETAIL
        values, errors = _entries(path)
        try:
            scenario: Scenario = values["effective_scenario"]
            key, metric, unit, divisor = METRICS[scenario]
            value = values[key] or values[PERCENTILES[scenario]]
            return cls(
                valid=values["result_validity"] == "VALID",
                reasons=_reasons(values),
                scenario=scenario,
                metric=metric,
                value=value / divisor,
                unit=unit,
                percentiles={
                    f"p{percent}": values[f"result_{percent}.00_percentile_latency_ns"] / 1e6
                    for percent in (50, 90, 99)
                },
                queries=values["result_query_count"],
                errors=errors,
                loadgen=str(values["loadgen_version"]),
            )
        except KeyError as error:
            raise ValueError(f"{path}: no result of a performance run: {error} is missing") from None

    def as_dict(self) -> dict[str, Any]:
        """Return the attributes by name, JSON-serialisable."""
        return asdict(self)


def _entries(path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Parse the values of a log by key, and its errors."""
    values: dict[str, Any] = {}
    errors: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.startswith(MARK):
            continue
        try:
            entry = json.loads(line.removeprefix(MARK))
            values[entry["key"]] = entry["value"]
            if entry["metadata"]["is_error"]:
                errors.append(f"{entry['key']}: {entry['value']}")
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: line {number} is no entry of LoadGen's: {error}") from None
    return values, tuple(errors)


def _reasons(values: dict[str, Any]) -> tuple[str, ...]:
    if values["result_validity"] == "VALID":
        return ()
    found = [words for key, words in CONDITIONS.items() if values.get(key) is False]
    advice = " ".join(str(values.get("result_invalid_reason", "")).split())
    return (*found, *([advice] if advice else []))
