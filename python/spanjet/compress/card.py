"""What a model directory's card says: where the model comes from, how it was made, what it is worth."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spanjet.compress.quantize.config import QuantizeConfig
from spanjet.compress.quantize.ptq import METHOD
from spanjet.config import DecodeConfig, WindowConfig
from spanjet.evaluate import CalibrationReport
from spanjet.model import Model
from spanjet.runtime.cpu import describe_machine

if TYPE_CHECKING:
    from spanjet.reader.reader import Reader

__all__ = [
    "describe_calibration",
    "describe_data",
    "describe_quantization",
    "describe_scores",
    "describe_source",
    "describe_tools",
    "rounded",
    "sha256",
]


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def describe_source(model: Model) -> dict[str, Any]:
    """What a model was made of: the name of its directory, or its repository of the hub and the commit."""
    name = {"name": model.path.resolve().name}
    if model.repository is not None:
        name = {"name": model.repository, "revision": model.path.name}
    files = {file.name: {"bytes": file.stat().st_size, "sha256": sha256(file)} for file in model.weights}
    return {**name, "architecture": model.architecture, "weights": files}


def describe_data(path: str | os.PathLike[str]) -> dict[str, Any]:
    """A data file, by its name and content."""
    return {"data": Path(path).name, "sha256": sha256(Path(path))}


def describe_quantization(
    path: str | os.PathLike[str],
    windows: WindowConfig,
    config: QuantizeConfig,
    *,
    count: int,
    layers: int,
    restored: Sequence[str],
) -> dict[str, Any]:
    """How a model was quantized.

    Args:
        path: the data that it was calibrated with.
        windows: how its windows were cut.
        config: what was asked for.
        count: calibration windows.
        layers: products and tables that were quantized.
        restored: those of them that became floating point again, most sensitive first.
    """
    return {
        "method": METHOD,
        "cpu": config.target,
        "overflow_fix": config.target == "any",
        "calibration": {**describe_data(path), "count": count, "seed": config.seed},
        "windows": asdict(windows),
        "layers": layers,
        "restored": list(restored),
    }


def describe_scores(
    path: str | os.PathLike[str],
    windows: WindowConfig,
    scores: Mapping[str, Mapping[str, Any]],
    *,
    questions: int,
    threshold: float | None = None,
) -> dict[str, Any]:
    """F1 and EM in percent of some models, by their names, and what they were measured with."""
    return {
        **describe_data(path),
        "questions": questions,
        "windows": asdict(windows),
        "decode": asdict(DecodeConfig()),
        "threshold": threshold,
        **{name: rounded(score) for name, score in scores.items()},
    }


def rounded(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Percentages with two decimals; thresholds as they are."""

    def shown(name: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return rounded(value)
        is_percentage = isinstance(value, float) and not name.endswith("thresh")
        return round(value, 2) if is_percentage else value

    return {name: shown(name, value) for name, value in scores.items()}


def describe_calibration(
    report: CalibrationReport, path: str | os.PathLike[str], reader: "Reader", *, negatives: float, seed: int
) -> dict[str, Any]:
    """A calibration, what it was fitted on and how, and what it is worth on articles that it has not seen."""
    return {
        **report.as_dict(),
        **describe_data(path),
        "negatives": negatives,
        "seed": seed,
        "windows": asdict(reader.window_config),
        "decode": asdict(reader.decode_config),
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
