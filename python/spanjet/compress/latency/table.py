"""What blocks cost on this CPU: a table of measured times, and what it predicts for whole models."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
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
        keys: share of an attention block's time that goes to keys and values, which are made of all tokens.
        rest: what a model without any block takes: embeddings, norms, and the head.
        factor: what blocks take in a whole model over what they take in a stack of their like.
        selection: what it takes to choose the tokens of a layer that changes fewer than the one before.
        checks: the whole models that ``factor`` and ``selection`` were fitted to.
    """

    heads: tuple[int, ...]
    attention: tuple[float, ...]
    units: tuple[int, ...]
    ffn: tuple[float, ...]
    rest: float
    keys: float = 0.5
    factor: float = 1.0
    selection: float = 0.0
    checks: tuple[Check, ...] = ()

    def attention_seconds(self, heads: int | NDArray[np.int64], tokens: float = 1.0) -> Any:
        """Of attention blocks with so many heads, which change a share of the tokens.

        Between measured numbers of heads on a straight line.
        """
        share = self.keys + (1 - self.keys) * tokens
        return self.factor * share * np.interp(heads, self.heads, self.attention)

    def ffn_seconds(self, units: int | NDArray[np.int64], tokens: float = 1.0) -> Any:
        """Of feed-forward blocks with so many units, which change a share of the tokens; as above."""
        return self.factor * tokens * np.interp(units, self.units, self.ffn)

    def total(self, shapes: Sequence[LayerShape]) -> float:
        """Of a whole model."""
        blocks = (
            self.attention_seconds(each.heads, each.tokens) + self.ffn_seconds(each.units, each.tokens)
            for each in shapes
        )
        return self.rest + float(sum(blocks)) + self.selecting([shape.tokens for shape in shapes])

    def selecting(self, tokens: Sequence[float]) -> float:
        """Of choosing tokens in a model whose layers change these shares of them."""
        return self.selection * sum(share < before for before, share in pairwise((1.0, *tokens)))

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
    """The table with the factor of least squared relative error of whole models that change all tokens.

    The time of a selection is what is missing on average, in the models that change fewer.

    Args:
        table: whose blocks were measured.
        checks: whole models, at least one of which changes all tokens.
    """
    table = replace(table, factor=1.0, selection=0.0, checks=tuple(checks))
    wide = [check for check in checks if all(shape.tokens == 1 for shape in check.shapes)]
    whole = np.array([check.seconds for check in wide])
    shares = np.array([table.total(check.shapes) - table.rest for check in wide]) / whole
    factor = (shares * (1 - table.rest / whole)).sum() / np.square(shares).sum()
    table, unit = replace(table, factor=float(factor)), replace(table, selection=1.0)
    missing = [
        (check.seconds - table.total(check.shapes)) / unit.selecting([shape.tokens for shape in check.shapes])
        for check in checks
        if check not in wide
    ]
    return replace(table, selection=max(float(np.mean(missing)), 0.0)) if missing else table


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
