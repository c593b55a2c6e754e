"""Run a scenario for performance, accuracy and compliance, and write its directory atomically."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from spanjet.bench.mlperf.accuracy import LOG, Accuracy, score_log
from spanjet.bench.mlperf.configuration import describe_configuration
from spanjet.bench.mlperf.loadgen.estimate import estimate_query_milliseconds, estimate_samples_per_second
from spanjet.bench.mlperf.loadgen.samples import Samples
from spanjet.bench.mlperf.loadgen.settings import LoadSettings
from spanjet.bench.mlperf.loadgen.system import System
from spanjet.bench.mlperf.loadgen.test import Mode, import_loadgen, run_test
from spanjet.bench.mlperf.loadgen.verdict import Verdict
from spanjet.bench.mlperf.models import identify_model
from spanjet.bench.mlperf.rules import SCENARIOS, SECONDS, Scenario
from spanjet.bench.mlperf.test01 import Test01, verify, write_audit_config
from spanjet.files.datasets.dataset import SquadDataset
from spanjet.measure.progress import Progress, no_progress
from spanjet.reader.reader import Reader
from spanjet.storage import check_free, staged
from spanjet.validation import SettingError, check_bool, check_choice, check_number

__all__ = ["ACCURACY", "COMPLIANCE", "PERFORMANCE", "RESULT", "USER_CONF", "RunConfig", "run_scenario"]

RESULT, USER_CONF = "result.json", "user.conf"
PERFORMANCE, ACCURACY, COMPLIANCE = Path("performance/run_1"), Path("accuracy"), Path("TEST01")

SPARE = 1.25
"""Expected Offline throughput as a multiple of the measured one: with too few samples a run is too short, and
a shared machine may become a fifth faster meanwhile."""

LATENCY_SHARE = 0.5
"""Expected latency as a share of the measured one: LoadGen plans queries for about twice the duration by it,
and a system twice as fast as measured would run out of them."""

SERVER_SHARE = 0.5
"""Default query rate of the Server scenario, as a share of the bulk throughput."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunConfig:
    """Settings of a scenario run.

    Attributes:
        scenario: LoadGen's scenario.
        mode: ``"performance"``, ``"accuracy"`` or ``"both"``.
        seconds: of a short performance run, whose result is not valid; None: as the rules require.
        target_qps: Offline: expected samples per second; Server: issued queries per second; None: `SPARE` or
            `SERVER_SHARE` of the measured throughput.
        target_latency: SingleStream, MultiStream: expected milliseconds of a query; None: `LATENCY_SHARE` of
            the measured median.
        test01: run the compliance test TEST01 as well, which takes as long as the performance run.

    Raises:
        TypeError: a field has the wrong type.
        ValueError: a field is out of range or contradicts the others.
    """

    scenario: Scenario = "Offline"
    mode: Literal["performance", "accuracy", "both"] = "both"
    seconds: float | None = None
    target_qps: float | None = None
    target_latency: float | None = None
    test01: bool = False

    def __post_init__(self) -> None:
        check_choice(self, "scenario", SCENARIOS)
        check_choice(self, "mode", ("performance", "accuracy", "both"))
        for name in ("seconds", "target_qps", "target_latency"):
            check_number(self, name, above=0, optional=True)
        check_bool(self, "test01")
        other = "target_latency" if self.scenario in ("Offline", "Server") else "target_qps"
        if getattr(self, other) is not None:
            raise SettingError(other, getattr(self, other), f"none with {self.scenario}", "RunConfig")
        if self.test01 and self.mode != "both":
            raise SettingError("mode", self.mode, "'both' with TEST01, which compares the two", "RunConfig")

    @property
    def modes(self) -> Sequence[Mode]:
        """LoadGen modes to run, the longest last."""
        both: dict[str, Sequence[Mode]] = {
            "performance": ("PerformanceOnly",),
            "accuracy": ("AccuracyOnly",),
            "both": ("AccuracyOnly", "PerformanceOnly"),
        }
        return both[self.mode]


