"""The optimiser's ablations: each variant is what it says, and the command prints a table of them."""

import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from optimizing import CHECKPOINT, CONFIG, DATA, Made, measured
from spanjet.compress.optimize import run as stages
from spanjet.compress.prune.network import Network

sys.path.insert(0, str(Path(__file__).parents[2]))

from benches.ablations import __main__ as command
from benches.ablations.variants import variants


def test_variants(made: Made, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """On the stages of an optimisation, which nothing is added to but what is new."""
    directory = made[0]
    found: list[Any] = []

    def kept(*arguments: Any) -> Any:
        found.extend(variants(*arguments))
        return found

    monkeypatch.setattr(command, "variants", kept)
    names = ("samples", "calibration", "training", "validation", "windows", "trials", "held_out")
    options = [part for name in names for part in (f"--{name.replace('_', '-')}", str(getattr(CONFIG, name)))]
    places = [
        str(directory / CHECKPOINT),
        "--data",
        str(directory / DATA),
        "--work",
        str(directory / "out.stages"),
    ]
    with patch.object(stages, "measure_latency", measured):
        assert command.main([*places, "--budget", "0.6", *options]) == 0
    table = capsys.readouterr().out
    made_of = {variant.name: variant for variant in found}
    assert len(made_of) == 8
    for name in ("nothing cut", *made_of):
        assert name in table
    whole = made_of["all parts"]
    for name in ("score by magnitude", "errors of all outputs alike", "no training", "no weight update"):
        assert made_of[name].shapes == whole.shapes
    # Without an update, what is left is what it was.
    fitted, updated, untouched = (
        made_of[name].network.tensors
        for name in ("reconstruction in its place", "no training", "no weight update")
    )
    start = Network.load(directory / CHECKPOINT).tensors
    assert fitted.keys() == updated.keys() == untouched.keys() == whole.network.tensors.keys()
    biases = [name for name in untouched if name.endswith("output.dense.bias")]
    assert all(np.array_equal(untouched[name], start[name]) for name in biases)
    for one, two in ((fitted, updated), (updated, untouched)):
        assert any(not np.array_equal(one[name], two[name]) for name in biases)
