"""Resolve a threshold setting to the minimum probability of an answer."""

from spanjet.config import Calibration, DecodeMode, Threshold
from spanjet.model.load import Model
from spanjet.reader.warnings import Uncalibrated
from spanjet.runtime.warnings import warn_caller
from spanjet.validation import check_threshold

__all__ = ["Thresholds"]


class Thresholds:
    """Resolver of threshold settings for one reader and its model.

    Args:
        model: model with the calibration and the threshold of ``"model"``.
        default: threshold of ``"reader"``: ``"model"``, a probability or None.
        mode: mode of decoding; ``"hf"`` has no threshold.
        calibration: calibration to use; None: the model's.

    Attributes:
        calibration: the calibration, or the default where there is none.
        default: minimum probability; None: no threshold.

    Raises:
        TypeError, ValueError: ``default`` is not a valid threshold.
    """

    def __init__(
        self,
        model: Model,
        default: Threshold,
        mode: DecodeMode = "global",
        calibration: Calibration | None = None,
    ) -> None:
        self._model = model
        self._is_used = mode != "hf"
        self._warned = False
        self.calibration = calibration or model.calibration or Calibration()
        self.default: float | None = None
        if isinstance(default, str) and default == "reader":
            raise ValueError("threshold is 'reader'; expected 'model', a probability, 0 to 1, or None")
        self.default = self.resolve(default)

    def resolve(self, threshold: Threshold) -> float | None:
        """Return the minimum probability of a threshold setting; None: no threshold."""
        if isinstance(threshold, str):
            if threshold == "reader":
                return self.default
            if threshold == "model":
                return self.calibration.threshold if self._is_used else None
            raise ValueError(
                f"threshold is {threshold!r}; expected 'model', 'reader', a probability, 0 to 1, or None"
            )
        check_threshold("threshold", threshold, "'model', 'reader', ")
        if threshold is None:
            return None
        if not self._is_used:
            raise ValueError(
                f"threshold is {threshold}; expected 'model' or None in mode 'hf', where "
                "handle_impossible_answer ranks the null answer"
            )
        self.warn_uncalibrated(f"a threshold of {threshold} is compared with one")
        return float(threshold)

    def warn_uncalibrated(self, use: str) -> None:
        """Warn once that uncalibrated scores are used as probabilities."""
        if self._model.calibration is None and not self._warned:
            self._warned = True
            warn_caller(
                f"the model {self._model.path} is not calibrated, so that its scores rank but are no "
                f"probabilities, and {use}; `spanjet calibrate` fits them",
                Uncalibrated,
            )
