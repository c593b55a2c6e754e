"""Define the settings of an optimisation, validated on construction."""

from dataclasses import dataclass
from typing import Literal

from spanjet.compress.quantize.config import EmbeddingPrecision, QuantizeConfig
from spanjet.validation import check_bool, check_integer, check_number

__all__ = ["OptimizeConfig"]

_BUDGETS = (0.8, 0.7, 0.6, 0.5, 0.4)
_LEAST = {
    "samples": 8,
    "calibration": 1,
    "training": 0,
    "validation": 1,
    "windows": 1,
    "held_out": 1,
    "trials": 0,
    "bisections": 0,
    "seed": 0,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizeConfig:
    """Settings of an optimisation: target, data and effort.

    Attributes:
        floor: minimum F1 of the result on held-out questions, as a share of the checkpoint's in float32, 0 to
            1.
        budget: maximum time of the result, as a share of the unpruned INT8 model's; replaces the floor.
        budgets: shares of that time at which points of the Pareto front are computed.
        samples: number of windows to collect activations on and to fit weights to.
        calibration: number of these windows to calibrate INT8 ranges on.
        training: number of windows to distil pruned networks on, see `spanjet.compress.distill.distillation`;
            0: fit their layers one after another to ``samples`` instead, see
            `spanjet.compress.prune.layerwise_fit`.
        hours: hours that the run may take: what the search leaves is spent on longer trainings of the most
            promising architectures, see `spanjet.compress.optimize.long_training`; None: no such trainings.
        validation: number of windows on which a trained or fitted network must improve to be kept.
        windows: number of windows on which the search compares the answers of candidates with the original's.
        trials: number of candidates that the search evaluates for each budget.
        bisections: number of further points between the fastest that holds the floor and the next faster one.
        held_out: maximum number of questions to measure F1 on; their contexts are used for nothing else.
        seed: seed of the choice of questions and of the search.
        cpu: target processors; see `QuantizeConfig`.
        keep_best: return the most accurate point if none holds the floor, instead of raising ValueError.
        embedding_precision: precision of embedding tables; see `QuantizeConfig`. With ``"auto"`` the result's
            become INT4 if it still holds the floor; with a budget there is no floor, and they stay INT8.

    Raises:
        TypeError: a field has the wrong type.
        ValueError: a field is out of range.
    """

    floor: float = 0.99
    budget: float | None = None
    budgets: tuple[float, ...] = _BUDGETS
    samples: int = 256
    calibration: int = 128
    training: int = 2048
    hours: float | None = None
    validation: int = 96
    windows: int = 96
    trials: int = 24
    bisections: int = 2
    held_out: int = 1000
    seed: int = 0
    cpu: Literal["auto", "vnni", "any"] = "auto"
    keep_best: bool = False
    embedding_precision: EmbeddingPrecision = "auto"

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            check_integer(self, name, minimum=least)
        check_number(self, "floor", above=0, maximum=1, kind="a share of the F1")
        check_number(self, "budget", above=0, maximum=1, optional=True, kind="a share of the time")
        check_number(self, "hours", above=0, maximum=10_000, optional=True, kind="hours of the run")
        check_bool(self, "keep_best")
        if not all(isinstance(budget, int | float) and 0 < budget < 1 for budget in self.budgets):
            raise ValueError(f"budgets are {self.budgets}; expected shares of the time between 0 and 1")
        self.quantization()

    def quantization(self) -> QuantizeConfig:
        """Return the quantization settings of the results."""
        return QuantizeConfig(
            samples=self.calibration,
            seed=self.seed,
            cpu=self.cpu,
            embedding_precision=self.embedding_precision,
        )
