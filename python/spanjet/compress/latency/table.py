"""Latency table: measured times of blocks on this CPU, and its predictions for whole models."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spanjet.model.layer_shape import LayerShape

__all__ = ["Check", "Curve", "LatencyTable", "fitted"]


@dataclass(frozen=True)
class Curve:
    """Seconds per window of a block by its size; sizes ascend from 0 on."""

    sizes: tuple[int, ...]
    seconds: tuple[float, ...]


@dataclass(frozen=True)
class Check:
    """A whole model that was timed: the shapes of its layers, and seconds per window."""

    shapes: tuple[LayerShape, ...]
    seconds: float


@dataclass(frozen=True)
class LatencyTable:
    """Seconds per window of bulk work, on average over the data's lengths.

    Attributes:
        curves: of the blocks, by the field of `LayerShape` that is their size.
        rest: what a model without any block takes: embeddings, norms, and the head.
        factor: what blocks take in a whole model over what they take in a stack of their like.
        checks: the whole models that ``factor`` was fitted to.
    """

    curves: Mapping[str, Curve]
    rest: float
    factor: float = 1.0
    checks: tuple[Check, ...] = ()

    def seconds(self, name: str, sizes: int | NDArray[np.int64]) -> Any:
        """Look up the time of blocks of some sizes; between measured sizes on a straight line."""
        curve = self.curves[name]
        return self.factor * np.interp(sizes, curve.sizes, curve.seconds)

    def total(self, shapes: Sequence[LayerShape]) -> float:
        """Predict the time of a whole model."""
        layers = (sum(self.seconds(name, getattr(shape, name)) for name in self.curves) for shape in shapes)
        return self.rest + float(sum(layers))

    @property
    def errors(self) -> list[float]:
        """The prediction over the measurement, less 1, of each check."""
        return [self.total(check.shapes) / check.seconds - 1 for check in self.checks]

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "LatencyTable":
        """Restore what `as_dict` gave, also when it has been through JSON."""
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
    """Fit the table's factor: the least squared relative error of whole models.

    Args:
        table: whose blocks were measured.
        checks: whole models, at least one.
    """
    table = replace(table, factor=1.0, checks=tuple(checks))
    whole = np.array([check.seconds for check in checks])
    shares = np.array([table.total(check.shapes) - table.rest for check in checks]) / whole
    factor = (shares * (1 - table.rest / whole)).sum() / np.square(shares).sum()
    return replace(table, factor=float(factor))
