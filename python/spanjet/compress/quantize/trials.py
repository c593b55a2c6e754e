"""Measure variants of an INT8 model with some layers more precise: sensitivities and scores."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.artifacts import ArtifactStore
from spanjet.compress.quantize.config import TablePrecision
from spanjet.compress.quantize.embeddings import describe_tables, suits_int4, table_bytes
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

__all__ = ["Trials", "Variant"]

# Windows to measure errors of logits on; the order of the layers hardly changes with more.
_RANKING_WINDOWS = 32


@dataclass(frozen=True)
class Variant:
    """Variant of an INT8 model.

    Attributes:
        restored: names of the layers that are restored: matrix products in floating point, and embedding
            tables one precision higher than the others.
        embeddings: precision of the other embedding tables.
    """

    restored: tuple[str, ...] = ()
    embeddings: TablePrecision = "int8"

    def __str__(self) -> str:
        tables = ", INT4 embeddings" if self.embeddings == "int4" else ""
        return f"{len(self.restored)} restored{tables}"


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

    def build(self, variant: Variant) -> ov.Model:
        """Build a variant of the INT8 model."""
        model, restored = self._calibrated(), set(variant.restored)
        restore(model, self.original.model, restored)
        return finish(model, embeddings=variant.embeddings, restored=restored)

    @cached_property
    def layers(self) -> list[str]:
        """Quantized layers, in topological order."""
        return find_layers(self._calibrated())

    @cached_property
    def suits_int4(self) -> bool:
        """True if the model has an embedding table that can be INT4."""
        return suits_int4(self._calibrated())

    def gains(self, embeddings: TablePrecision) -> dict[str, float]:
        """Return the decrease of the logits' relative error if one layer is restored, largest first."""
        key = [self.key, embeddings]
        known = self.store.measurements("errors", key)
        missing = [layer for layer in ["", *self.layers] if layer not in known]
        if missing:
            self._measure_errors(key, missing, embeddings)
        gains = {layer: known[""] - known[layer] for layer in self.layers}
        return dict(sorted(gains.items(), key=lambda item: -item[1]))

    def variant(self, count: int, embeddings: TablePrecision) -> Variant:
        """Return the variant with the ``count`` most sensitive layers restored."""
        return Variant(tuple(self.gains(embeddings))[:count] if count else (), embeddings)

    def embedding_bytes(self, variant: Variant) -> int:
        """Return the size of a variant's embedding tables in its file."""
        return table_bytes(self._calibrated(), variant.embeddings, restored=variant.restored)

    def describe_embeddings(self, variant: Variant) -> dict[str, dict[str, Any]]:
        """Describe the embedding tables of a variant, see `describe_tables`."""
        return describe_tables(self._calibrated(), variant.embeddings, restored=variant.restored)

    def loaded(self, variant: Variant) -> Model:
        """Build a variant of the INT8 model, for a reader."""
        return replace(self.original, model=self.build(variant))

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
        self, name: str, variant: Variant, dataset: SquadDataset, calibration: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Measure exact match and F1 of a variant of the INT8 model; see `float_scores`."""
        return self._scores(f"{name}, {variant}", self.loaded(variant), None, dataset, calibration)

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

    def _measure_errors(self, key: Any, layers: Sequence[str], embeddings: TablePrecision) -> None:
        """Measure the error of the logits with each of the layers restored; "" stands for none."""
        inputs = self.inputs[:_RANKING_WINDOWS]
        expected = logits_of(self.original.model, inputs)
        with self.progress("sensitivity") as bar:
            for done, layer in enumerate(layers, 1):
                variant = Variant((layer,) if layer else (), embeddings)
                logits = logits_of(self.build(variant), inputs)
                error = partial(relative_error, logits, expected)
                self.store.measurement("errors", key, layer, error)
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
