"""Run a quantization: quantize, hold the accuracy floor, calibrate scores, measure, write the card."""

import os
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from spanjet.compress.artifacts import ArtifactStore
from spanjet.compress.card import (
    describe_calibration,
    describe_data,
    describe_quantization,
    describe_scores,
    describe_source,
    describe_tools,
)
from spanjet.compress.data import QuestionFile, calibration_inputs, choose_questions, hold_out
from spanjet.compress.quantize.config import QuantizeConfig
from spanjet.compress.quantize.embeddings import check_suits_int4
from spanjet.compress.quantize.floor import FloorSearch
from spanjet.compress.quantize.ptq import import_nncf
from spanjet.compress.quantize.speed import measure_speed
from spanjet.compress.quantize.trials import Trials, Variant
from spanjet.config import RuntimeConfig, WindowConfig
from spanjet.evaluate import Question, SquadDataset, calibrate_reader
from spanjet.evaluate.calibrate import check_unanswerable
from spanjet.measure.progress import Progress
from spanjet.model import Model, load_model
from spanjet.reader.reader import Reader
from spanjet.runtime.openvino import ov
from spanjet.runtime.precision import is_quantized_model

__all__ = ["QuantizationRun"]

# Questions whose windows are timed: some seconds for MiniLM, a minute for BERT-Large.
_TIMED = 32


