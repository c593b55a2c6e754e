"""The submission folder: MLPerf's layout, what it says, and what it refuses."""

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from mlperf_runs import TINY, dataset, reader, with_card
from spanjet.bench.mlperf.run import RunConfig, run_scenario
from spanjet.bench.mlperf.submission import write_submission
from spanjet.bench.mlperf.submission_documents import measurements


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("runs")
    out = place / "offline"
    config = RunConfig(scenario="Offline", seconds=0.2, target_qps=50, test01=True)
    run_scenario(reader(with_card(place / "tiny")), dataset(), out, config)
    return out


def edited(run: Path, copy: Path, **changes: Any) -> Path:
    """A copy of a run with another result; names with dots are those of inner objects."""
    shutil.copytree(run, copy)
    result = json.loads((copy / "result.json").read_text())
    for name, value in changes.items():
        *outer, last = name.split("__")
        place = result
        for each in outer:
            place = place[each]
        place[last] = value
    (copy / "result.json").write_text(json.dumps(result))
    return copy


def test_the_layout(run: Path, tmp_path: Path) -> None:
    stream = edited(run, tmp_path / "stream", scenario="SingleStream", test01=None)
    out = tmp_path / "submission"
    summary = write_submission(out, [run, stream], submitter="us", system="laptop")
    assert [(each["benchmark"], each["scenario"]) for each in summary["runs"]] == [
        ("tiny", "Offline"),
        ("tiny", "SingleStream"),
    ]
    assert summary["runs"][0]["why_not"][1].startswith("a short run")
    # Submission checkers allow nothing beside the divisions but Markdown and PDF.
    assert sorted(path.name for path in out.iterdir()) == ["open", "spanjet-submission.md"]
    said = (out / "spanjet-submission.md").read_text()
    assert "- tiny, Offline: not the MLPerf data set" in said
    assert "- tiny, SingleStream: " in said
    root = out / "open" / "us"
    logs = ["mlperf_log_summary.txt", "mlperf_log_detail.txt"]
    offline = root / "results" / "laptop" / "tiny" / "Offline"
    found = {str(path.relative_to(offline)) for path in offline.rglob("*") if path.is_file()}
    assert found == {
        *(f"performance/run_1/{name}" for name in logs),
        *(f"accuracy/{name}" for name in (*logs, "mlperf_log_accuracy.json", "accuracy.txt")),
        *(f"TEST01/performance/run_1/{name}" for name in logs),
        *(f"TEST01/accuracy/{name}" for name in ("mlperf_log_accuracy.json", "accuracy.txt")),
        "TEST01/verify_accuracy.txt",
        "TEST01/verify_performance.txt",
        "measurements.json",
        "user.conf",
        "README.md",
    }
    assert not (root / "results" / "laptop" / "tiny" / "SingleStream" / "TEST01").exists()
    assert json.loads((root / "model_mapping.json").read_text()) == {"tiny": "bert-99"}
    assert "tiny" in (root / "src" / "README.md").read_text()
    system = json.loads((root / "systems" / "laptop.json").read_text())
    assert (system["division"], system["submitter"], system["system_name"]) == ("open", "us", "laptop")
    assert system["system_type"] == "edge"
    assert int(system["host_processor_core_count"]) >= 1
    assert "OpenVINO" in system["framework"]
    measurements = json.loads((offline / "measurements.json").read_text())
    assert set(measurements) == {
        "input_data_types",
        "weight_data_types",
        "starting_weights_filename",
        "weight_transformations",
        "retraining",
    }
    assert all(measurements.values())
    assert measurements["starting_weights_filename"] == "golden: model.safetensors"
    readme = (offline / "README.md").read_text()
    assert "spanjet mlperf run" in readme
    assert "Not a valid result" in readme


