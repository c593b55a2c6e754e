"""What a model directory's card says: where the model comes from, how it was made, what it is worth."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from spanjet.checkpoint import LoadedModel
from spanjet.checkpoint.load import CHECKPOINT_WEIGHTS
from spanjet.config import DecodeConfig, WindowConfig
from spanjet.evaluate.squad import Scores
from spanjet.machine import describe_machine
from spanjet.optimize.int8 import METHOD

__all__ = [
    "describe_data",
    "describe_quantization",
    "describe_scores",
    "describe_source",
    "describe_tools",
    "sha256",
]


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def describe_source(checkpoint: LoadedModel) -> dict[str, Any]:
    """The checkpoint that a model was made of."""
    weights = checkpoint.path / CHECKPOINT_WEIGHTS
    return {"name": checkpoint.path.resolve().name, "weights": weights.name, "sha256": sha256(weights)}


def describe_data(path: str | os.PathLike[str]) -> dict[str, Any]:
    """A data file, by its name and content."""
    return {"data": Path(path).name, "sha256": sha256(Path(path))}


def describe_quantization(
    path: str | os.PathLike[str], windows: WindowConfig, *, count: int, seed: int
) -> dict[str, Any]:
    """How a model was quantized, and the windows that it was calibrated with."""
    calibration = {**describe_data(path), "count": count, "seed": seed}
    return {"method": METHOD, "calibration": calibration, "windows": asdict(windows)}


def describe_scores(
    path: str | os.PathLike[str],
    windows: WindowConfig,
    scores: Mapping[str, Scores],
    *,
    questions: int,
) -> dict[str, Any]:
    """F1 and EM in percent of some models, by their names, and what they were measured with."""
    return {
        **describe_data(path),
        "questions": questions,
        "windows": asdict(windows),
        "decode": asdict(DecodeConfig()),
        **{
            name: {"f1": round(score.f1, 2), "exact_match": round(score.exact_match, 2)}
            for name, score in scores.items()
        },
    }


def describe_tools() -> dict[str, Any]:
    """Date, versions, and the CPU that calibrated and measured."""
    machine = describe_machine()
    versions = {name: machine[name] for name in ("spanjet", "openvino", "numpy", "python")}
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "versions": {**versions, "nncf": metadata.version("nncf")},
        "machine": {name: machine[name] for name in ("processor", "instructions")},
    }
