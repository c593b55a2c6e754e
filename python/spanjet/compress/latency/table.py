"""Predict the latency of whole models from a table of measured block times on this CPU."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spanjet.model.layer_shape import LayerShape

__all__ = ["Check", "Curve", "LatencyTable", "fitted"]


@dataclass(frozen=True)
class Curve:
    """Seconds per window of a block by size; sizes ascend from 0."""

    sizes: tuple[int, ...]
    seconds: tuple[float, ...]


@dataclass(frozen=True)
class Check:
    """Measured whole model: the shapes of its layers, and its seconds per window."""

    shapes: tuple[LayerShape, ...]
    seconds: float


@dataclass(frozen=True)
class LatencyTable:
    """Seconds per window in bulk work, averaged over the data's lengths.

    Attributes:
        curves: times of blocks, by the field of `LayerShape` that is their size.
        rest: seconds per window of a model without any block: embeddings, norms and head.
        factor: ratio of a block's time in a whole model to its time in a stack of equal blocks.
        checks: the measured whole models that ``factor`` was fitted to.
    """

    curves: Mapping[str, Curve]
    rest: float
    factor: float = 1.0
    checks: tuple[Check, ...] = ()

    def seconds(self, name: str, sizes: int | NDArray[np.int64]) -> Any:
        """Look up the time of blocks of the given sizes, with linear interpolation."""
        curve = self.curves[name]
        return self.factor * np.interp(sizes, curve.sizes, curve.seconds)

    def total(self, shapes: Sequence[LayerShape]) -> float:
        """Predict the seconds per window of a whole model."""
        layers = (sum(self.seconds(name, getattr(shape, name)) for name in self.curves) for shape in shapes)
        return self.rest + float(sum(layers))

    @property
    def errors(self) -> list[float]:
        """Relative prediction errors of the measured whole models."""
        return [self.total(check.shapes) / check.seconds - 1 for check in self.checks]

    def as_dict(self) -> dict[str, Any]:
        """Convert the table to a JSON-serialisable dictionary."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "LatencyTable":
        """Restore a table from the output of `as_dict`, also after a JSON round trip."""
        checks = tuple(
            Check(tuple(LayerShape(**shape) for shape in check["shapes"]), check["seconds"])
            for check in values["checks"]
        )
        curves = {
            name: Curve(tuple(curve["sizes"]), tuple(curve["seconds"]))
            for name, curve in values["curves"].items()
        }
        return cls(**{**values, "curves": curves, "checks": checks})


def fitted(table: LatencyTable, checks: Sequence[Check]) -> LatencyTable:
    """Fit the table's factor by least squares of the relative errors on whole models.

    Args:
        table: table of measured blocks.
        checks: measured whole models, at least one.
    """
    table = replace(table, factor=1.0, checks=tuple(checks))
    whole = np.array([check.seconds for check in checks])
    shares = np.array([table.total(check.shapes) - table.rest for check in checks]) / whole
    factor = (shares * (1 - table.rest / whole)).sum() / np.square(shares).sum()
    return replace(table, factor=float(factor))
