"""A run of a scenario: what it leaves, that its F1 is the reader's, TEST01, and what a killed one leaves."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlperf_runs import SQUAD, TINY, dataset, reader
from spanjet import Reader
from spanjet.bench.mlperf import run as run_module
from spanjet.bench.mlperf.accuracy import LOG, read_log
from spanjet.bench.mlperf.loadgen import estimate
from spanjet.bench.mlperf.loadgen.samples import Samples
from spanjet.bench.mlperf.run import RunConfig, run_scenario
from spanjet.bench.mlperf.test01 import Test01 as Compliance
from spanjet.bench.mlperf.test01 import verify, write_audit_config
from spanjet.evaluate import evaluate
from spanjet.measure.progress import no_progress


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "SECONDS", 0.05)


@pytest.fixture(scope="module")
def tiny() -> Reader:
    return reader()


@pytest.fixture(scope="module")
def result(tiny: Reader, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A run of everything."""
    out = tmp_path_factory.mktemp("mlperf") / "run"
    config = RunConfig(scenario="Offline", seconds=0.3, target_qps=100, test01=True)
    return out, run_scenario(tiny, dataset(), out, config)


def files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def test_what_a_run_leaves(result: tuple[Path, dict[str, Any]]) -> None:
    out, found = result
    logs = ("mlperf_log_summary.txt", "mlperf_log_detail.txt")
    assert files(out) == {
        *(f"performance/run_1/{name}" for name in (*logs, LOG)),
        *(f"accuracy/{name}" for name in (*logs, LOG, "accuracy.txt", "predictions.json")),
        *(f"TEST01/performance/run_1/{name}" for name in logs),
        f"TEST01/accuracy/{LOG}",
        *(f"TEST01/{name}" for name in ("audit.config", "verify_accuracy.txt", "verify_performance.txt")),
        "user.conf",
        "result.json",
    }
    assert json.loads((out / "result.json").read_text()) == json.loads(json.dumps(found))
    assert "target_qps = 100" in (out / "user.conf").read_text()
    assert [path.name for path in out.parent.iterdir()] == ["run"]


def test_a_short_run_on_other_data_is_not_valid(result: tuple[Path, dict[str, Any]]) -> None:
    _, found = result
    assert found["valid"] is False
    assert found["why_not"][0].startswith("not the MLPerf data set: 20 questions")
    assert found["why_not"][1] == "a short run of 0.3 s; expected 600 s"
    assert found["performance"]["unit"] == "samples/s"
    assert found["settings"]["load"]["target_qps"] == 100
    assert found["configuration"]["LoadGen"]


def test_the_compliance_test_samples_as_the_rules_of_bert(tmp_path: Path) -> None:
    write_audit_config(tmp_path / "audit.config")
    assert "*.*.accuracy_log_sampling_target = 4096\n" in (tmp_path / "audit.config").read_text()


def test_f1_is_the_readers(tiny: Reader, result: tuple[Path, dict[str, Any]]) -> None:
    """Answers by LoadGen's log and our decoder are those of `spanjet eval --mode squad`."""
    out, found = result
    expected = evaluate(tiny, dataset())
    assert json.loads((out / "accuracy" / "predictions.json").read_text()) == expected.predictions
    assert found["accuracy"] == {"f1": expected.scores.f1, "exact_match": expected.scores.exact_match}
    assert json.loads((out / "accuracy" / "accuracy.txt").read_text()) == found["accuracy"]


