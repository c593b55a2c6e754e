"""Run a scenario: speed, accuracy and compliance, in a directory that appears whole or not at all."""

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
from spanjet.config import SettingError, check_choice, check_number
from spanjet.files.datasets.dataset import SquadDataset
from spanjet.measure.progress import Progress, no_progress
from spanjet.reader.reader import Reader
from spanjet.storage import check_free, staged

__all__ = ["ACCURACY", "COMPLIANCE", "PERFORMANCE", "RESULT", "USER_CONF", "RunConfig", "run_scenario"]

RESULT, USER_CONF = "result.json", "user.conf"
PERFORMANCE, ACCURACY, COMPLIANCE = Path("performance/run_1"), Path("accuracy"), Path("TEST01")

SPARE = 1.1
"""What is expected in Offline, as a multiple of what was measured: with too few samples it ends too soon."""

LATENCY_SHARE = 0.5
"""Of the latency measured, what LoadGen is told: it makes queries for about twice the duration by it, and a
system twice as fast as when it was measured would run out of them."""

SERVER_SHARE = 0.5
"""Of the throughput in bulk, which the Server scenario asks for where nothing else is given."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunConfig:
    """Settings of a run.

    Attributes:
        scenario: how LoadGen asks.
        mode: ``"performance"``, ``"accuracy"`` or ``"both"``.
        seconds: of a short performance run, which is not valid; None: as the rules have it.
        target_qps: Offline: samples a second that are expected; Server: that are asked for; None: `SPARE`
            or `SERVER_SHARE` of the throughput measured.
        target_latency: SingleStream, MultiStream: milliseconds of a query that are expected; None:
            `LATENCY_SHARE` of the median measured.
        test01: whether the compliance test TEST01 is run too, which takes as long as the performance run.

    Raises:
        TypeError: a field of another type.
        ValueError: a field out of range, or that does not fit the others.
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
        other = "target_latency" if self.scenario in ("Offline", "Server") else "target_qps"
        if getattr(self, other) is not None:
            raise SettingError(other, getattr(self, other), f"none with {self.scenario}", "RunConfig")
        if self.test01 and self.mode != "both":
            raise SettingError("mode", self.mode, "'both' with TEST01, which compares the two", "RunConfig")

    @property
    def modes(self) -> Sequence[Mode]:
        """LoadGen's modes, the longer run last."""
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
    """Run a scenario with LoadGen and keep its logs, its verdict, the accuracy and what they depend on.

    Args:
        reader: the system, with `rules.WINDOWING` for a result that counts.
        dataset: the questions.
        out: the directory to make: ``performance/run_1``, ``accuracy``, ``TEST01``, ``user.conf`` and
            ``result.json``, as far as they apply.
        config: what is run.
        overwrite: whether a directory of an earlier run is replaced.
        progress: shows a bar for each part.

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
    """Take the expectations that were given, or estimate them."""
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
    """Run the compliance test, and put its logs where the submission checker looks for them."""
    logs, audit = directory / PERFORMANCE, directory / "audit.config"
    directory.mkdir()
    write_audit_config(audit)
    _test(system, settings, samples, logs, "PerformanceOnly", progress, audit)
    (directory / ACCURACY).mkdir()
    (logs / LOG).replace(directory / ACCURACY / LOG)


def _result(
    stage: Path, reader: Reader, samples: Samples, config: RunConfig, load: LoadSettings
) -> dict[str, Any]:
    """Collect what ``result.json`` holds, and write the files that say a part of it."""
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
    """List why a run does not count as one of MLPerf's."""
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
