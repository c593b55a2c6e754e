"""Models with some layers left in floating point, and what they are worth."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.artifacts import WorkDirectory
from spanjet.compress.quantize.mixed_precision import find_layers, restore
from spanjet.compress.quantize.ptq import CALIBRATION_PASSES, calibrate, finish
from spanjet.compress.quantize.sensitivity import logits_of, relative_error
from spanjet.config import RuntimeConfig, WindowConfig
from spanjet.evaluate import SquadDataset, evaluate
from spanjet.model import Model
from spanjet.reader.reader import Reader
from spanjet.runtime.cpu import int8_unless_saturating
from spanjet.runtime.openvino import ov

__all__ = ["Bars", "Trials", "measure", "no_bars"]

#: Makes a bar of a description; what it gives is called with the numbers of finished and of all steps, or
#: is None: nothing is shown.
Bars = Callable[[str], AbstractContextManager[Callable[[int, int | None], None] | None]]

# Windows that errors of logits are measured on; the order of the layers hardly changes with more.
_RANKING_WINDOWS = 32


@contextmanager
def no_bars(_description: str) -> Iterator[None]:
    """Show nothing."""
    yield None


def measure(scores: dict[str, Any]) -> float:
    """F1 that a floor is for, with the best threshold where questions may have no answer."""
    best: float | None = scores.get("best_f1")
    return scores["f1"] if best is None else best


class Trials:
    """Makes INT8 models of one original and measures them; what is finished is kept.

    Args:
        original: the float32 model.
        inputs: calibration windows.
        windows: how texts are cut when models are measured.
        work: keeps results.
        half_range: see `calibrate`.
        bars: shows progress.
        verbose: whether NNCF may print.

    Attributes:
        inputs: calibration windows.
        int8: see `RuntimeConfig`: INT8 arithmetic, wherever that is right.
    """

    def __init__(
        self,
        original: Model,
        inputs: Sequence[dict[str, NDArray[np.int32]]],
        windows: WindowConfig,
        work: WorkDirectory,
        *,
        half_range: bool,
        bars: Bars,
        verbose: bool,
    ) -> None:
        self._original = original
        self.inputs = inputs
        self._windows = windows
        self._work = work
        self.int8 = int8_unless_saturating(half_range=half_range)
        self._bars = bars
        self._graph = work.model("quantized", lambda: self._calibrate(half_range, verbose))

    def _calibrate(self, half_range: bool, verbose: bool) -> ov.Model:
        total, taken = CALIBRATION_PASSES * len(self.inputs), iter(range(1, 1 << 62))
        with self._bars("calibrate") as bar:

            def on_sample() -> None:
                if bar is not None:
                    bar(min(next(taken), total), total)

            return calibrate(
                self._original.model,
                self.inputs,
                half_range=half_range,
                on_sample=on_sample,
                verbose=verbose,
            )

    def _calibrated(self) -> ov.Model:
        return ov.Core().read_model(self._graph)

    def build(self, restored: Sequence[str] = ()) -> ov.Model:
        """The INT8 model, with these layers in floating point."""
        model = self._calibrated()
        restore(model, self._original.model, set(restored))
        return finish(model, kept=set(restored))

    @cached_property
    def layers(self) -> list[str]:
        """All layers that were quantized, in the order of the computation."""
        return find_layers(self._calibrated())

    @cached_property
    def gains(self) -> dict[str, float]:
        """By how much the relative error of the logits falls when one layer alone is restored, most first."""
        missing = [layer for layer in ["", *self.layers] if _error(layer) not in self._work]
        if missing:
            self._measure_errors(missing)
        error = {layer: self._work.value(_error(layer)) for layer in ["", *self.layers]}
        gains = {layer: error[""] - error[layer] for layer in self.layers}
        return dict(sorted(gains.items(), key=lambda item: -item[1]))

    def _measure_errors(self, layers: Sequence[str]) -> None:
        """Errors of the logits with each of these layers restored, "" for none."""
        inputs = self.inputs[:_RANKING_WINDOWS]
        expected = logits_of(self._original.model, inputs)
        with self._bars("sensitivity") as bar:
            for done, layer in enumerate(layers, 1):
                logits = logits_of(self.build([layer] if layer else []), inputs)
                self._work.result(_error(layer), partial(relative_error, logits, expected))
                if bar is not None:
                    bar(done, len(layers))

    def restored(self, count: int) -> list[str]:
        """The most sensitive layers."""
        return list(self.gains)[:count] if count else []

    def float_scores(
        self, name: str, dataset: SquadDataset, calibration: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """EM and F1 of the original in float32 arithmetic.

        Args:
            name: of the data set, for the results.
            dataset: what is asked.
            calibration: whose threshold decides where there is no answer, as a card has it; None: a span
                always.
        """
        return self._scores(f"{name}, float32", self._original, "f32", dataset, calibration)

    def int8_scores(
        self, name: str, count: int, dataset: SquadDataset, calibration: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """EM and F1, in INT8 arithmetic, of the model with the ``count`` most sensitive layers restored."""
        model = self.loaded(count)
        return self._scores(f"{name}, {count} restored", model, None, dataset, calibration)

    def loaded(self, count: int) -> Model:
        """The INT8 model with the ``count`` most sensitive layers restored, ready for a reader."""
        return replace(self._original, model=self.build(self.restored(count)))

    def _scores(
        self,
        name: str,
        model: Model,
        precision: Any,
        dataset: SquadDataset,
        calibration: dict[str, Any] | None,
    ) -> dict[str, Any]:
        threshold = None if calibration is None else calibration["threshold"]
        key = name
        if calibration is not None:
            model = replace(model, card={**(model.card or {}), "calibration": calibration})
            key += f", threshold {threshold} at {calibration['slope']}, {calibration['intercept']}"
        runtime = RuntimeConfig(precision=precision, int8=self.int8, cache_dir=None)

        def run() -> dict[str, Any]:
            reader = Reader(model, window_config=self._windows, runtime_config=runtime)
            with self._bars(name) as bar:
                return evaluate(reader, dataset, threshold=threshold, progress=bar).scores.as_dict()

        return self._work.result(key, run)


def _error(layer: str) -> str:
    return f"error with {layer} restored" if layer else "error"
