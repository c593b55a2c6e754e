"""Run the stages of an optimisation in their order, each out of those before it."""

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
from spanjet.compress.optimize.splits import Splits
from spanjet.compress.prune.gauss_newton import Curvature, measure_curvature
from spanjet.compress.prune.network import Network
from spanjet.compress.prune.removal_order import Orders, find_orders
from spanjet.compress.prune.second_moments import SecondMoments, measure_second_moments
from spanjet.compress.prune.structures import levels_of
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

# Questions of the data whose windows' lengths are what latency is weighted with.
_LENGTHS = 4000


@dataclass(frozen=True, kw_only=True)
class OptimizationRun:
    """The stages of one optimisation, each computed when it is first asked for, or read from disk.

    Attributes:
        network: the start.
        source: what it was loaded from, ready for JSON.
        data: what is learned from, searched with and measured on.
        config: what is searched for.
        stages: keeps results.
        progress: shows a bar for each part.
        evaluation: what the start and the result are measured on at last; None: nothing.
    """

    network: Network
    source: dict[str, Any]
    data: QuestionFile
    config: OptimizeConfig
    stages: ArtifactStore
    progress: Progress
    evaluation: QuestionFile | None = None

    @classmethod
    def load(
        cls,
        checkpoint: str | os.PathLike[str],
        data: str | os.PathLike[str],
        work: str | os.PathLike[str],
        evaluation: str | os.PathLike[str] | None = None,
        *,
        config: OptimizeConfig,
        progress: Progress,
    ) -> "OptimizationRun":
        """Load the checkpoint and the data; arguments and errors as of `optimize_checkpoint`."""
        network = Network.load(checkpoint)
        return cls(
            network=network,
            source=describe_source(network.loaded()),
            data=QuestionFile.load(data),
            config=config,
            stages=ArtifactStore(Path(work)),
            progress=progress,
            evaluation=None if evaluation is None else QuestionFile.load(evaluation),
        )

    @cached_property
    def windows(self) -> WindowConfig:
        """The default windows, no longer than the model reads."""
        return WindowConfig.fitting(self.network.architecture.max_length)

    @cached_property
    def reader(self) -> Reader:
        """Of the start model, in float32."""
        runtime = RuntimeConfig(precision="f32", cache_dir=None)
        return Reader(self.network.loaded(), window_config=self.windows, runtime_config=runtime)

    @cached_property
    def splits(self) -> Splits:
        """The questions by what they are for."""
        return Splits.choose(self.data.dataset, self.config)

    @cached_property
    def key(self) -> dict[str, Any]:
        """All that the activations depend on."""
        config = self.config
        return {
            "source": self.source,
            "data": self.data.digest,
            "windows": asdict(self.windows),
            "counts": [config.samples, config.calibration, config.validation, config.windows],
            "half_range": self.half_range,
            "seed": config.seed,
            **{name: value for name, value in describe_tools().items() if name != "date"},
        }

    @property
    def finished_key(self) -> dict[str, Any]:
        """All that finished models depend on, besides their shapes."""
        return {**self.key, "training": self.config.training}

    @cached_property
    def half_range(self) -> bool:
        """See `spanjet.compress.quantize.ptq.calibrate`."""
        return self.config.quantization().half_range

    @property
    def int8(self) -> bool | None:
        """Compute F1 in INT8 arithmetic, see `RuntimeConfig`, wherever that is right."""
        return int8_unless_saturating(half_range=self.half_range)

    def inputs(self, questions: Sequence[Question]) -> list[dict[str, NDArray[np.int32]]]:
        """One window of each of so many questions."""
        return calibration_inputs(self.reader, questions, count=len(questions))

    def _arrays(self, stage: str, make: Callable[[OnStep], Any]) -> dict[str, NDArray[Any]]:
        """The arrays of a stage, whose function is called with what shows its steps."""

        def made() -> dict[str, NDArray[Any]]:
            with self.progress(stage) as bar:
                arrays: dict[str, NDArray[Any]] = make(bar).arrays()
                return arrays

        return self.stages.arrays(stage, self.key, made)

    @cached_property
    def moments(self) -> SecondMoments:
        """The second moments of the activations."""
        arrays = self._arrays(
            "activations",
            lambda on_step: measure_second_moments(
                self.network, self.inputs(self.splits.samples), on_step=on_step
            ),
        )
        return SecondMoments.from_arrays(arrays)

    @cached_property
    def curvature(self) -> Curvature:
        """Curvature of the answers' divergence at the blocks' outputs."""
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
        """The removal orders of all blocks."""
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
        """All sizes of all blocks."""
        return SearchSpace.of(self.network, self.orders)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of the data's windows, int64[windows]."""
        chosen = np.random.default_rng(self.config.seed).permutation(len(self.data.dataset))[:_LENGTHS]
        asked = [self.data.dataset.questions[index] for index in chosen.tolist()]
        windows = self.reader.windows([each.question for each in asked], [each.context for each in asked])
        return np.diff(windows.indptr).astype(np.int64)

    @cached_property
    def table(self) -> LatencyTable:
        """Times of blocks on this machine."""
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
        """Makes models of any shapes."""
        return Builder(
            network=self.network,
            moments=self.moments,
            orders=self.orders,
            divergence=Divergence(self.reader, self.splits.validation),
            inputs=self.inputs(self.splits.samples),
            training=self.inputs(self.splits.training),
            validation=self.inputs(self.splits.validation),
            calibration=self.config.calibration,
            half_range=self.half_range,
            seed=self.config.seed,
            stages=self.stages,
            key=self.finished_key,
            progress=self.progress,
        )

    @cached_property
    def divergence(self) -> Divergence:
        """Of any model's answers from the start's."""
        return Divergence(self.reader, self.splits.search)

    def evaluate(self, shapes: Sequence[LayerShape]) -> float:
        """Measure the divergence of a candidate's answers from the start's; once for each candidate."""
        name = json.dumps([list(asdict(shape).values()) for shape in shapes])
        return self.stages.measurement(
            "divergences", self.key, name, lambda: self.divergence(self.builder.candidate(shapes))
        )

    @property
    def evaluations(self) -> Mapping[str, float]:
        """The divergences that are known."""
        return self.stages.measurements("divergences", self.key)

    @cached_property
    def costs(self) -> list[NDArray[np.float64]]:
        """Divergences that cutting each block costs, at each of its options."""
        with self.progress("cost of cuts") as bar:
            return measure_costs(self.space, self.evaluate, on_step=bar)

    @cached_property
    def search(self) -> LocalSearch:
        """Searches candidates for a budget."""
        seconds = self.space.seconds(self.table)
        return LocalSearch(self.space, seconds, self.costs, self.evaluate, seed=self.config.seed)

    def shapes(self, budget: float) -> tuple[LayerShape, ...]:
        """The best architecture for a share of the plain model's time.

        Raises:
            ValueError: nothing fits.
        """
        blocks = budget * self.table.total(self.network.shapes) - self.table.rest
        with self.progress(f"search at {budget:.0%} of the time") as bar:
            return self.space.chosen(self.search.run(blocks, self.config.trials, bar))