def test_the_accuracy_log_is_cut_and_its_digest_kept(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "submission"
    write_submission(out, [run], submitter="us", system="laptop")
    place = out / "open" / "us" / "results" / "laptop" / "tiny" / "Offline" / "accuracy"
    whole = (run / "accuracy" / "mlperf_log_accuracy.json").read_bytes()
    cut = (place / "mlperf_log_accuracy.json").read_bytes()
    assert len(whole) > 10 * 1024 > len(cut)
    assert cut == whole[:4096] + b"\n\n...\n\n" + whole[-4096:]
    scores, digest = (place / "accuracy.txt").read_text().splitlines()
    assert digest == f"hash={hashlib.sha256(whole).hexdigest()}"
    # What the submission checker reads.
    assert re.match(r"^{[\"\']exact_match[\"\']\:\s*[\d\.]+,\s*[\"\']f1[\"\']\:\s*([\d\.]+)}", scores)


def test_the_closed_division(run: Path, tmp_path: Path) -> None:
    good = edited(run, tmp_path / "good", accuracy__f1=90.0)
    better = edited(run, tmp_path / "better", accuracy__f1=90.8)
    options: dict[str, Any] = {"submitter": "us", "system": "s", "division": "closed"}
    summary = write_submission(tmp_path / "out", [good, better], **options)
    assert [each["benchmark"] for each in summary["runs"]] == ["bert-99", "bert-99.9"]
    assert not (tmp_path / "out" / "closed" / "us" / "model_mapping.json").exists()
    with pytest.raises(ValueError, match=r"F1 is \d+\.\d+; the closed division expects at least 89\.965"):
        write_submission(tmp_path / "other", [run], **options)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"performance": None}, "a run without performance; expected one of mode both"),
        ({"accuracy": None}, "a run without accuracy; expected one of mode both"),
        ({"model__card": None}, "has no card, and a submission says how its model was made"),
    ],
)
def test_runs_that_do_not_suffice(run: Path, tmp_path: Path, changes: Any, message: str) -> None:
    other = edited(run, tmp_path / "run", **changes)
    with pytest.raises(ValueError, match=message):
        write_submission(tmp_path / "out", [other], submitter="us", system="s")
    assert not (tmp_path / "out").exists()


def test_refused(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options: dict[str, Any] = {"submitter": "us", "system": "s"}
    with pytest.raises(FileNotFoundError, match=r"no result\.json"):
        write_submission(out, [tmp_path], **options)
    with pytest.raises(ValueError, match="another run of tiny in Offline; expected one"):
        write_submission(out, [run, edited(run, tmp_path / "copy")], **options)
    with pytest.raises(ValueError, match="no runs"):
        write_submission(out, [], **options)
    with pytest.raises(ValueError, match=r"submitter is '\.\./us'; expected the name of a directory"):
        write_submission(out, [run], submitter="../us", system="s")
    with pytest.raises(ValueError, match="system is ''"):
        write_submission(out, [run], submitter="us", system="")
    with pytest.raises(ValueError, match="division is 'network'"):
        write_submission(out, [run], **options, division="network")  # type: ignore[arg-type]
    for name in ("../../x", "organisation/model", ".."):
        renamed = edited(run, tmp_path / f"named-{len(name)}", model__name=name)
        with pytest.raises(ValueError, match=rf"the model is called '{name}'; expected the name of a direct"):
            write_submission(out, [renamed], **options)
    assert not out.exists()
    write_submission(out, [run], **options)
    with pytest.raises(FileExistsError):
        write_submission(out, [run], **options)
    write_submission(out, [run], **options, overwrite=True)
    with pytest.raises(FileExistsError, match=r"holds no spanjet-submission\.md"):
        write_submission(run, [run], **options, overwrite=True)


def test_a_checkpoint_has_no_card(tmp_path: Path) -> None:
    run_scenario(reader(TINY), dataset(), tmp_path / "run", RunConfig(seconds=0.1, target_qps=20))
    with pytest.raises(ValueError, match=r"tiny-bert has no card.*spanjet quantize"):
        write_submission(tmp_path / "out", [tmp_path / "run"], submitter="us", system="s")


def test_changes_of_the_weights_are_told(run: Path) -> None:
    result = json.loads((run / "result.json").read_text())
    plain = measurements(result)
    assert (plain["retraining"], ";" in plain["weight_transformations"]) == ("N", False)
    pruned = "heads and whole blocks pruned by measured latency, then "
    for then, retrained in (("distilled", "Y"), ("fitted layer by layer", "N")):
        result["model"]["card"]["optimization"] = {"method": pruned + then}
        found = measurements(result)
        assert found["retraining"] == retrained
        assert found["weight_transformations"].startswith(f"{pruned}{then}")
