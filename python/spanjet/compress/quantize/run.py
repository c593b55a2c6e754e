"""One run of a quantization: quantize, hold the floor, calibrate scores, measure, describe."""

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from spanjet.compress.artifacts import WorkDirectory
from spanjet.compress.card import (
    describe_calibration,
    describe_data,
    describe_quantization,
    describe_scores,
    describe_tools,
    rounded,
)
from spanjet.compress.data import calibration_inputs, choose_questions, hold_out
from spanjet.compress.quantize.bisect import fewest
from spanjet.compress.quantize.config import QuantizeConfig
from spanjet.compress.quantize.speed import TURNS, measure_speed
from spanjet.compress.quantize.trials import Bars, Trials, measure
from spanjet.config import RuntimeConfig, WindowConfig
from spanjet.evaluate import Question, SquadDataset, calibrate_reader, load_squad
from spanjet.evaluate.calibrate import check_unanswerable
from spanjet.model import Model
from spanjet.reader.reader import Reader
from spanjet.runtime.openvino import ov

__all__ = ["Run", "SquadFile"]

# Questions whose windows are timed: some seconds for MiniLM, a minute for BERT-Large.
_TIMED = 32


@dataclass(frozen=True)
class SquadFile:
    """A SQuAD file and its questions."""

    path: Path
    dataset: SquadDataset

    @property
    def digest(self) -> str:
        """The first digits of the file's SHA-256, for names of results."""
        return str(describe_data(self.path)["sha256"])[:12]

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "SquadFile":
        """Read a file; raises what `load_squad` does."""
        return cls(Path(path), load_squad(path))