@dataclass(frozen=True, kw_only=True)
class QuantizationRun:
    """Quantization of one float32 model to an INT8 model and its card.

    Attributes:
        source: description of the model's source, JSON-serialisable.
        original: the float32 model.
        config: samples, seed, CPU and floor.
        calibration: data set to calibrate INT8 ranges and check the floor on.
        evaluation: data set to score both models on; None: not scored.
        fitting: data set to calibrate scores on; None: not calibrated.
        progress: progress bars.
        verbose: let NNCF print to standard output.
    """

    source: dict[str, Any]
    original: Model
    config: QuantizeConfig
    calibration: QuestionFile
    evaluation: QuestionFile | None
    fitting: QuestionFile | None
    progress: Progress
    verbose: bool

    @classmethod
    def load(
        cls,
        checkpoint: str | os.PathLike[str],
        calibration: str | os.PathLike[str],
        evaluation: str | os.PathLike[str] | None,
        fitting: str | os.PathLike[str] | None,
        *,
        config: QuantizeConfig,
        **settings: Any,
    ) -> "QuantizationRun":
        """Load the model and the data; for arguments and errors see `quantize_checkpoint`."""
        import_nncf()
        original = load_model(checkpoint)
        if is_quantized_model(original.model):
            raise ValueError(
                f"{original.path}: the model is quantized already; expected one in floating point"
            )
        if config.embedding_precision == "int4":
            check_suits_int4(original.model, original.path)
        return cls(
            config=config,
            source=describe_source(original),
            original=original,
            calibration=QuestionFile.load(calibration),
            evaluation=None if evaluation is None else QuestionFile.load(evaluation),
            fitting=None if fitting is None else QuestionFile.load(fitting),
            **settings,
        )

    @cached_property
    def key(self) -> dict[str, Any]:
        """Cache key: everything that results depend on, besides the data set they are measured on."""
        return {
            "source": self.source,
            "calibration": describe_data(self.calibration.path),
            "samples": self.config.samples,
            "seed": self.config.seed,
            "cpu": self.config.target,
            "windows": asdict(self.windows),
            **{name: value for name, value in describe_tools().items() if name != "date"},
        }

    @cached_property
    def windows(self) -> WindowConfig:
        """Default window settings, limited to the model's maximum length."""
        return WindowConfig.fitting(self.original.max_length)

    @cached_property
    def chosen(self) -> list[Question]:
        """Calibration questions."""
        config = self.config
        return choose_questions(self.calibration.dataset, count=config.samples, seed=config.seed)

    def make(self, store: ArtifactStore) -> tuple[ov.Model, dict[str, Any]]:
        """Make the INT8 model and its card.

        Args:
            store: cache of results.

        Raises:
            ValueError: the floor cannot be held, or no calibration can be fitted.
        """
        if self.fitting is not None:
            check_unanswerable(self.fitting.dataset)
        held_out = self._held_out()
        trials = self._trials(store)
        variant, floor = Variant(embeddings=self.config.first_precision), None
        if held_out is not None:
            variant, floor = self._hold_floor(trials, held_out)
        fitted = self._calibrate_scores(trials, variant)
        model = trials.build(variant)
        calibration = {"count": len(trials.inputs), "seed": self.config.seed}
        return model, {
            "source": self.source,
            "quantization": {
                **describe_quantization(self.windows, self.config, trials.describe_embeddings(variant)),
                "calibration": {**describe_data(self.calibration.path), **calibration},
                "layers": len(trials.layers),
                "restored": list(variant.restored),
            },
            "floor": floor,
            "calibration": fitted,
            "evaluation": self._evaluate(trials, variant, fitted),
            "speed": self._time(model),
            **describe_tools(),
        }

    def _held_out(self) -> SquadDataset | None:
        """Choose the held-out questions for the floor; None without a floor."""
        if self.config.floor is None:
            return None
        dataset, config = self.calibration.dataset, self.config
        return hold_out(dataset, self.chosen, count=config.held_out, seed=config.seed)

    def _trials(self, store: ArtifactStore) -> Trials:
        runtime = RuntimeConfig(cache_dir=None)
        reader = Reader(self.original, window_config=self.windows, runtime_config=runtime)
        return Trials(
            original=self.original,
            inputs=calibration_inputs(reader, self.chosen, count=self.config.samples),
            windows=self.windows,
            store=store,
            key=self.key,
            half_range=self.config.half_range,
            progress=self.progress,
            verbose=self.verbose,
        )

    def _hold_floor(self, trials: Trials, dataset: SquadDataset) -> tuple[Variant, dict[str, Any]]:
        """Find the variant that holds the floor, and describe the measurements."""
        search = FloorSearch(trials=trials, config=self.config, dataset=dataset)
        found, held = search.run()
        scores = {"float32": search.float_scores(), "int8": search.tried[found]}
        described = describe_scores(self.calibration.path, self.windows, scores, questions=len(dataset))
        return found, {**described, "held": held, **search.describe()}

    def _calibrate_scores(self, trials: Trials, variant: Variant) -> dict[str, Any] | None:
        """Calibrate the model's scores with `calibrate_reader`."""
        fitting = self.fitting
        if fitting is None:
            return None

        def calibrate() -> dict[str, Any]:
            runtime = RuntimeConfig(int8=trials.int8, cache_dir=None)
            reader = Reader(trials.loaded(variant), window_config=self.windows, runtime_config=runtime)
            options: dict[str, Any] = {"negatives": 1.0, "seed": self.config.seed}
            with self.progress("calibrate scores") as bar:
                report = calibrate_reader(reader, fitting.dataset, on_step=bar, **options)
            return describe_calibration(report, fitting.path, reader, **options)

        key = [self.key, asdict(variant), fitting.digest]
        fitted: dict[str, Any] = trials.store.value("calibration", key, calibrate)
        return fitted

    def _evaluate(
        self, trials: Trials, variant: Variant, fitted: dict[str, Any] | None
    ) -> dict[str, Any] | None:
        """Score both models on the evaluation file, with the calibration and its threshold."""
        if self.evaluation is None:
            return None
        path, dataset = self.evaluation.path, self.evaluation.dataset
        name = f"F1 of {path.name} ({self.evaluation.digest})"
        scores = {
            "float32": trials.float_scores(name, dataset, fitted),
            "int8": trials.int8_scores(name, variant, dataset, fitted),
        }
        threshold = None if fitted is None else fitted["threshold"]
        return describe_scores(path, self.windows, scores, questions=len(dataset), threshold=threshold)

    def _time(self, model: ov.Model) -> dict[str, Any]:
        with self.progress("speed") as bar:
            return measure_speed(self.original, model, self.chosen[:_TIMED], self.windows, on_step=bar)
