"""Describe the shape of an encoder layer: its numbers of attention heads and feed-forward units."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from spanjet.model.config_json import Fields

__all__ = ["KEY", "LayerShape", "describe_shapes", "read_shapes"]

#: The key of ``config.json`` that holds what only spanjet knows of a checkpoint.
KEY = "spanjet"


@dataclass(frozen=True, slots=True, order=True)
class LayerShape:
    """Number of heads and units of one encoder layer.

    Attributes:
        heads: number of attention heads; 0: no attention, only the bias of its output.
        units: number of feed-forward units; 0: no feed-forward block, only the bias of its output.
    """

    heads: int
    units: int


def describe_shapes(shapes: Sequence[LayerShape]) -> dict[str, Any]:
    """Return the value of `KEY` in ``config.json``."""
    return {"layers": [asdict(shape) for shape in shapes]}


def read_shapes(config: Fields, *, layers: int, full: LayerShape) -> tuple[LayerShape, ...]:
    """Read the shapes of all layers from ``"spanjet": {"layers": [{"heads": 7, "units": 544}, …]}``.

    Args:
        config: fields of a configuration; without the key, all layers are unpruned.
        layers: required number of layers.
        full: shape of an unpruned layer.

    Raises:
        ValueError: the value is malformed; the message names the file and the place.
    """
    found = config.get(KEY)
    if found is None:
        return (full,) * layers
    listed = found.get("layers") if isinstance(found, dict) else None
    if not isinstance(listed, list):
        raise config.error(KEY, 'an object with a list "layers"')
    if len(listed) != layers:
        raise ValueError(
            f'{config.path}: "{KEY}.layers" has {len(listed)} items, expected {layers}, one a layer'
        )
    return tuple(
        _read_shape(item, full, place=f'{config.path}: "{KEY}.layers[{index}]')
        for index, item in enumerate(listed)
    )


def _read_shape(item: Any, full: LayerShape, *, place: str) -> LayerShape:
    names = [field.name for field in fields(LayerShape)]
    expected = " and ".join(f'"{name}"' for name in names)
    if not isinstance(item, dict):
        raise ValueError(f'{place}" is {json.dumps(item):.80}, expected an object with {expected}')
    for name in item:
        if name not in names:
            raise ValueError(f'{place}.{name}" is not supported, expected {expected} alone')
    for name in names:
        value, most = item.get(name), getattr(full, name)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            raise ValueError(
                f'{place}.{name}" is {json.dumps(value):.80}, expected a whole number from 0 to {most}'
            )
    return LayerShape(**item)