@dataclass(frozen=True, kw_only=True)
class Run:
    """All that is done for one model directory."""

    source: dict[str, Any]
    original: Model
    config: QuantizeConfig
    calibration: SquadFile
    evaluation: SquadFile | None
    fitting: SquadFile | None
    bars: Bars
    verbose: bool

    def task(self) -> dict[str, Any]:
        """All that results depend on, besides what their names say."""
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
        """How texts are cut."""
        return WindowConfig.fitting(self.original.max_length)

    @cached_property
    def chosen(self) -> list[Question]:
        """The questions that are calibrated with."""
        config = self.config
        return choose_questions(self.calibration.dataset, count=config.samples, seed=config.seed)

    def make(self, work: WorkDirectory) -> tuple[ov.Model, dict[str, Any]]:
        """The model and its card.

        Raises:
            ValueError: the floor cannot be held, or no calibration can be fitted.
        """
        if self.fitting is not None:
            check_unanswerable(self.fitting.dataset)
        held_out = self._held_out()
        trials = self._trials(work)
        count, floor = (0, None) if held_out is None else self._hold_floor(trials, held_out, work.path)
        fitted = self._calibrate_scores(trials, count, work)
        model = trials.build(trials.restored(count))
        return model, {
            "source": self.source,
            "quantization": describe_quantization(
                self.calibration.path,
                self.windows,
                self.config,
                count=len(trials.inputs),
                layers=len(trials.layers),
                restored=trials.restored(count),
            ),
            "floor": floor,
            "calibration": fitted,
            "evaluation": self._evaluate(trials, count, fitted),
            "speed": self._time(model),
            **describe_tools(),
        }

    def _held_out(self) -> SquadDataset | None:
        """The questions that the floor is measured on."""
        if self.config.floor is None:
            return None
        dataset, config = self.calibration.dataset, self.config
        return hold_out(dataset, self.chosen, count=config.held_out, seed=config.seed)

    def _trials(self, work: WorkDirectory) -> Trials:
        runtime = RuntimeConfig(cache_dir=None)
        reader = Reader(self.original, window_config=self.windows, runtime_config=runtime)
        return Trials(
            self.original,
            calibration_inputs(reader, self.chosen, count=self.config.samples),
            self.windows,
            work,
            half_range=self.config.half_range,
            bars=self.bars,
            verbose=self.verbose,
        )

    def _hold_floor(self, trials: Trials, dataset: SquadDataset, kept: Path) -> tuple[int, dict[str, Any]]:
        """How many layers are restored, and what was measured."""
        config, name, share = self.config, f"F1 of {len(dataset)} held out", self.config.floor or 0.0
        before = trials.float_scores(name, dataset)
        tried: dict[int, dict[str, Any]] = {}

        def holds(count: int) -> bool:
            tried[count] = trials.int8_scores(name, count, dataset)
            return measure(tried[count]) >= share * measure(before)

        most = len(trials.layers) // 2 if config.max_restored is None else config.max_restored
        count = 0 if holds(0) else fewest(holds, min(most, len(trials.layers)))
        best = max(tried, key=lambda each: measure(tried[each])) if count is None else count
        if count is None and not config.keep_best:
            reached = measure(tried[best])
            raise ValueError(_missed(share, measure(before), reached, best, max(tried), kept))
        scores = {"float32": before, "int8": tried[best]}
        return best, {
            **describe_scores(self.calibration.path, self.windows, scores, questions=len(dataset)),
            "contexts": len({question.context for question in dataset.questions}),
            "seed": config.seed,
            "floor": share,
            "held": count is not None,
            "tried": [{"restored": each, **rounded(scores)} for each, scores in sorted(tried.items())],
            "sensitivity": trials.gains if len(tried) > 1 else None,
        }

    def _calibrate_scores(self, trials: Trials, count: int, work: WorkDirectory) -> dict[str, Any] | None:
        """The calibration of the model's scores, see `calibrate_reader`."""
        fitting = self.fitting
        if fitting is None:
            return None

        def calibrate() -> dict[str, Any]:
            runtime = RuntimeConfig(int8=trials.int8, cache_dir=None)
            reader = Reader(trials.loaded(count), window_config=self.windows, runtime_config=runtime)
            options: dict[str, Any] = {"negatives": 1.0, "seed": self.config.seed}
            with self.bars("calibrate scores") as bar:
                report = calibrate_reader(reader, fitting.dataset, progress=bar, **options)
            return describe_calibration(report, fitting.path, reader, **options)

        return work.result(f"calibration of {count} restored ({fitting.digest})", calibrate)

    def _evaluate(self, trials: Trials, count: int, fitted: dict[str, Any] | None) -> dict[str, Any] | None:
        """Scores of both models on the file for that, with the calibration and its threshold."""
        if self.evaluation is None:
            return None
        path, dataset = self.evaluation.path, self.evaluation.dataset
        name = f"F1 of {path.name} ({self.evaluation.digest})"
        scores = {
            "float32": trials.float_scores(name, dataset, fitted),
            "int8": trials.int8_scores(name, count, dataset, fitted),
        }
        threshold = None if fitted is None else fitted["threshold"]
        return describe_scores(path, self.windows, scores, questions=len(dataset), threshold=threshold)

    def _time(self, model: ov.Model) -> dict[str, Any]:
        with self.bars("speed") as bar:
            steps = _counter(bar, 3 * TURNS)
            return measure_speed(self.original, model, self.chosen[:_TIMED], self.windows, on_turn=steps)


def _counter(bar: Callable[[int, int | None], None] | None, total: int) -> Callable[[], None]:
    done = iter(range(1, total + 1))
    return (lambda: None) if bar is None else (lambda: bar(next(done), total))


def _missed(floor: float, before: float, after: float, count: int, most: int, kept: Path) -> str:
    return (
        f"the floor is not held: F1 is {after:.2f} at best, {after / before:.2%} of the float32 model's "
        f"{before:.2f}, with {count} layers restored of {most} at most, and the floor is {floor:.2%}: lower "
        f"it, let more layers be restored, or keep the best; what was measured is kept in {kept}"
    )
