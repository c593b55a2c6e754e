"""LoadGen asks our system: every sample is answered, with the engine's own logits, whatever happens."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlperf_runs import SQUAD2, dataset, reader, short_test
from spanjet import Reader
from spanjet.bench.mlperf.accuracy import LOG, read_log, score_log
from spanjet.bench.mlperf.loadgen import estimate
from spanjet.bench.mlperf.loadgen import test as loadgen
from spanjet.bench.mlperf.loadgen.batching import in_order, padded, scheduled
from spanjet.bench.mlperf.loadgen.samples import Samples
from spanjet.bench.mlperf.loadgen.settings import LoadSettings
from spanjet.bench.mlperf.loadgen.system import System
from spanjet.bench.mlperf.loadgen.test import import_loadgen
from spanjet.bench.mlperf.loadgen.verdict import Verdict
from spanjet.bench.mlperf.rules import SCENARIOS, SECONDS, WINDOWS, Scenario
from spanjet.evaluate import load_squad
from spanjet.reader.batching import schedule
from spanjet.runtime.engine import Runtime


@pytest.fixture(scope="module")
def tiny() -> Reader:
    return reader()


@pytest.fixture(scope="module")
def samples(tiny: Reader) -> Samples:
    return Samples(tiny, dataset())


def test_samples_are_the_windows(tiny: Reader, samples: Samples) -> None:
    assert len(samples) == len(samples.windows) == samples.lengths.size
    assert samples.lengths.max() <= 384
    assert not samples.is_mlperf
    assert samples.label.startswith(
        f"not the MLPerf data set: 20 questions, {len(samples)} windows; expected 10,570"
    )
    batch = samples.batch(np.array([1, 0]), length=384)
    assert batch.attention_mask.sum(axis=1).tolist() == samples.lengths[[1, 0]].tolist()
    with pytest.raises(ValueError, match=r"expected SQuAD v1\.1"):
        Samples(tiny, load_squad(SQUAD2))


def test_some_samples_have_the_lengths_of_all(samples: Samples) -> None:
    some = samples.subset(5)
    assert len(some) == 5
    assert set(some.rows.tolist()) <= set(range(len(samples)))
    assert samples.lengths[some.rows].tolist() == some.lengths.tolist()
    ranks = np.argsort(np.argsort(samples.lengths, kind="stable"), kind="stable")[some.rows]
    assert sorted((ranks * 5 // len(samples)).tolist()) == [0, 1, 2, 3, 4]
    assert len(samples.subset(1000)) == len(samples)
    batch = some.batch(np.array([2]), length=384)
    assert batch.attention_mask.sum() == some.lengths[2]


def test_ways_to_make_batches(tiny: Reader) -> None:
    lengths = np.array([30, 10, 50, 20, 17])
    fixed = padded(2, 384)(lengths, 2)
    assert [(batch.rows.tolist(), batch.length) for batch in fixed] == [
        ([0, 1], 384),
        ([2, 3], 384),
        ([4], 384),
    ]
    longest = in_order(2)(lengths, 2)
    assert [(batch.rows.tolist(), batch.length) for batch in longest] == [
        ([0, 1], 32),
        ([2, 3], 64),
        ([4], 32),
    ]
    ours = scheduled(tiny)(lengths, 2)
    expected = schedule(lengths, max_length=tiny.model.max_length, streams=2)
    assert [(batch.rows.tolist(), batch.length) for batch in ours] == [
        (batch.rows.tolist(), batch.length) for batch in expected
    ]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_scenario(tiny: Reader, samples: Samples, tmp_path: Path, scenario: Scenario) -> None:
    told: list[tuple[int, int | None]] = []
    with System(import_loadgen(), tiny, samples, scenario) as system:
        short_test(
            system, samples, scenario, tmp_path, on_step=lambda done, total: told.append((done, total))
        )
        assert system.completed == system.asked >= len(samples)
        verdict = Verdict.read(tmp_path)
        assert verdict.scenario == scenario
        assert verdict.value > 0
        assert verdict.errors == ()
        assert told[-1][0] == system.completed
        short_test(system, samples, scenario, tmp_path / "accuracy", mode="AccuracyOnly")
    responses = dict(read_log(tmp_path / "accuracy" / LOG))
    assert sorted(responses) == list(range(len(samples)))
    for index, data in responses.items():
        batch = samples.batch(np.array([index]), length=int(samples.lengths[index]))
        (logits,) = ([each.copy() for each in found] for found in tiny.engine.run([batch]))
        found = np.frombuffer(data, np.float32).reshape(-1, 2)
        assert found.shape == (samples.lengths[index], 2)
        np.testing.assert_allclose(found, np.stack(logits, axis=-1)[0], atol=2e-5)


def test_a_short_run_may_be_valid_to_loadgen(tiny: Reader, samples: Samples, tmp_path: Path) -> None:
    """SingleStream is, with enough queries; and it is too short in Offline, which the verdict explains."""
    with System(import_loadgen(), tiny, samples, "SingleStream") as system:
        load = LoadSettings(
            scenario="SingleStream", samples=len(samples), target_latency=0.1, seconds=0.2, least=70
        )
        loadgen.run_test(system, load.build(import_loadgen(), tmp_path / "user.conf"), len(samples), tmp_path)
    found = Verdict.read(tmp_path)
    assert (found.valid, found.reasons, found.unit) == (True, (), "ms")
    assert found.queries >= 70
    assert found.percentiles["p50"] <= found.percentiles["p90"] <= found.percentiles["p99"]
    with System(import_loadgen(), tiny, samples, "Offline") as system:
        load = LoadSettings(scenario="Offline", samples=len(samples), seconds=100, least=1, target_qps=0.1)
        loadgen.run_test(system, load.build(import_loadgen(), tmp_path / "user.conf"), len(samples), tmp_path)
    found = Verdict.read(tmp_path)
    assert not found.valid
    assert found.reasons[0] == "the run was too short"
    assert found.queries == 1


def test_samples_are_asked_for_evenly(tiny: Reader, samples: Samples, tmp_path: Path) -> None:
    asked: list[int] = []

    class Recording(System):
        def issue(self, queries: Any) -> None:
            asked.extend(query.index for query in queries)
            super().issue(queries)

    with Recording(import_loadgen(), tiny, samples, "Offline") as system:
        load = LoadSettings(scenario="Offline", samples=len(samples), least=2 * len(samples), evenly=True)
        loadgen.run_test(system, load.build(import_loadgen(), tmp_path / "user.conf"), len(samples), tmp_path)
    assert sorted(asked) == sorted([*range(len(samples))] * 2)


@pytest.mark.parametrize("scenario", ["Offline", "SingleStream", "Server"])
def test_a_failure_ends_the_test(
    tiny: Reader, samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scenario: Scenario
) -> None:
    def fail(*_: object, **__: object) -> Iterator[object]:
        raise RuntimeError("no memory left")
        yield

    with System(import_loadgen(), tiny, samples, scenario) as system:
        monkeypatch.setattr(Runtime, "run", fail)
        with pytest.raises(RuntimeError, match=r"^no memory left$"):
            short_test(system, samples, scenario, tmp_path)
    monkeypatch.undo()
    with System(import_loadgen(), tiny, samples, scenario) as system:
        short_test(system, samples, scenario, tmp_path)  # LoadGen can be used again
    assert Verdict.read(tmp_path).scenario == scenario


def test_one_test_at_a_time(tiny: Reader, samples: Samples, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with System(import_loadgen(), tiny, samples, "SingleStream") as system:
        thread = threading.Thread(target=short_test, args=(system, samples, "SingleStream", tmp_path))
        thread.start()
        while not system.asked:
            time.sleep(0.001)
        with pytest.raises(RuntimeError, match="one test at a time in a process, and one is running"):
            short_test(system, samples, "SingleStream", other)
        thread.join()


def test_not_in_a_forked_process(tiny: Reader, samples: Samples, tmp_path: Path) -> None:
    tiny.ask("Who?", "Paris.")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with System(import_loadgen(), tiny, samples, "Offline") as system:
                short_test(system, samples, "Offline", tmp_path)
        except RuntimeError as error:
            code = 0 if "forked" in str(error) else 2
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0


def test_an_audit_file_of_the_working_directory_is_not_read(
    tiny: Reader, samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "audit.config").write_text("*.*.mode = 1\n")
    monkeypatch.chdir(tmp_path)
    with System(import_loadgen(), tiny, samples, "Offline") as system:
        short_test(system, samples, "Offline", tmp_path)
        assert Verdict.read(tmp_path).metric == "throughput"
        load = LoadSettings(scenario="Offline", samples=1, seconds=1)
        settings = load.build(import_loadgen(), tmp_path / "user.conf")
        with pytest.raises(FileNotFoundError, match="nowhere"):
            loadgen.run_test(system, settings, 1, tmp_path / "nowhere")


def test_estimates(tiny: Reader, samples: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "SECONDS", 0.2)
    with System(import_loadgen(), tiny, samples, "Offline") as system:
        rate = estimate.estimate_samples_per_second(system, samples)
        one = estimate.estimate_query_milliseconds(system, samples)
        several = estimate.estimate_query_milliseconds(system, samples, together=True)
    assert rate > 0
    assert 0 < one < several


def test_settings_as_a_file() -> None:
    offline = LoadSettings(scenario="Offline", samples=WINDOWS, target_qps=200.5)
    assert offline.official
    assert offline.user_conf().splitlines()[1:] == [
        "bert.Offline.target_qps = 200.5",
        f"bert.*.performance_sample_count_override = {WINDOWS}",
    ]
    short = LoadSettings(
        scenario="MultiStream", samples=5, target_latency=8, seconds=1.5, least=3, evenly=True
    )
    assert not short.official
    assert short.user_conf().splitlines()[1:] == [
        "bert.MultiStream.target_latency = 8",
        "# Not valid: a short test.",
        "bert.MultiStream.min_duration = 1500",
        "bert.MultiStream.min_query_count = 3",
        "bert.MultiStream.sample_concatenate_permutation = 1",
        "bert.*.performance_sample_count_override = 5",
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"scenario": "Interactive"},
            "scenario is 'Interactive'; expected 'Offline' or 'SingleStream'",
        ),
        (
            {"scenario": "Offline", "target_qps": 0},
            "target_qps is 0; expected a finite number greater than 0",
        ),
        (
            {"scenario": "Offline", "seconds": float("inf")},
            "seconds is inf; expected a finite number greater than 0",
        ),
        (
            {"scenario": "Server", "target_latency": -1},
            "target_latency is -1; expected a finite number greater than 0",
        ),
    ],
)
def test_settings_out_of_range(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=rf"^LoadSettings\.{message}"):
        LoadSettings(samples=1, **fields)


OFFICIAL = """
import json, sys
from pathlib import Path
from spanjet.bench.mlperf.loadgen.test import import_loadgen
from spanjet.bench.mlperf.loadgen.settings import LoadSettings
load = LoadSettings(scenario=sys.argv[1], samples=10833, target_qps=50, target_latency=7)
path = Path(sys.argv[2])
path.write_text(load.user_conf())
found = load.build(import_loadgen(), path)
names = ("min_duration_ms", "min_query_count", "performance_sample_count_override",
    "server_target_latency_ns",
    "multi_stream_samples_per_query", "offline_expected_qps", "server_target_qps",
    "single_stream_expected_latency_ns", "qsl_rng_seed", "sample_concatenate_permutation")
