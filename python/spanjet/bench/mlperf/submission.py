"""Write a submission folder in MLPerf Inference's layout (v6).

``{division}/{submitter}/results/{system}/{benchmark}/{scenario}``, ``systems/{system}.json`` and ``src``, as
tools/submission/submission_checker of mlcommons/inference reads them.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from errno import ENOENT
from pathlib import Path
from typing import Any, Literal

from spanjet.bench.mlperf.accuracy import LOG
from spanjet.bench.mlperf.rules import FLOORS, REFERENCE_F1
from spanjet.bench.mlperf.run import ACCURACY, COMPLIANCE, PERFORMANCE, RESULT, USER_CONF
from spanjet.bench.mlperf.submission_documents import (
    measurements,
    run_readme,
    source_readme,
    submission_readme,
    system_json,
)
from spanjet.model.config_json import read_json
from spanjet.storage import file_digest, staged
from spanjet.validation import SettingError

__all__ = ["Division", "write_submission"]

Division = Literal["open", "closed"]

CLOSEST = "bert-99"
"""Benchmark that models of the open division are mapped to."""

MARK = "spanjet-submission.md"
"""By which a folder of ours is known; submission checkers allow no other kind of file there but PDF."""

MOST_BYTES, SHOWN_BYTES = 10 * 1024, 4096
"""Longer accuracy logs are truncated to beginning and end; ``accuracy.txt`` has the digest of the whole."""

LOGS = ("mlperf_log_summary.txt", "mlperf_log_detail.txt")
"""Logs of a run to copy into a submission, besides the accuracy log."""


def write_submission(
    out: Path,
    runs: Sequence[Path],
    *,
    submitter: str,
    system: str,
    division: Division = "open",
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write a submission folder atomically.

    In the open division each model is a benchmark of its own name, which ``model_mapping.json`` maps to
    bert-99. In the closed division its F1 decides: bert-99.9 or bert-99.

    Args:
        out: folder to create.
        runs: directories that `run_scenario` wrote in mode ``both``, one for each model and scenario.
        submitter: name of the submitter, used as a directory name.
        system: name of the machine, used as a directory name.
        division: ``"open"``: any model; ``"closed"``: only the reference's, neither pruned nor retrained.
        overwrite: replace an earlier submission folder.

    Returns:
        The benchmark and scenario of each run, and the reasons why it is not official, if any.

    Raises:
        FileExistsError, FileNotFoundError: see `spanjet.storage.check_free`; or a run is missing.
        ValueError: a run lacks performance or accuracy, its model has no card, its F1 is below the closed
            division's minimum, or two runs have the same model and scenario.
    """
    _check_names(submitter, system, division)
    results = {run: _read_run(run) for run in runs}
    if not results:
        raise ValueError("no runs; expected at least one")
    places = _places(results, division)
    summary = {
        "runs": [
            {"benchmark": benchmark, "scenario": scenario, "why_not": results[run]["why_not"]}
            for run, (benchmark, scenario) in places.items()
        ]
    }
    with staged(out, mark=MARK, overwrite=overwrite) as stage:
        root = stage / division / submitter
        for run, (benchmark, scenario) in places.items():
            _copy_run(run, root / "results" / system / benchmark / scenario, results[run])
        names = {"division": division, "submitter": submitter, "system": system}
        _write_documents(root, names, next(iter(results.values())), [place[0] for place in places.values()])
        (stage / MARK).write_text(submission_readme(summary["runs"]), encoding="utf-8")
    return summary


def _write_documents(
    root: Path, names: dict[str, str], result: dict[str, Any], benchmarks: Sequence[str]
) -> None:
    """Write the documents of a submission besides its runs."""
    system = system_json(result["configuration"], **names)
    _write_json(root / "systems" / f"{names['system']}.json", system)
    if names["division"] == "open":
        _write_json(root / "model_mapping.json", dict.fromkeys(benchmarks, CLOSEST))
    (root / "src").mkdir()
    (root / "src" / "README.md").write_text(source_readme(result), encoding="utf-8")