def run_scenario(
    reader: Reader,
    dataset: SquadDataset,
    out: Path,
    config: RunConfig,
    *,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Run a scenario with LoadGen, and write its logs, verdict, accuracy and configuration.

    Args:
        reader: the reader to measure, with `rules.WINDOWING` for an official result.
        dataset: questions to ask.
        out: directory to create, with ``performance/run_1``, ``accuracy``, ``TEST01``, ``user.conf`` and
            ``result.json``, as far as they apply.
        config: settings of the run.
        overwrite: replace the directory of an earlier run.
        progress: progress bars.

    Returns:
        The content of ``result.json``.

    Raises:
        FileExistsError, FileNotFoundError: see `spanjet.storage.check_free`.
        ImportError: LoadGen is not installed.
        RuntimeError: see `run_test`.
        ValueError: the data set is not SQuAD v1.1.
    """
    check_free(out, mark=RESULT, overwrite=overwrite)
    loadgen = import_loadgen()
    samples = Samples(reader, dataset)
    with staged(out, mark=RESULT, overwrite=overwrite) as stage:
        with System(loadgen, reader, samples, config.scenario) as system:
            load = _load_settings(config, system, samples, progress)
            (stage / USER_CONF).write_text(load.user_conf(), encoding="utf-8")
            settings = load.build(loadgen, stage / USER_CONF)
            places = {"PerformanceOnly": PERFORMANCE, "AccuracyOnly": ACCURACY}
            for mode in config.modes:
                _test(system, settings, samples, stage / places[mode], mode, progress)
            if config.test01:
                _comply(system, settings, samples, stage / COMPLIANCE, progress)
        result = _result(stage, reader, samples, config, load)
        (stage / RESULT).write_text(f"{json.dumps(result, indent=1, ensure_ascii=False)}\n", encoding="utf-8")
    return result


def _load_settings(config: RunConfig, system: System, samples: Samples, progress: Progress) -> LoadSettings:
    """Use the given expectations, or estimate them."""
    qps, latency = config.target_qps, config.target_latency
    with progress("how fast"):
        if config.scenario in ("Offline", "Server"):
            share = SPARE if config.scenario == "Offline" else SERVER_SHARE
            qps = qps or share * estimate_samples_per_second(system, samples)
        else:
            together = config.scenario == "MultiStream"
            latency = latency or LATENCY_SHARE * estimate_query_milliseconds(
                system, samples, together=together
            )
    return LoadSettings(
        scenario=config.scenario,
        samples=len(samples),
        target_qps=qps or 1.0,
        target_latency=latency or 1.0,
        seconds=config.seconds,
    )


def _test(
    system: System,
    settings: Any,
    samples: Samples,
    directory: Path,
    mode: Mode,
    progress: Progress,
    audit: Path | None = None,
) -> None:
    directory.mkdir(parents=True)
    name = "TEST01" if audit else "accuracy" if mode == "AccuracyOnly" else "performance"
    with progress(name) as bar:
        run_test(system, settings, len(samples), directory, mode=mode, audit=audit, on_step=bar)


def _comply(system: System, settings: Any, samples: Samples, directory: Path, progress: Progress) -> None:
    """Run the compliance test, and move its logs to where the submission checker expects them."""
    logs, audit = directory / PERFORMANCE, directory / "audit.config"
    directory.mkdir()
    write_audit_config(audit)
    _test(system, settings, samples, logs, "PerformanceOnly", progress, audit)
    (directory / ACCURACY).mkdir()
    (logs / LOG).replace(directory / ACCURACY / LOG)


def _result(
    stage: Path, reader: Reader, samples: Samples, config: RunConfig, load: LoadSettings
) -> dict[str, Any]:
    """Build the content of ``result.json``, and write the accuracy and compliance files."""
    verdict: Verdict | None = None
    accuracy: Accuracy | None = None
    test01: Test01 | None = None
    if config.mode != "accuracy":
        verdict = Verdict.read(stage / PERFORMANCE)
    if config.mode != "performance":
        accuracy = score_log(stage / ACCURACY / LOG, samples)
        (stage / ACCURACY / "accuracy.txt").write_text(accuracy.text(), encoding="utf-8")
        predictions = json.dumps(accuracy.predictions, ensure_ascii=False, indent=1)
        (stage / ACCURACY / "predictions.json").write_text(f"{predictions}\n", encoding="utf-8")
    if config.test01:
        test01 = verify(
            performance=stage / PERFORMANCE,
            accuracy=stage / ACCURACY,
            compliance=stage / COMPLIANCE / PERFORMANCE,
            sampled=stage / COMPLIANCE / ACCURACY / LOG,
        )
        test01.write(stage / COMPLIANCE)
    why_not = _why_not(samples, load, verdict, test01)
    return {
        "valid": verdict is not None and not why_not,
        "why_not": why_not,
        "scenario": config.scenario,
        "data": samples.label,
        "model": identify_model(reader.model),
        "performance": None if verdict is None else verdict.as_dict(),
        "accuracy": None
        if accuracy is None
        else {"f1": accuracy.scores.f1, "exact_match": accuracy.scores.exact_match},
        "test01": None if test01 is None else test01.as_dict(),
        "settings": {
            "windows": asdict(reader.window_config),
            "runtime": {name: str(value) for name, value in asdict(reader.runtime_config).items()},
            "load": asdict(load),
        },
        "configuration": describe_configuration(),
    }


def _why_not(
    samples: Samples, load: LoadSettings, verdict: Verdict | None, test01: Test01 | None
) -> list[str]:
    """List the reasons why a run is not an official MLPerf result."""
    found = []
    if not samples.is_mlperf:
        found.append(samples.label)
    if not load.official:
        found.append(f"a short run of {load.seconds:g} s; expected {SECONDS} s")
    if verdict is not None:
        found += [f"LoadGen says INVALID: {reason}" for reason in verdict.reasons]
        found += [f"LoadGen reports an error: {error}" for error in verdict.errors]
    if test01 is not None and not test01.passed:
        found.append("TEST01 failed")
    return found