def test_the_compliance_test_compares_responses(result: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    out, found = result
    assert found["test01"]["sampled"] == len(read_log(out / "TEST01" / "accuracy" / LOG)) > 0
    assert found["test01"]["mismatches"] == 0
    assert found["test01"]["same_answers"]
    assert (out / "TEST01" / "verify_accuracy.txt").read_text().splitlines()[-1] == "TEST PASS"
    log = json.loads((out / "TEST01" / "accuracy" / LOG).read_text())
    log[0]["data"] = "00" + log[0]["data"][2:]
    changed = tmp_path / LOG
    changed.write_text(json.dumps(log))
    performance = out / "performance" / "run_1"
    worse = verify(
        performance=performance, accuracy=out / "accuracy", compliance=performance, sampled=changed
    )
    assert (worse.mismatches, worse.same_answers, worse.same_speed, worse.passed) == (1, False, True, False)
    worse.write(tmp_path)
    assert (tmp_path / "verify_accuracy.txt").read_text().splitlines()[-1] == "TEST FAIL"
    assert (tmp_path / "verify_performance.txt").read_text().splitlines()[-1] == "TEST PASS"


def test_when_the_compliance_test_passes() -> None:
    def passed(sampled: int, mismatches: int, found: float) -> bool:
        return Compliance(
            sampled=sampled, mismatches=mismatches, reference=100.0, found=found, tolerance=0.1
        ).passed

    assert passed(10, 0, 109)
    assert passed(10, 0, 91)
    assert not passed(10, 0, 111)
    assert not passed(10, 0, 89)
    assert not passed(10, 1, 100)
    assert not passed(0, 0, 100)


@pytest.mark.parametrize(("mode", "parts"), [("performance", {"performance"}), ("accuracy", {"accuracy"})])
def test_one_mode(tiny: Reader, tmp_path: Path, mode: Any, parts: set[str]) -> None:
    out = tmp_path / "run"
    config = RunConfig(scenario="SingleStream", mode=mode, seconds=0.2)
    shown: list[str] = []

    def progress(name: str) -> Any:
        shown.append(name)
        return no_progress(name)

    found = run_scenario(tiny, dataset(), out, config, progress=progress)
    assert {path.name for path in out.iterdir()} == {*parts, "user.conf", "result.json"}
    assert (found["performance"] is None, found["accuracy"] is None) == (
        mode != "performance",
        mode != "accuracy",
    )
    assert not found["valid"]
    assert shown == ["how fast", mode]
    assert found["settings"]["load"]["target_latency"] > 0


def test_expectations_leave_room(tiny: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "estimate_samples_per_second", lambda *_: 90.0)
    config = RunConfig(scenario="Server", mode="performance", seconds=0.2)
    found = run_scenario(tiny, dataset(), tmp_path / "server", config)
    assert found["settings"]["load"]["target_qps"] == 45
    config = RunConfig(scenario="Offline", mode="performance", seconds=0.2)
    found = run_scenario(tiny, dataset(), tmp_path / "offline", config)
    assert found["settings"]["load"]["target_qps"] == pytest.approx(112.5)
    monkeypatch.setattr(run_module, "estimate_query_milliseconds", lambda *_, **__: 0.5)
    config = RunConfig(scenario="SingleStream", mode="performance", seconds=0.2)
    found = run_scenario(tiny, dataset(), tmp_path / "single", config)
    assert found["settings"]["load"]["target_latency"] == 0.25


def test_an_earlier_result_stays(tiny: Reader, tmp_path: Path) -> None:
    out = tmp_path / "run"
    config = RunConfig(scenario="Offline", mode="accuracy", target_qps=1)
    run_scenario(tiny, dataset(), out, config)
    before = (out / "result.json").stat().st_mtime_ns
    with pytest.raises(FileExistsError, match="exists already"):
        run_scenario(tiny, dataset(), out, config)
    assert (out / "result.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"scenario": "offline"}, "RunConfig.scenario is 'offline'; expected 'Offline' or 'SingleStream'"),
        ({"mode": "all"}, "RunConfig.mode is 'all'; expected 'performance' or 'accuracy' or 'both'"),
        ({"seconds": 0}, "RunConfig.seconds is 0; expected a finite number greater than 0"),
        ({"target_qps": -1}, "RunConfig.target_qps is -1; expected a finite number greater than 0"),
        ({"target_latency": 5}, "RunConfig.target_latency is 5; expected none with Offline"),
        ({"scenario": "MultiStream", "target_qps": 5}, "RunConfig.target_qps is 5; expected none"),
        (
            {"mode": "accuracy", "test01": True},
            "RunConfig.mode is 'accuracy'; expected 'both' with TEST01, which compares the two",
        ),
    ],
)
def test_settings_that_do_not_fit(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        RunConfig(**fields)


def test_a_full_data_set_is_known_by_its_windows(tiny: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = Samples(tiny, dataset())
    monkeypatch.setattr("spanjet.bench.mlperf.loadgen.samples.WINDOWS", len(samples))
    monkeypatch.setattr("spanjet.bench.mlperf.loadgen.samples.QUESTIONS", 20)
    assert samples.is_mlperf
    assert samples.label == f"SQuAD v1.1 dev: 20 questions, {len(samples)} windows"
    assert not samples.subset(3).is_mlperf
    # Another tokenizer makes a few windows more or fewer.
    for windows, expected in (
        (0.985 * len(samples), True),
        (0.975 * len(samples), False),
        (2 * len(samples), False),
    ):
        monkeypatch.setattr("spanjet.bench.mlperf.loadgen.samples.WINDOWS", windows)
        assert samples.is_mlperf is expected


COMMAND = """
import signal, sys
# A shell that starts the tests in the background has them ignore the signal, and what they start too.
signal.signal(signal.SIGINT, signal.default_int_handler)
from spanjet.cli import app
app(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("scenario", "number", "left"),
    [
        ("Offline", signal.SIGKILL, lambda names: all(name.startswith(".run.") for name in names)),
        ("Offline", signal.SIGINT, lambda names: not names),
        ("Server", signal.SIGINT, lambda names: not names),
        ("Offline", signal.SIGTERM, lambda names: not names),
        ("Server", signal.SIGTERM, lambda names: not names),
    ],
)
def test_a_killed_run_leaves_no_result(
    tmp_path: Path, scenario: str, number: signal.Signals, left: Callable[[list[str]], bool]
) -> None:
    arguments = ["mlperf", TINY, "--squad", SQUAD, "--scenario", scenario, "--out", tmp_path / "run"]
    expected = {"Offline": "1000", "Server": "20"}[scenario]
    options = ["--mode", "performance", "--short", "--seconds", "60", "--target-qps", expected]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *map(str, arguments), *options],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    end = time.monotonic() + 60
    while not list(tmp_path.glob(".run.*/performance/run_1/mlperf_log_detail.txt")):
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.01)
    time.sleep(0.1)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    if number == signal.SIGINT:
        assert process.returncode in (1, 130), errors
    if number == signal.SIGTERM:
        assert (process.returncode, errors) == (143, b"")
    assert left([path.name for path in tmp_path.iterdir() if path.name != "cache"])
