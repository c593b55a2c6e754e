"""Describe an optimisation in the model card, in enough detail to repeat it and its measurements."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spanjet.compress.card import describe_data, describe_scores, rounded
from spanjet.compress.optimize.run import OptimizationRun
from spanjet.compress.prune.removal_order import Orders
from spanjet.compress.prune.structures import STRUCTURES
from spanjet.compress.search.pareto import ParetoFront, ParetoPoint
from spanjet.model.card import CARD
from spanjet.model.config_json import read_json
from spanjet.model.layer_shape import LayerShape, describe_shapes

__all__ = ["describe_optimization", "read_card"]

_NEEDED = (
    "machine",
    "versions",
    "run.seconds",
    "source.weights",
    "speed.optimized",
    "speed.optimized_over_plain",
    "quantization.windows",
    "quantization.overflow_fix",
    "optimization.settings.budgets",
    "optimization.settings.calibration",
    "optimization.data.sha256",
    "optimization.whole",
    "optimization.layers",
    "optimization.latency.errors",
    "optimization.front",
    "optimization.chosen",
    "optimization.least_f1",
    "optimization.held",
    "optimization.held_out.sha256",
    "optimization.held_out.float32.f1",
    "optimization.held_out.plain.f1",
    "optimization.held_out.optimized.f1",
)
"""Values of a card that its readers need."""

_METHOD = "{} and whole blocks pruned by measured latency, then {}"


def describe_optimization(
    run: OptimizationRun, front: ParetoFront, chosen: ParetoPoint, scores: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    """Build the card's section on the search for the architecture.

    Args:
        run: the optimisation run.
        front: the measured Pareto front.
        chosen: the chosen point.
        scores: scores on the held-out questions of ``float32``, the original model; ``plain``, the unpruned
            INT8 model; and ``optimized``, the result.
    """
    held_out, whole = run.splits.held_out, run.network.shapes[0]
    measured = run.data if run.held_out_data is None else run.held_out_data
    return {
        "method": _METHOD.format(
            ", ".join(structure.name for structure in STRUCTURES),
            "distilled" if run.config.training else "fitted layer by layer",
        ),
        "settings": asdict(run.config),
        "data": describe_data(run.data.path),
        "whole": asdict(whole),
        "layers": describe_shapes(chosen.shapes)["layers"],
        "kept": [_kept(run.orders, layer, shape) for layer, shape in enumerate(chosen.shapes)],
        "orders": _digest(run.orders),
        "latency": {**run.table.as_dict(), "errors": run.table.errors},
        "costs": [
            {"levels": block.levels.tolist(), "cost": cost.tolist()}
            for block, cost in zip(run.space.blocks, run.costs, strict=True)
        ],
        "candidates": len(run.evaluations),
        "front": [_rounded(point) for point in front.points],
        "chosen": _rounded(chosen),
        "floor": run.config.floor,
        "least_f1": round(front.least, 2),
        "held": run.config.budget is not None or front.holds(chosen),
        "held_out": {
            **describe_scores(measured.path, run.windows, scores, questions=len(held_out)),
            "contexts": len({question.context for question in held_out.questions}),
        },
    }


def read_card(model: Path) -> dict[str, Any]:
    """Read the card of an optimised model.

    Raises:
        OSError: the card cannot be read.
        ValueError: the card is damaged, or not of an optimised model.
    """
    card = read_json(model / CARD)
    if not isinstance(card.get("optimization"), dict):
        raise ValueError(
            f"{model / CARD}: not the card of an optimised model; expected one of spanjet optimize"
        )
    for names in _NEEDED:
        value: Any = card
        for name in names.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if value is None:
            raise ValueError(f"{model / CARD}: damaged: no {names}; expected the card of spanjet optimize")
    return card


def _kept(orders: Orders, layer: int, shape: LayerShape) -> dict[str, list[int]]:
    """List the kept heads and units of a layer, by their indices in the original model."""
    return {
        structure.name: orders.blocks[structure.name, layer].kept(structure.size(shape)).tolist()
        for structure in STRUCTURES
    }


def _digest(orders: Orders) -> str:
    """Return the hexadecimal SHA-256 of all removal orders."""
    found = hashlib.sha256()
    for name, values in sorted(orders.arrays().items()):
        found.update(name.encode() + values.tobytes())
    return found.hexdigest()


def _rounded(point: ParetoPoint) -> dict[str, Any]:
    values = point.as_dict()
    scores = rounded({name: values[name] for name in ("f1", "exact_match")})
    shares = {name: round(values[name], 4) for name in ("budget", "predicted", "measured")}
    return {**values, **scores, **shares, "divergence": round(point.divergence, 5)}
