"""Define the settings of a quantization, validated on construction."""

from dataclasses import dataclass
from typing import Literal

from spanjet.runtime.cpu import int8_saturates
from spanjet.validation import check_bool, check_choice, check_integer, check_number

__all__ = ["EmbeddingPrecision", "QuantizeConfig", "TablePrecision"]

TablePrecision = Literal["int8", "int4"]
"""Precision of embedding tables: INT8 with a scale for each row, or INT4 with a scale for each group."""

EmbeddingPrecision = Literal["auto", "int8", "int4"]
"""Setting of the precision of embedding tables."""

CPUS = ("auto", "vnni", "any")
EMBEDDING_PRECISIONS = ("auto", "int8", "int4")


@dataclass(frozen=True, kw_only=True, slots=True)
class QuantizeConfig:
    """Settings of a quantization: calibration, target processors and accuracy floor.

    With a floor, F1 is measured on questions whose contexts are not used for calibration. If the INT8 model
    falls below it, the most sensitive layers stay in floating point, as few as hold the floor; a layer is the
    more sensitive, the more the error of the logits falls without its quantization. Use data that the model
    was not trained on: a floor held on training data says little about other questions.

    INT4 embedding tables take half the space of INT8 ones and are looked up as fast, but lose about 1 % of
    their variance.

    Attributes:
        samples: maximum number of calibration windows.
        seed: seed of the choice of calibration and held-out questions.
        cpu: target processors: ``"vnni"``: x86 with VNNI or AMX; ``"any"``: also x86 without, whose 16-bit
            sums would saturate, so that weights get 7 bits instead of 8; ``"auto"``: ``"any"`` if this
            machine's processor would saturate, else ``"vnni"``.
        floor: minimum F1 of the INT8 model, as a share of the float32 model's, 0 to 1; None: no floor.
        held_out: maximum number of questions to check the floor on; their contexts are not used for
            calibration.
        max_restored: maximum number of layers to keep in floating point to hold the floor; None: half of all.
        keep_best: return the best tried model if none holds the floor, instead of raising ValueError.
        embedding_precision: precision of embedding tables of 1,024 rows or more: ``"int8"``, with a scale for
            each row; ``"int4"``, with a scale for each 64 elements; ``"auto"``: INT4 if the floor holds with
            it and no more layers have to stay in floating point than with INT8, and INT8 without a floor,
            where nothing measures what INT4 costs. A table among the layers that are restored is INT8 instead
            of INT4, or float32 instead of INT8.

    Raises:
        TypeError: a field has the wrong type.
        ValueError: a field is out of range.
    """

    samples: int = 300
    seed: int = 0
    cpu: Literal["auto", "vnni", "any"] = "auto"
    floor: float | None = None
    held_out: int = 1000
    max_restored: int | None = None
    keep_best: bool = False
    embedding_precision: EmbeddingPrecision = "auto"

    def __post_init__(self) -> None:
        for name, least in (("samples", 1), ("seed", 0), ("held_out", 1)):
            check_integer(self, name, minimum=least)
        check_integer(self, "max_restored", minimum=0, optional=True)
        check_number(self, "floor", above=0, maximum=1, optional=True, kind="a share of the float32 F1")
        check_bool(self, "keep_best")
        check_choice(self, "cpu", CPUS)
        check_choice(self, "embedding_precision", EMBEDDING_PRECISIONS)

    @property
    def target(self) -> Literal["vnni", "any"]:
        """Target processors, with ``"auto"`` resolved for this machine."""
        if self.cpu == "auto":
            return "any" if int8_saturates() else "vnni"
        return self.cpu

    @property
    def first_precision(self) -> TablePrecision:
        """Precision of embedding tables before ``"auto"`` has tried INT4."""
        return "int4" if self.embedding_precision == "int4" else "int8"

    @property
    def half_range(self) -> bool:
        """True if weights get 7 bits, -64 to 64, so that no 16-bit sum saturates."""
        return self.target == "any"
