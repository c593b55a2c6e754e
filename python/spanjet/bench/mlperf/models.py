"""Describe a model in results: name, size, source, and the accuracy floors it holds."""

from typing import Any

from spanjet.bench.mlperf.rules import FLOORS, REFERENCE_F1
from spanjet.model import Model

__all__ = ["BASES", "floor_name", "floors_met", "identify_model", "megabytes", "name_of", "start_f1"]

BASES = ("reference", "start")
"""Bases of the floors: F1 of the reference model, and of the model's own source."""


def identify_model(model: Model) -> dict[str, Any]:
    """Identify a model by its name, size and card, JSON-serialisable."""
    return {
        "name": name_of(model),
        "directory": str(model.path),
        "megabytes": megabytes(model),
        "weights": [file.name for file in model.weights],
        "card": model.card,
    }


def name_of(model: Model) -> str:
    """Return the model's name from its card, or else its directory's name."""
    name = (model.card or {}).get("name")
    return name if isinstance(name, str) and name else model.path.resolve().name


def megabytes(model: Model) -> float:
    """Return the size of the weight files, in megabytes of 1,000,000 bytes."""
    return model.weight_bytes / 1e6


def start_f1(model: Model) -> float | None:
    """Look up F1 of the model's float32 source in its card, in percent; None if not stated."""
    evaluation: Any = (model.card or {}).get("evaluation")
    start: Any = evaluation.get("float32") if isinstance(evaluation, dict) else None
    value: Any = start.get("f1") if isinstance(start, dict) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def floors_met(f1: float, start: float | None) -> dict[str, bool | None]:
    """Check an F1 against 99 % and 99.9 % of that of the reference and of the model's source.

    Args:
        f1: F1 in percent.
        start: F1 of the model's source in percent; None: unknown.
    """
    found: dict[str, bool | None] = {}
    for base, value in zip(BASES, (REFERENCE_F1, start), strict=True):
        for share in FLOORS:
            found[floor_name(share, base)] = None if value is None else f1 >= share * value
    return found


def floor_name(share: float, base: str) -> str:
    """Name a floor, such as "99 % of reference"."""
    return f"{100 * share:g} % of {base}"