def _check_names(submitter: str, system: str, division: str) -> None:
    """Check the submitter's and the system's name, and the division."""
    for name, value in (("submitter", submitter), ("system", system)):
        if not _names_directory(value):
            raise SettingError(name, value, "the name of a directory")
    if division not in ("open", "closed"):
        raise SettingError("division", division, "'open' or 'closed'")


def _names_directory(value: str) -> bool:
    return bool(value) and value not in (".", "..") and "/" not in value and os.sep not in value


def _read_run(run: Path) -> dict[str, Any]:
    """Read the result of a run, and check that it is complete enough to submit."""
    if not (run / RESULT).is_file():
        raise FileNotFoundError(ENOENT, f"no {RESULT}: expected a result of spanjet mlperf run", str(run))
    result = read_json(run / RESULT)
    for name in ("performance", "accuracy"):
        if not isinstance(result.get(name), dict):
            raise ValueError(f"{run}: a run without {name}; expected one of mode both")
    if not result["model"]["card"]:
        raise ValueError(
            f"{run}: the model {result['model']['directory']} has no card, and a submission says how its "
            "model was made: expected a model directory of spanjet quantize or spanjet optimize"
        )
    return result


def _places(results: Mapping[Path, dict[str, Any]], division: Division) -> dict[Path, tuple[str, str]]:
    """Determine the benchmark and scenario of each run."""
    places: dict[Path, tuple[str, str]] = {}
    for run, result in results.items():
        benchmark = result["model"]["name"] if division == "open" else _closed_benchmark(run, result)
        if not _names_directory(benchmark):
            raise ValueError(f"{run}: the model is called {benchmark!r}; expected the name of a directory")
        place = (benchmark, result["scenario"])
        if place in places.values():
            raise ValueError(f"{run}: another run of {' in '.join(place)}; expected one")
        places[run] = place
    return places


def _closed_benchmark(run: Path, result: dict[str, Any]) -> str:
    f1 = result["accuracy"]["f1"]
    for share in sorted(FLOORS, reverse=True):
        if f1 >= share * REFERENCE_F1:
            return f"bert-{100 * share:g}"
    raise ValueError(
        f"{run}: F1 is {f1:.3f}; the closed division expects at least {min(FLOORS) * REFERENCE_F1:.3f}"
    )


def _copy_run(run: Path, place: Path, result: dict[str, Any]) -> None:
    """Copy the files of one run to where the submission checker expects them."""
    _copy(run / PERFORMANCE, place / PERFORMANCE, LOGS)
    _copy(run / ACCURACY, place / ACCURACY, (*LOGS, "accuracy.txt"))
    _cut(run / ACCURACY / LOG, place / ACCURACY)
    _copy(run, place, (USER_CONF,))
    if result["test01"] is not None:
        test = place / COMPLIANCE
        _copy(run / COMPLIANCE, test, ("verify_accuracy.txt", "verify_performance.txt"))
        _copy(run / COMPLIANCE / PERFORMANCE, test / PERFORMANCE, LOGS)
        (test / ACCURACY).mkdir()
        _cut(run / COMPLIANCE / ACCURACY / LOG, test / ACCURACY)
    _write_json(place / "measurements.json", measurements(result))
    (place / "README.md").write_text(run_readme(result), encoding="utf-8")


def _copy(source: Path, target: Path, names: Sequence[str]) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copyfile(source / name, target / name)


def _cut(log: Path, target: Path) -> None:
    """Copy an accuracy log, truncated as by truncate_accuracy_log.py, and add its digest to the scores."""
    content = log.read_bytes()
    if len(content) > MOST_BYTES:
        content = b"\n\n...\n\n".join([content[:SHOWN_BYTES], content[-SHOWN_BYTES:]])
    (target / LOG).write_bytes(content)
    with (target / "accuracy.txt").open("a", encoding="utf-8") as file:
        file.write(f"hash={file_digest(log)}\n")


def _write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{json.dumps(value, indent=2, ensure_ascii=False)}\n", encoding="utf-8")
