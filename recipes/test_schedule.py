"""The schedule, in the environment that has torch: `make test-recipes`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from recipes.checkpoint import read_shape
from recipes.model import LayerSize
from recipes.test_training import ROOT, examples, start


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("schedule")
    start(directory / "start", "mpnet", 1)
    start(directory / "student", "bert", 2)
    examples(directory / "train.npz", 5)
    examples(directory / "held-out.npz", 6)
    return directory


def call(directory: Path, minutes: float, *more: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "recipes.schedule", str(directory / "start")]
    command += ["--examples", str(directory / "train.npz"), "--held-out", str(directory / "held-out.npz")]
    command += ["--out", str(directory / "out"), "--budget", "0.3", "--minutes", str(minutes)]
    command += ["--tokens", "400", "--warm-up", "5"]
    command += ["--student", str(directory / "student"), "--student-examples", str(directory / "train.npz")]
    command += ["--base-options=--layers 2 --heads 3 --units 32 --measured 40"]
    command += ["--small-options=--layers 1 --heads 2 --units 20 --measured 40"]
    done = subprocess.run([*command, *more], cwd=ROOT, check=False, capture_output=True, text=True)
    return done.returncode, done.stdout or done.stderr


def test_stages_are_made_in_order_and_once(prepared: Path) -> None:
    assert call(prepared, 0.3) == (3, json.dumps({"done": [], "next": "teacher"}) + "\n")
    # Twenty seconds of a call are for storing: this one has three for training, of the seven needed.
    code, out = call(prepared, 0.383)
    assert (code, json.loads(out.splitlines()[-1])["next"]) == (3, "teacher")
    assert (prepared / "out" / "teacher" / "state" / "state.pt").exists()
    code, out = call(prepared, 10)
    assert (code, json.loads(out.splitlines()[-1])) == (
        0,
        {"done": ["teacher", "logits", "base", "small"], "next": None},
    )
    assert "windows/s" in out
    assert len(list((prepared / "out" / "logits").glob("*.npz"))) == 2
    sizes = [
        read_shape(prepared / "out" / name / "checkpoint").sizes for name in ("teacher", "base", "small")
    ]
    assert sizes == [(LayerSize(4, 64),) * 2, (LayerSize(3, 32),) * 2, (LayerSize(2, 20),)]
    assert call(prepared, 0.1)[0] == 0


def test_a_stage_that_fails_ends_the_call(prepared: Path) -> None:
    (prepared / "out").mkdir(exist_ok=True)
    code, out = call(prepared, 5, "--out", str(prepared / "failed"), "--teacher-options=--rate none")
    assert (code, "teacher: " in out) == (2, True)
    code, out = call(prepared, 5, "--logit-epochs", "0")
    assert (code, "expected both or none" in out) == (2, True)
