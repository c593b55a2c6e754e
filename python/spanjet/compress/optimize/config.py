"""Settings of an optimisation, validated on construction."""

from dataclasses import dataclass
from typing import Literal

from spanjet.compress.quantize.config import QuantizeConfig
from spanjet.config import check_integer, check_number

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
    """Settings of the search: its target, and its effort.

    Attributes:
        floor: F1 of the result at least, as a share of the checkpoint's in float32, on questions that nothing
            else has seen.
        budget: instead of a floor, the share of the plain INT8 model's time that the result may take.
        budgets: shares of that time at which the front has its points.
        samples: windows whose activations are read, and that weights are fitted to.
        calibration: how many of them INT8 is calibrated with.
        training: windows that what is left of a network is trained on, see
            `spanjet.compress.distill.distillation`; 0: its layers are fitted one after another instead, see
            `spanjet.compress.prune.layerwise_fit`, to ``samples``.
        validation: windows on which what was trained or fitted has to be better.
        windows: windows that the search compares the start's and the candidate's answers on.
        trials: candidates that the search tries for each budget.
        bisections: further points between the last that holds the floor and the next.
        held_out: questions at most for F1, of contexts that are used for nothing else.
        seed: chooses the questions, and what the search tries.
        cpu: what the result is to run on; see `QuantizeConfig`.
        keep_best: whether the most accurate point is a result where none holds the floor.

    Raises:
        TypeError: a field of another type.
        ValueError: a field out of range.
    """

    floor: float = 0.99
    budget: float | None = None
    budgets: tuple[float, ...] = _BUDGETS
    samples: int = 256
    calibration: int = 128
    training: int = 2048
    validation: int = 96
    windows: int = 96
    trials: int = 24
    bisections: int = 2
    held_out: int = 1000
    seed: int = 0
    cpu: Literal["auto", "vnni", "any"] = "auto"
    keep_best: bool = False

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            check_integer(self, name, minimum=least)
        check_number(self, "floor", above=0, maximum=1, kind="a share of the F1")
        check_number(self, "budget", above=0, maximum=1, optional=True, kind="a share of the time")
        if not all(0 < budget < 1 for budget in self.budgets):
            raise ValueError(f"budgets are {self.budgets}; expected shares of the time between 0 and 1")
        self.quantization()

    def quantization(self) -> QuantizeConfig:
        """Make the settings with which results are quantized."""
        return QuantizeConfig(samples=self.calibration, seed=self.seed, cpu=self.cpu)
