"""The shape of one encoder layer: how many heads, feed-forward units and tokens it has."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from spanjet.model.config_json import Fields

__all__ = ["KEY", "LayerShape", "describe_shapes", "read_shapes"]

#: The key of ``config.json`` that holds what only spanjet knows of a checkpoint.
KEY = "spanjet"


@dataclass(frozen=True, slots=True, order=True)
class LayerShape:
    """What is left of one encoder layer.

    Attributes:
        heads: attention heads; 0: there is no attention, only the bias of its output.
        units: units of the feed-forward block; 0: there is none, only the bias of its output.
        tokens: share of a window's tokens that the layer changes, above 0; see
            `spanjet.model.graph.narrowing`.
    """

    heads: int
    units: int
    tokens: float = 1.0


def describe_shapes(shapes: Sequence[LayerShape]) -> dict[str, Any]:
    """What ``config.json`` holds under `KEY`, ready for JSON."""
    layers = [asdict(shape) for shape in shapes]
    return {"layers": [_told(each) for each in layers]}


def _told(layer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in layer.items() if (name, value) != ("tokens", 1.0)}


def read_shapes(fields: Fields, *, layers: int, heads: int, units: int) -> tuple[LayerShape, ...]:
    """The shapes of all layers, from ``"spanjet": {"layers": [{"heads": 7, "units": 544}, …]}``.

    Args:
        fields: a configuration; without that key, nothing was cut.
        layers: how many there must be.
        heads: attention heads of a layer before any was cut.
        units: its feed-forward units.

    Raises:
        ValueError: the key holds something else; the message names the file and the place.
    """
    found = fields.get(KEY)
    if found is None:
        return (LayerShape(heads, units),) * layers
    listed = found.get("layers") if isinstance(found, dict) else None
    if not isinstance(listed, list):
        raise fields.error(KEY, 'an object with a list "layers"')
    if len(listed) != layers:
        raise ValueError(
            f'{fields.path}: "{KEY}.layers" has {len(listed)} items, expected {layers}, one a layer'
        )

    for index, item in enumerate(listed):
        if not isinstance(item, dict):
            raise ValueError(
                f'{fields.path}: "{KEY}.layers[{index}]" is {json.dumps(item):.80}, expected an object with '
                '"heads" and "units"'
            )

    def read(index: int, name: str, most: int) -> int:
        value = listed[index].get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most:
            return value
        raise ValueError(
            f'{fields.path}: "{KEY}.layers[{index}].{name}" is {json.dumps(value):.80}, expected a whole '
            f"number from 0 to {most}"
        )

    shapes: list[LayerShape] = []
    for index in range(layers):
        left = read(index, "heads", heads), read(index, "units", units)
        most = shapes[-1].tokens if shapes else 1.0
        share = _share(fields, listed[index], most=most, name=f"{KEY}.layers[{index}].tokens")
        shapes.append(LayerShape(*left, share))
    return tuple(shapes)


def _share(fields: Fields, item: dict[str, Any], *, most: float, name: str) -> float:
    """A share of tokens, which no later layer exceeds."""
    value = item.get("tokens", 1.0)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= most:
        return float(value)
    raise ValueError(
        f'{fields.path}: "{name}" is {json.dumps(value):.80}, expected a share above 0 and at most {most}, '
        "that of the layer before"
    )
