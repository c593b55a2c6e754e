"""What blocks cost on this CPU: a table of measured times, and what it predicts for whole models."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spanjet.model.layer_shape import LayerShape

__all__ = ["Check", "LatencyTable", "fitted", "macs_table"]


@dataclass(frozen=True)
class Check:
    """A whole model that was timed: the shapes of its layers, and seconds per window."""

    shapes: tuple[LayerShape, ...]
    seconds: float


@dataclass(frozen=True)
class LatencyTable:
    """Seconds per window of bulk work, on average over the data's lengths.

    Attributes:
        heads: numbers of attention heads that were measured, ascending, from 0 on.
        attention: what an attention block with so many takes.
        units: numbers of feed-forward units that were measured, ascending, from 0 on.
        ffn: what a feed-forward block with so many takes.
        rest: what a model without any block takes: embeddings, norms, and the head.
        factor: what blocks take in a whole model over what they take in a stack of their like.
        checks: the whole models that ``factor`` was fitted to.
    """

    heads: tuple[int, ...]
    attention: tuple[float, ...]
    units: tuple[int, ...]
    ffn: tuple[float, ...]
    rest: float
    factor: float = 1.0
    checks: tuple[Check, ...] = ()

    def attention_seconds(self, heads: int | NDArray[np.int64]) -> Any:
        """Of attention blocks with so many heads; between measured numbers on a straight line."""
        return self.factor * np.interp(heads, self.heads, self.attention)

    def ffn_seconds(self, units: int | NDArray[np.int64]) -> Any:
        """Of feed-forward blocks with so many units; as above."""
        return self.factor * np.interp(units, self.units, self.ffn)

    def total(self, shapes: Sequence[LayerShape]) -> float:
        """Of a whole model."""
        blocks = (self.attention_seconds(each.heads) + self.ffn_seconds(each.units) for each in shapes)
        return self.rest + float(sum(blocks))

    @property
    def errors(self) -> list[float]:
        """The prediction over the measurement, less 1, of each check."""
        return [self.total(check.shapes) / check.seconds - 1 for check in self.checks]

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)

    @classmethod
    def of_dict(cls, values: dict[str, Any]) -> "LatencyTable":
        """The table that `as_dict` described, also when it has been through JSON."""
        checks = tuple(
            Check(tuple(LayerShape(**shape) for shape in check["shapes"]), check["seconds"])
            for check in values["checks"]
        )
        curves = {name: tuple(values[name]) for name in ("heads", "attention", "units", "ffn")}
        return cls(**{**values, **curves, "checks": checks})


def fitted(table: LatencyTable, checks: Sequence[Check]) -> LatencyTable:
    """The table with the factor of least squared relative error of whole models.

    Args:
        table: whose blocks were measured.
        checks: whole models, at least one.
    """
    table = replace(table, factor=1.0, checks=tuple(checks))
    whole = np.array([check.seconds for check in checks])
    shares = np.array([table.total(check.shapes) - table.rest for check in checks]) / whole
    factor = (shares * (1 - table.rest / whole)).sum() / np.square(shares).sum()
    return replace(table, factor=float(factor))


def macs_table(*, heads: int, units: int, width: int, length: float) -> LatencyTable:
    """Multiplications in the place of seconds, to see what measuring is worth.

    Args:
        heads: of a whole layer.
        units: of a whole layer.
        width: of a token's vector.
        length: tokens of a window.
    """
    head_size = width // heads
    attention = length * heads * head_size * (4 * width + 2 * length)
    ffn = 2.0 * length * width * units
    return LatencyTable((0, heads), (0.0, attention), (0, units), (0.0, ffn), rest=0.0)
