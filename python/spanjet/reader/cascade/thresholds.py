"""Resolve thresholds for texts that two models read one after the other."""

from spanjet.config import DecodeMode, Threshold
from spanjet.model.load import Model
from spanjet.reader.cascade.config import CascadeConfig
from spanjet.reader.thresholds import Thresholds
from spanjet.reader.warnings import Uncalibrated
from spanjet.runtime.warnings import warn_caller

__all__ = ["CascadeThresholds"]


class CascadeThresholds(Thresholds):
    """Resolver of threshold settings for texts of which the model rereads some windows.

    Args:
        model: model that rereads; its card has the calibrations.
        first: model that reads everything.
        config: number of windows that are reread.
        default: threshold of ``"reader"``, see `Thresholds`.
        mode: mode of decoding, see `Thresholds`.

    Attributes:
        fitted: calibration of both models together; None: there is none, and the model's own is used.
    """

    def __init__(
        self, model: Model, first: Model, config: CascadeConfig, default: Threshold, mode: DecodeMode
    ) -> None:
        self.fitted = model.cascade_calibration(first, config.reread)
        self._unfitted = (
            f"the models {model.path} and {first.path} with {config.reread} reread windows are not "
            "calibrated together, so that scores of long texts are those of the former alone, and thresholds "
            "are compared with them; `spanjet calibrate --first` fits them"
        )
        super().__init__(model, default, mode, calibration=self.fitted)

    def resolve(self, threshold: Threshold) -> float | None:
        """Return the minimum probability of a threshold setting; None: no threshold."""
        least = super().resolve(threshold)
        if least is not None:
            self.warn_uncalibrated("")
        return least

    def warn_uncalibrated(self, use: str) -> None:  # noqa: ARG002  (the message says it)
        """Warn once that both models together are uncalibrated; of the second alone `Thresholds` warns."""
        if self.fitted is None and self._model.calibration is not None and not self._warned:
            self._warned = True
            warn_caller(self._unfitted, Uncalibrated)
