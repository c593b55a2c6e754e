"""Measure INT8 models with selected layers in floating point: sensitivities and scores."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.artifacts import ArtifactStore
from spanjet.compress.quantize.mixed_precision import find_layers, restore
from spanjet.compress.quantize.ptq import calibrate, finish
from spanjet.compress.quantize.sensitivity import logits_of, relative_error
from spanjet.config import RuntimeConfig, WindowConfig
from spanjet.evaluate import SquadDataset, evaluate
from spanjet.measure.progress import Progress
from spanjet.model import Model
from spanjet.reader.reader import Reader
from spanjet.runtime.cpu import int8_unless_saturating
from spanjet.runtime.openvino import ov

__all__ = ["Trials"]

# Windows to measure errors of logits on; the order of the layers hardly changes with more.
_RANKING_WINDOWS = 32


@dataclass(frozen=True, kw_only=True)
class Trials:
    """INT8 variants of one model and their cached measurements.

    Attributes:
        original: the float32 model.
        inputs: calibration windows.
        windows: window settings for the measurements.
        store: cache of results.
        key: cache key of everything that results depend on, besides the data set they are measured on.
        half_range: see `calibrate`.
        progress: progress bars.
        verbose: let NNCF print to standard output.
    """

    original: Model
    inputs: Sequence[dict[str, NDArray[np.int32]]]
    windows: WindowConfig
    store: ArtifactStore
    key: Any
    half_range: bool
    progress: Progress
    verbose: bool

    @property
    def int8(self) -> bool | None:
        """Setting ``int8`` of `RuntimeConfig` for measurements: INT8 arithmetic unless it would saturate."""
        return int8_unless_saturating(half_range=self.half_range)

    def build(self, restored: Sequence[str] = ()) -> ov.Model:
        """Build the INT8 model with the given layers in floating point."""
        model = self._calibrated()
        restore(model, self.original.model, set(restored))
        return finish(model, kept=set(restored))

    @cached_property
    def layers(self) -> list[str]:
        """Quantized layers, in topological order."""
        return find_layers(self._calibrated())

    @cached_property
    def gains(self) -> dict[str, float]:
        """Decrease of the logits' relative error if one layer is in floating point, largest first."""
        known = self.store.measurements("errors", self.key)
        missing = [layer for layer in ["", *self.layers] if layer not in known]
        if missing:
            self._measure_errors(missing)
        gains = {layer: known[""] - known[layer] for layer in self.layers}
        return dict(sorted(gains.items(), key=lambda item: -item[1]))

    def restored(self, count: int) -> list[str]:
        """Return the names of the ``count`` most sensitive layers."""
        return list(self.gains)[:count] if count else []

    def loaded(self, count: int) -> Model:
        """Build the INT8 model with the ``count`` most sensitive layers in floating point, for a reader."""
        return replace(self.original, model=self.build(self.restored(count)))

    def float_scores(
        self, name: str, dataset: SquadDataset, calibration: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Measure exact match and F1 of the original model in float32.

        Args:
            name: name of the data set, for the cache and the progress bar.
            dataset: questions to ask.
            calibration: calibration from a card, with the no-answer threshold; None: always answer with a
                span.
        """
        return self._scores(f"{name}, float32", self.original, "f32", dataset, calibration)

    def int8_scores(
        self, name: str, count: int, dataset: SquadDataset, calibration: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Measure exact match and F1 in INT8 with the ``count`` most sensitive layers in floating point."""
        model = self.loaded(count)
        return self._scores(f"{name}, {count} restored", model, None, dataset, calibration)

    def _calibrated(self) -> ov.Model:
        def make() -> ov.Model:
            with self.progress("calibrate") as bar:
                return calibrate(
                    self.original.model,
                    self.inputs,
                    half_range=self.half_range,
                    on_step=bar,
                    verbose=self.verbose,
                )

        return self.store.model("quantized", self.key, make)

    def _measure_errors(self, layers: Sequence[str]) -> None:
        """Measure the error of the logits with each of the layers in floating point; "" stands for none."""
        inputs = self.inputs[:_RANKING_WINDOWS]
        expected = logits_of(self.original.model, inputs)
        with self.progress("sensitivity") as bar:
            for done, layer in enumerate(layers, 1):
                logits = logits_of(self.build([layer] if layer else []), inputs)
                error = partial(relative_error, logits, expected)
                self.store.measurement("errors", self.key, layer, error)
                bar(done, len(layers))

    def _scores(
        self,
        name: str,
        model: Model,
        precision: Any,
        dataset: SquadDataset,
        calibration: dict[str, Any] | None,
    ) -> dict[str, Any]:
        threshold = None if calibration is None else calibration["threshold"]
        if calibration is not None:
            model = replace(model, card={**(model.card or {}), "calibration": calibration})
        runtime = RuntimeConfig(precision=precision, int8=self.int8, cache_dir=None)

        def make() -> dict[str, Any]:
            reader = Reader(model, window_config=self.windows, runtime_config=runtime)
            with self.progress(name) as bar:
                return evaluate(reader, dataset, threshold=threshold, on_step=bar).scores.as_dict()

        scores: dict[str, Any] = self.store.value("scores", [self.key, name, calibration], make)
        return scores
