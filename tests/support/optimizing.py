"""A small optimisation: a tiny checkpoint, few questions, and quantizers without calibration."""

import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from checkpoints import TINY, edit_config, edit_tensors
from spanjet import Reader, RuntimeConfig
from spanjet.compress.latency.synthetic_int8 import insert_quantizers
from spanjet.compress.latency.table import Curve, LatencyTable
from spanjet.compress.optimize import candidates
from spanjet.compress.optimize import run as stages
from spanjet.compress.optimize.config import OptimizeConfig
from spanjet.compress.optimize.optimize import optimize_checkpoint
from spanjet.evaluate import evaluate, load_squad
from spanjet.runtime.openvino import ov

WORDS = ("the", "city", "was", "on", "a", "river", "by", "first", "king", "who", "had", "there", "later")
#: A directory with inputs and an optimised model ``out``, and its card: the fixture ``made``.
Made = tuple[Path, dict[str, Any]]
CHECKPOINT, DATA = "checkpoint", "train.json"
CONFIG = OptimizeConfig(
    floor=0.5,
    budgets=(0.8, 0.5),
    samples=8,
    calibration=4,
    training=6,
    validation=2,
    windows=3,
    trials=2,
    bisections=1,
    held_out=12,
    keep_best=True,
)
# What a machine could have measured.
TABLE = LatencyTable(
    curves={
        "heads": Curve((0, 1, 4), (0.0, 1e-3, 4e-3)),
        "units": Curve((0, 32, 64), (0.0, 2e-3, 4e-3)),
    },
    rest=1e-3,
)


def write_inputs(directory: Path, *, layers: int = 1) -> None:
    """A checkpoint of one layer, or of two, and questions on it."""
    checkpoint = directory / CHECKPOINT
    shutil.copytree(TINY, checkpoint)
    edit_config(checkpoint, num_hidden_layers=layers)
    edit_tensors(
        checkpoint, lambda tensors: {name: tensors[name] for name in tensors if f"layer.{layers}" not in name}
    )
    write_questions(directory / DATA, checkpoint)


def write_questions(path: Path, checkpoint: Path, contexts: int = 30) -> None:
    """Questions whose right answers are the float32 model's own, so that its F1 is 100."""
    generator = random.Random(1)
    paragraphs = [
        {
            "context": " ".join(generator.choices(WORDS, k=40)),
            "qas": [{"id": str(index), "question": " ".join(generator.choices(WORDS, k=5)), "answers": []}],
        }
        for index in range(contexts)
    ]
    content: dict[str, Any] = {"data": [{"title": "t", "paragraphs": paragraphs}]}
    path.write_text(json.dumps(content))
    runtime = RuntimeConfig(precision="f32", cache_dir=None)
    answers = evaluate(Reader(checkpoint, runtime_config=runtime), load_squad(path))
    for index, paragraph in enumerate(paragraphs):
        right = {"text": answers.predictions[str(index)], "answer_start": 0}
        paragraph["qas"][0]["answers"] = [right]  # type: ignore[index]
    path.write_text(json.dumps(content))


def uncalibrated(model: ov.Model, inputs: Sequence[Any], **_: Any) -> ov.Model:
    """In the place of `calibrate`, which takes seconds: ranges are made up, weights are rounded as there."""
    assert inputs
    model = model.clone()
    insert_quantizers(model, widen=4.0)
    return model


def run(directory: Path, out: Path, **options: Any) -> dict[str, Any]:
    """An optimisation of what `write_inputs` wrote, with `uncalibrated` and `TABLE`."""
    options = {"config": CONFIG, **options}
    with (
        patch.object(candidates, "calibrate", uncalibrated),
        patch.object(stages, "measure_latency", measured),
    ):
        return optimize_checkpoint(directory / CHECKPOINT, directory / DATA, out, **options)


def measured(*_: Any, **__: Any) -> LatencyTable:
    """In the place of `measure_latency`."""
    return TABLE
