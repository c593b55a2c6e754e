"""Build the sections of a model card: source, quantization, scores, calibration and tools."""

import os
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from spanjet.compress.quantize.config import QuantizeConfig
from spanjet.compress.quantize.ptq import METHOD
from spanjet.config import DecodeConfig, WindowConfig
from spanjet.evaluate import CalibrationReport
from spanjet.model import Model
from spanjet.reader.reader import Reader
from spanjet.runtime.cpu import describe_machine
from spanjet.storage import file_digest

__all__ = [
    "describe_calibration",
    "describe_data",
    "describe_quantization",
    "describe_scores",
    "describe_source",
    "describe_tools",
    "rounded",
]


def describe_source(model: Model) -> dict[str, Any]:
    """Describe the source of a model: its directory's name, or its hub repository and commit."""
    name = {"name": model.path.resolve().name}
    if model.repository is not None:
        # A subfolder is named after ORG/NAME, and lies in the directory of the commit.
        depth = max(0, model.repository.count("/") - 1)
        name = {"name": model.repository, "revision": (model.path, *model.path.parents)[depth].name}
    files = {file.name: {"bytes": file.stat().st_size, "sha256": file_digest(file)} for file in model.weights}
    return {**name, "architecture": model.architecture, "weights": files}


def describe_data(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Identify a data file by its name and SHA-256."""
    return {"data": Path(path).name, "sha256": file_digest(Path(path))}


def describe_quantization(
    windows: WindowConfig, config: QuantizeConfig, embeddings: Mapping[str, Any]
) -> dict[str, Any]:
    """Describe the method and settings of a quantization.

    Args:
        windows: settings of the windows it was calibrated on.
        config: its settings.
        embeddings: the embedding tables, see `spanjet.compress.quantize.embeddings.describe_tables`.
    """
    return {
        "method": METHOD,
        "cpu": config.target,
        "overflow_fix": config.half_range,
        "embedding_precision": config.embedding_precision,
        "embeddings": dict(embeddings),
        "windows": asdict(windows),
    }


def describe_scores(
    path: str | os.PathLike[str],
    windows: WindowConfig,
    scores: Mapping[str, Mapping[str, Any]],
    *,
    questions: int,
    threshold: float | None = None,
) -> dict[str, Any]:
    """Describe F1 and exact match of models, in percent by model name, and the data they were measured on."""
    return {
        **describe_data(path),
        "questions": questions,
        "windows": asdict(windows),
        "decode": asdict(DecodeConfig()),
        "threshold": threshold,
        **{name: rounded(score) for name, score in scores.items()},
    }


def rounded(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Round percentages to two decimals, and leave thresholds as they are."""

    def shown(name: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return rounded(value)
        is_percentage = isinstance(value, float) and not name.endswith("thresh")
        return round(value, 2) if is_percentage else value

    return {name: shown(name, value) for name, value in scores.items()}


def describe_calibration(
    report: CalibrationReport, path: str | os.PathLike[str], reader: Reader, *, negatives: float, seed: int
) -> dict[str, Any]:
    """Describe a calibration: its data, its settings, and its quality on held-out articles."""
    return {
        **report.as_dict(),
        **describe_data(path),
        "negatives": negatives,
        "seed": seed,
        "windows": asdict(reader.window_config),
        "decode": asdict(reader.decode_config),
    }


def describe_tools() -> dict[str, Any]:
    """Describe the date, the package versions and the CPU of calibration and measurement."""
    machine = describe_machine()
    versions = {name: machine[name] for name in ("spanjet", "openvino", "numpy", "python")}
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "versions": {**versions, "nncf": metadata.version("nncf")},
        "machine": {name: machine[name] for name in ("processor", "instructions")},
    }
