"""Compute the stages of an optimisation on demand, with cached results."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.artifacts import ArtifactStore, digest
from spanjet.compress.card import describe_source, describe_tools
from spanjet.compress.data import QuestionFile, calibration_inputs
from spanjet.compress.latency.profile import LatencySettings, measure_latency
from spanjet.compress.latency.table import LatencyTable
from spanjet.compress.optimize.candidates import Builder
from spanjet.compress.optimize.config import OptimizeConfig
from spanjet.compress.optimize.long_training import TRIES, measure_training
from spanjet.compress.optimize.splits import Splits
from spanjet.compress.optimize.time_estimate import Plan, Step, plan_run, probe
from spanjet.compress.prune.gauss_newton import Curvature, measure_curvature
from spanjet.compress.prune.network import Network
from spanjet.compress.prune.removal_order import Orders, find_orders
from spanjet.compress.prune.second_moments import SecondMoments, measure_second_moments
from spanjet.compress.prune.structures import levels_of
from spanjet.compress.quantize.embeddings import check_suits_int4
from spanjet.compress.search.cost_curves import measure_costs
from spanjet.compress.search.kl_divergence import Divergence
from spanjet.compress.search.local_search import LocalSearch
from spanjet.compress.search.search_space import SearchSpace
from spanjet.config import RuntimeConfig, WindowConfig
from spanjet.evaluate import Question
from spanjet.measure.progress import OnStep, Progress
from spanjet.model.layer_shape import LayerShape
from spanjet.reader.reader import Reader
from spanjet.runtime.cpu import describe_machine, int8_unless_saturating

__all__ = ["OptimizationRun"]

# Questions whose window lengths weight the latency.
_LENGTHS = 4000
# Questions whose windows are timed for the plan.
_PROBED = 8


@dataclass(frozen=True, kw_only=True)
class OptimizationRun:
    """Lazily computed stages of one optimisation, cached on disk.

    Attributes:
        network: the original network.
        source: description of its source, JSON-serialisable.
        data: questions to fit, search and measure on.
        config: target, data and effort of the search.
        stages: cache of results.
        progress: progress bars.
        evaluation: data set to score the original and the result on; None: not scored.
        held_out_data: data set to hold out questions of; None: ``data``.
    """

    network: Network
    source: dict[str, Any]
    data: QuestionFile
    config: OptimizeConfig
    stages: ArtifactStore
    progress: Progress
    evaluation: QuestionFile | None = None
    held_out_data: QuestionFile | None = None

    @classmethod
    def load(
        cls,
        checkpoint: str | os.PathLike[str],
        data: str | os.PathLike[str],
        work: str | os.PathLike[str],
        *,
        evaluation: str | os.PathLike[str] | None = None,
        held_out_data: str | os.PathLike[str] | None = None,
        config: OptimizeConfig,
        progress: Progress,
    ) -> "OptimizationRun":
        """Load the checkpoint and the data; for arguments and errors see `optimize_checkpoint`."""
        network = Network.load(checkpoint)
        if config.embedding_precision == "int4":
            check_suits_int4(network.build(), network.source)
        return cls(
            network=network,
            source=describe_source(network.loaded()),
            data=QuestionFile.load(data),
            config=config,
            stages=ArtifactStore(Path(work)),
            progress=progress,
            evaluation=None if evaluation is None else QuestionFile.load(evaluation),
            held_out_data=None if held_out_data is None else QuestionFile.load(held_out_data),
        )

    @cached_property
    def windows(self) -> WindowConfig:
        """Default window settings, limited to the model's maximum length."""
        return WindowConfig.fitting(self.network.architecture.max_length)

    @cached_property
    def reader(self) -> Reader:
        """Reader of the original model, in float32."""
        runtime = RuntimeConfig(precision="f32", cache_dir=None)
        return Reader(self.network.loaded(), window_config=self.windows, runtime_config=runtime)

    @cached_property
    def splits(self) -> Splits:
        """Data splits."""
        held_out = None if self.held_out_data is None else self.held_out_data.dataset
        return Splits.choose(self.data.dataset, self.config, held_out)

    @cached_property
    def key(self) -> dict[str, Any]:
        """Cache key: everything that activations depend on."""
        config = self.config
        return {
            "source": self.source,
            "data": self.data.digest,
            "windows": asdict(self.windows),
            "counts": [config.samples, config.calibration, config.validation, config.windows],
            "half_range": self.half_range,
            "seed": config.seed,
            **({} if self.held_out_data is None else {"held_out_data": self.held_out_data.digest}),
            **{name: value for name, value in describe_tools().items() if name != "date"},
        }

    @property
    def finished_key(self) -> dict[str, Any]:
        """Cache key: everything that fully fitted models depend on, besides their shapes."""
        return {**self.key, "training": self.config.training}

    @cached_property
    def half_range(self) -> bool:
        """True if weights get 7 bits, see `spanjet.compress.quantize.ptq.calibrate`."""
        return self.config.quantization().half_range

    @property
    def int8(self) -> bool | None:
        """Setting ``int8`` of `RuntimeConfig` for measuring F1: INT8 arithmetic unless it would saturate."""
        return int8_unless_saturating(half_range=self.half_range)

    def inputs(self, questions: Sequence[Question]) -> list[dict[str, NDArray[np.int32]]]:
        """Make the model inputs of windows of the questions, as many windows as questions."""
        return calibration_inputs(self.reader, questions, count=len(questions))

    def _arrays(self, stage: str, make: Callable[[OnStep], Any]) -> dict[str, NDArray[Any]]:
        """Return the arrays of a stage, from the cache or computed with a progress bar."""

        def made() -> dict[str, NDArray[Any]]:
            with self.progress(stage) as bar:
                arrays: dict[str, NDArray[Any]] = make(bar).arrays()
                return arrays

        return self.stages.arrays(stage, self.key, made)

    @cached_property
    def moments(self) -> SecondMoments:
        """Second moments of the activations."""
        arrays = self._arrays(
            "activations",
            lambda on_step: measure_second_moments(
                self.network, self.inputs(self.splits.samples), on_step=on_step
            ),
        )
        return SecondMoments.from_arrays(arrays)

    @cached_property
    def curvature(self) -> Curvature:
        """Curvature of the divergence at the blocks' outputs."""
        arrays = self._arrays(
            "curvature",
            lambda on_step: measure_curvature(
                self.network,
                self.inputs(self.splits.samples),
                seed=self.config.seed,
                on_step=on_step,
            ),
        )
        return Curvature.from_arrays(arrays)

    @cached_property
    def orders(self) -> Orders:
        """Removal orders of all blocks."""
        arrays = self._arrays(
            "orders",
            lambda on_step: find_orders(
                self.network,
                self.curvature.weighted(self.moments),
                outputs=self.curvature.outputs,
                on_step=on_step,
            ),
        )
        return Orders.from_arrays(arrays)

    @cached_property
    def space(self) -> SearchSpace:
        """Search space: the sizes of all blocks."""
        return SearchSpace.of(self.network, self.orders)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Lengths of the data's windows in tokens, int64[windows]."""
        chosen = np.random.default_rng(self.config.seed).permutation(len(self.data.dataset))[:_LENGTHS]
        asked = [self.data.dataset.questions[index] for index in chosen.tolist()]
        windows = self.reader.windows([each.question for each in asked], [each.context for each in asked])
        return np.diff(windows.indptr).astype(np.int64)

    @cached_property
    def table(self) -> LatencyTable:
        """Latency table of this machine."""
        config = self.network.architecture
        key = {
            "sizes": {name: value for name, value in asdict(config).items() if name != "vocab_size"},
            "lengths": digest(self.lengths.tolist()),
            "settings": asdict(LatencySettings()),
            "fields": [each.name for each in fields(LatencyTable)],
            "machine": describe_machine(),
        }

        def make() -> dict[str, Any]:
            with self.progress("latency") as bar:
                return measure_latency(config, self.lengths, levels_of(config), on_step=bar).as_dict()

        return LatencyTable.from_dict(self.stages.value("latency", key, make))

    @cached_property
    def builder(self) -> Builder:
        """Builder of pruned models."""
        return Builder(
            network=self.network,
            moments=self.moments,
            orders=self.orders,
            divergence=Divergence(self.reader, self.splits.validation),
            inputs=self.inputs(self.splits.samples),
            training=self.inputs(self.splits.training),
            more_training=lambda: self.more_inputs,
            validation=self.inputs(self.splits.validation),
            calibration=self.config.calibration,
            half_range=self.half_range,
            seed=self.config.seed,
            stages=self.stages,
            key=self.finished_key,
            progress=self.progress,
        )

    @cached_property
    def more_inputs(self) -> list[dict[str, NDArray[np.int32]]]:
        """Model inputs of the windows of longer trainings."""
        return self.inputs(self.splits.more_training)

    @cached_property
    def plan(self) -> Plan:
        """Estimated stages, the longer trainings included."""
        if self.config.hours is None:
            return self._search_plan
        left = max(0.0, 3600 * self.config.hours - self._search_plan.seconds)
        step = Step(f"train {self._tries} models, each on {self.long_training} windows", left)
        return Plan((*self._search_plan.steps, step))

    @cached_property
    def long_training(self) -> int:
        """Number of windows of each longer training, for which the hours of the run suffice.

        It is measured once: a run that is continued trains on as many.

        Raises:
            ValueError: the other stages take all the time.
        """
        hours = self.config.hours or 0.0

        def make() -> int:
            left = 3600 * hours - self._search_plan.seconds
            speed = measure_training(self.network, self.inputs(self.splits.samples))
            windows = int(left * speed / self._tries)
            if windows < 1:
                least = self._search_plan.seconds / 3600
                raise ValueError(f"hours is {hours:g}; expected more than the other stages take, {least:.1f}")
            return windows

        key = {**self.finished_key, "hours": hours, "tries": self._tries}
        found: int = self.stages.value("long-training", key, make)
        return found

    @property
    def _tries(self) -> int:
        return TRIES if self.config.budget is None else 1

    @cached_property
    def _search_plan(self) -> Plan:
        """Estimated stages without longer trainings, from a short benchmark."""
        found = probe(self.reader, self.reader.model.model, self.splits.search[:_PROBED])
        return plan_run(found, self.config, layers=len(self.network.shapes))

    @cached_property
    def divergence(self) -> Divergence:
        """Divergence of a model's answers from the original's."""
        return Divergence(self.reader, self.splits.search)

    def evaluate(self, shapes: Sequence[LayerShape]) -> float:
        """Measure the divergence of a candidate's answers from the original's, with a cached result."""
        name = json.dumps([list(asdict(shape).values()) for shape in shapes])
        return self.stages.measurement(
            "divergences", self.key, name, lambda: self.divergence(self.builder.candidate(shapes))
        )

    @property
    def evaluations(self) -> Mapping[str, float]:
        """Cached divergences of candidates."""
        return self.stages.measurements("divergences", self.key)

    @cached_property
    def costs(self) -> list[NDArray[np.float64]]:
        """Cost of each option of each block, as a divergence."""
        with self.progress("cost of cuts") as bar:
            return measure_costs(self.space, self.evaluate, on_step=bar)

    @cached_property
    def search(self) -> LocalSearch:
        """Search for the best sizes within a budget."""
        seconds = self.space.seconds(self.table)
        return LocalSearch(self.space, seconds, self.costs, self.evaluate, seed=self.config.seed)

    def shapes(self, budget: float) -> tuple[LayerShape, ...]:
        """Search for the best architecture within a share of the unpruned model's time.

        Raises:
            ValueError: no architecture fits.
        """
        blocks = budget * self.table.total(self.network.shapes) - self.table.rest
        with self.progress(f"search at {budget:.0%} of the time") as bar:
            return self.space.chosen(self.search.run(blocks, self.config.trials, bar))