values = {name: getattr(found, name) for name in names}
try:
    load.build(import_loadgen(), path)
except RuntimeError as error:
    values["again"] = str(error)
print(json.dumps(values))
"""


@pytest.mark.parametrize("scenario", ["Offline", "SingleStream", "MultiStream"])
def test_official_settings_are_those_of_the_rules(tmp_path: Path, scenario: Scenario) -> None:
    command = [sys.executable, "-c", OFFICIAL, scenario, str(tmp_path / "user.conf")]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert found["min_duration_ms"] == 1000 * SECONDS
    assert found["performance_sample_count_override"] == WINDOWS
    assert found["server_target_latency_ns"] == 130_000_000
    assert found["multi_stream_samples_per_query"] == 8
    assert found["qsl_rng_seed"] > 0
    assert found["sample_concatenate_permutation"] is False
    assert "once in a process" in found["again"]
    if scenario == "Offline":
        assert found["offline_expected_qps"] == 50
    if scenario == "SingleStream":
        assert found["single_stream_expected_latency_ns"] == 7_000_000
    least = {"Offline": WINDOWS, "SingleStream": 1024, "MultiStream": 662}
    assert found["min_query_count"] == least[scenario]


def test_a_verdict_needs_its_log(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="mlperf_log_detail"):
        Verdict.read(tmp_path)
    log = tmp_path / "mlperf_log_detail.txt"
    log.write_text(
        ':::MLLOG {"key": "effective_scenario", "value": "Offline", "metadata": {"is_error": false}}\n'
    )
    with pytest.raises(
        ValueError, match="no result of a performance run: 'result_samples_per_second' is missing"
    ):
        Verdict.read(tmp_path)
    log.write_text("noise\n:::MLLOG {\n")
    with pytest.raises(ValueError, match="line 2 is no entry of LoadGen's"):
        Verdict.read(tmp_path)


def test_a_damaged_accuracy_log(samples: Samples, tmp_path: Path) -> None:
    whole = [{"qsl_idx": i, "data": bytes(8 * int(samples.lengths[i])).hex()} for i in range(len(samples))]
    path = tmp_path / LOG

    def score(entries: Any) -> None:
        path.write_text(json.dumps(entries))
        score_log(path, samples)

    score([*whole, whole[0]])  # MultiStream fills its last query up
    for entries, message in (
        ({"a": 1}, "not an accuracy log"),
        ([{"qsl_idx": 0}], "not an accuracy log"),
        (whole[:-2], f"2 of {len(samples)} samples are missing"),
        ([*whole, {"qsl_idx": len(samples), "data": ""}], f"sample {len(samples)}; expected less than"),
        ([*whole, {"qsl_idx": 3, "data": "00"}], "sample 3 is there twice, with different responses"),
        ([{"qsl_idx": 0, "data": "00" * 8}], r"sample 0 has 8 bytes; expected \d+, float32"),
    ):
        with pytest.raises(ValueError, match=message):
            score(entries)


def test_without_loadgen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlperf_loadgen", None)
    with pytest.raises(ImportError, match=r"pip install 'spanjet\[mlperf\]'"):
        import_loadgen()
