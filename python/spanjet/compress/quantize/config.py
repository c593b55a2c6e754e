"""Settings of a quantization, validated on construction."""

from dataclasses import dataclass
from typing import Literal

from spanjet.config import check_choice, check_integer, check_number
from spanjet.runtime.cpu import int8_saturates

__all__ = ["QuantizeConfig"]

CPUS = ("auto", "vnni", "any")


@dataclass(frozen=True, kw_only=True, slots=True)
class QuantizeConfig:
    """Settings of a quantization, and the accuracy that it has to keep.

    With a floor, F1 is measured on questions whose contexts are not calibrated with. Where the INT8 model
    falls below, the most sensitive layers are left in floating point, as few as hold the floor; most
    sensitive is the layer without whose quantization the logits' error is least. A model does better on what
    it was trained on: a floor held on such data says less than one held on other questions.

    Attributes:
        samples: calibration windows at most.
        seed: chooses the calibration questions, and those that are held out.
        cpu: what the model is to run on: ``"vnni"``: x86 processors with VNNI or AMX; ``"any"``: also those
            without, whose sums would saturate, so that weights get 7 bits instead of 8; ``"auto"``: ``"any"``
            where this machine's processor is one of those, else ``"vnni"``.
        floor: F1 of the INT8 model at least, as a share of the float32 model's; None: no floor.
        held_out: questions at most, of contexts that are not calibrated with, which the floor is measured on.
        max_restored: layers at most that are left in floating point to hold the floor; None: half of them.
        keep_best: whether a model below the floor, the best of those that were tried, is a result.

    Raises:
        TypeError: a field of another type.
        ValueError: a field out of range.
    """

    samples: int = 300
    seed: int = 0
    cpu: Literal["auto", "vnni", "any"] = "auto"
    floor: float | None = None
    held_out: int = 1000
    max_restored: int | None = None
    keep_best: bool = False

    def __post_init__(self) -> None:
        for name, least in (("samples", 1), ("seed", 0), ("held_out", 1)):
            check_integer(self, name, minimum=least)
        check_integer(self, "max_restored", minimum=0, optional=True)
        check_number(self, "floor", above=0, maximum=1, optional=True, kind="a share of the float32 F1")
        check_choice(self, "cpu", CPUS)

    @property
    def target(self) -> Literal["vnni", "any"]:
        """Resolve ``"auto"`` of ``cpu`` for this machine."""
        if self.cpu == "auto":
            return "any" if int8_saturates() else "vnni"
        return self.cpu

    @property
    def half_range(self) -> bool:
        """Tell whether weights get 7 bits, -64 to 64, so that no sums saturate."""
        return self.target == "any"
