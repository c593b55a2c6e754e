"""What a checkpoint takes: memory to load it, time to quantize it, speed before and after."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spanjet.bench import built_in
from spanjet.compress.quantize.config import QuantizeConfig
from spanjet.compress.quantize.quantize import quantize_checkpoint
from spanjet.evaluate import SquadDataset
from spanjet.measure.progress import Progress, no_progress
from spanjet.model.random_weights import Shape, write_checkpoint

__all__ = ["Measured", "measure"]

QUESTIONS = 32

# OpenVINO and what else is imported is loaded before, with a checkpoint of the least size.
LOAD = """
import sys
from spanjet.runtime.machine import peak_megabytes, reset_peak, resident_megabytes
from spanjet.model import load_model
load_model(sys.argv[1])
reset_peak()
before = resident_megabytes()
loaded = load_model(sys.argv[2])
print(before, peak_megabytes())
"""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Measurements of one shape, in bytes, seconds, and windows a second.

    ``loading`` is the growth of the process's peak memory in bytes.
    """

    weights: int
    loading: float
    seconds: float
    int8_bytes: int
    speed: dict[str, Any]


def measure(
    directory: Path, shape: Shape, *, samples: int, seed: int = 0, progress: Progress = no_progress
) -> Measured:
    """Write a checkpoint of random weights, load it, quantize it and time it.

    Args:
        directory: where the checkpoint and its INT8 model go.
        shape: of the checkpoint.
        samples: calibration windows; the speed does not depend on them.
        seed: of the weights and the questions.
        progress: shows a bar for each part.
    """
    small = Shape(width=8, layers=1, heads=1, vocabulary=200)
    write_checkpoint(directory / "small", small)
    weights = write_checkpoint(directory / "checkpoint", shape, seed=seed)
    loading = _loading(directory / "small", directory / "checkpoint")
    questions = directory / "questions.json"
    questions.write_text(json.dumps(_squad(built_in(QUESTIONS, seed))))
    began = time.perf_counter()
    card = quantize_checkpoint(
        directory / "checkpoint",
        questions,
        directory / "int8",
        config=QuantizeConfig(samples=samples, seed=seed),
        progress=progress,
    )
    return Measured(
        weights=weights,
        loading=loading,
        seconds=time.perf_counter() - began,
        int8_bytes=card["bytes"]["openvino_model.bin"],
        speed=card["speed"],
    )


def _loading(small: Path, checkpoint: Path) -> float:
    command = [sys.executable, "-c", LOAD, str(small), str(checkpoint)]
    before, peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return (float(peak) - float(before)) * 1e6


def _squad(dataset: SquadDataset) -> dict[str, Any]:
    """Questions as a SQuAD file has them."""
    paragraphs = [
        {
            "context": each.context,
            "qas": [
                {
                    "id": each.id,
                    "question": each.question,
                    "answers": [
                        {"text": answer, "answer_start": each.context.find(answer)} for answer in each.answers
                    ],
                }
            ],
        }
        for each in dataset.questions
    ]
    return {"version": "1.1", "data": [{"title": "made up", "paragraphs": paragraphs}]}
