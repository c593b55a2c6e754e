"""Describe a model for results: name, size, source, and the floors of its F1."""

from typing import Any

from spanjet.bench.mlperf.rules import FLOORS, REFERENCE_F1
from spanjet.model import Model

__all__ = ["BASES", "floor_name", "floors_met", "identify_model", "megabytes", "name_of", "start_f1"]

BASES = ("reference", "start")
"""What floors are shares of: the reference model's F1, and that of the model that a model was made of."""


def identify_model(model: Model) -> dict[str, Any]:
    """Identify a model by its name, size and card, ready for JSON."""
    return {
        "name": name_of(model),
        "directory": str(model.path),
        "megabytes": megabytes(model),
        "weights": [file.name for file in model.weights],
        "card": model.card,
    }


def name_of(model: Model) -> str:
    """Find the card's name, or else the directory's."""
    name = (model.card or {}).get("name")
    return name if isinstance(name, str) and name else model.path.resolve().name


def megabytes(model: Model) -> float:
    """Measure the weights' files, in megabytes of 1,000,000 bytes."""
    return model.weight_bytes / 1e6


def start_f1(model: Model) -> float | None:
    """Look up F1 of the model that this one was made of, in percent; None where the card does not say."""
    evaluation: Any = (model.card or {}).get("evaluation")
    start: Any = evaluation.get("float32") if isinstance(evaluation, dict) else None
    value: Any = start.get("f1") if isinstance(start, dict) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def floors_met(f1: float, start: float | None) -> dict[str, bool | None]:
    """Tell whether F1 holds 99 % and 99.9 % of the reference's, and of the model's that it was made of.

    Args:
        f1: in percent.
        start: of the model that it was made of; None: not known.
    """
    found: dict[str, bool | None] = {}
    for base, value in zip(BASES, (REFERENCE_F1, start), strict=True):
        for share in FLOORS:
            found[floor_name(share, base)] = None if value is None else f1 >= share * value
    return found


def floor_name(share: float, base: str) -> str:
    """Write a floor in words, such as "99 % of reference"."""
    return f"{100 * share:g} % of {base}"
