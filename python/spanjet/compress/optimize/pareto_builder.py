"""Build the points of the Pareto front: fully fitted and measured architectures."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from spanjet.compress.latency.relative_timing import RelativeTimer
from spanjet.compress.optimize.long_training import train_longer
from spanjet.compress.optimize.run import OptimizationRun
from spanjet.compress.optimize.verify import measure_scores
from spanjet.compress.quantize.config import TablePrecision
from spanjet.compress.quantize.embeddings import suits_int4
from spanjet.compress.search.pareto import ParetoFront, ParetoPoint, extend, without_repeats
from spanjet.evaluate import best_f1, exact_match
from spanjet.model import Model
from spanjet.model.layer_shape import LayerShape

__all__ = ["ParetoBuilder"]

# Runs of each model when a point is timed.
_ROUNDS = 5


@dataclass(frozen=True)
class ParetoBuilder:
    """Builder of the points of a run, with cached results."""

    run: OptimizationRun

    @cached_property
    def plain(self) -> Model:
        """Unpruned INT8 model."""
        return self.int8(self.run.network.shapes)

    def int8(
        self,
        shapes: tuple[LayerShape, ...],
        embeddings: TablePrecision | None = None,
        windows: int | None = None,
    ) -> Model:
        """Build or load the fully fitted INT8 model.

        Args:
            shapes: shape of each layer.
            embeddings: precision of embedding tables; None: that of all points of the front.
            windows: see `Builder.checkpoint`.
        """
        return self.run.builder.int8(shapes, embeddings or self._embeddings, windows)

    @cached_property
    def start(self) -> dict[str, Any]:
        """Exact match and F1 of the original model in float32, on the held-out questions."""
        return self._scores("float32", self.run.network.loaded(), exact=True)

    def scores(
        self,
        shapes: tuple[LayerShape, ...],
        embeddings: TablePrecision | None = None,
        windows: int | None = None,
    ) -> dict[str, Any]:
        """Measure exact match and F1 of an INT8 model, see `int8`, on the held-out questions."""
        embeddings = embeddings or self._embeddings
        tables = ", INT4 embeddings" if embeddings == "int4" else ""
        name = f"F1 at {self._predicted(shapes):.0%} of the time{tables}"
        fit = [*_listed(shapes, windows), embeddings]
        return self._scores(name, self.int8(shapes, embeddings, windows), fit=fit)

    def choose_embeddings(
        self, chosen: ParetoPoint, least: float
    ) -> tuple[TablePrecision, dict[TablePrecision, dict[str, Any]]]:
        """Choose the precision of the result's embedding tables.

        Args:
            chosen: the result.
            least: minimum F1 with INT4 tables where the setting is ``"auto"``.

        Returns:
            The precision, and the scores of all that were tried.
        """
        config, first = self.run.config, self._embeddings
        tried = {first: self.scores(chosen.shapes, first, chosen.windows)}
        is_open = config.embedding_precision == "auto" and config.budget is None
        if not is_open or not suits_int4(self.run.network.build()):
            return first, tried
        tried["int4"] = self.scores(chosen.shapes, "int4", chosen.windows)
        return ("int4" if best_f1(tried["int4"]) >= least else first), tried

    @property
    def _embeddings(self) -> TablePrecision:
        return self.run.config.quantization().first_precision

    def point(self, budget: float, windows: int | None = None) -> ParetoPoint:
        """Build and measure the best architecture within a share of the unpruned model's time.

        Args:
            budget: the share.
            windows: see `Builder.checkpoint`.

        Raises:
            ValueError: no architecture fits.
        """
        shapes = self.run.network.shapes if budget >= 1 else self.run.shapes(budget)
        return self._measured(budget, shapes, windows)

    def front(self) -> ParetoFront:
        """Build the points at all feasible budgets, then others for the fastest that holds the floor.

        These are found by bisection, or, if the run has hours, by longer trainings.

        Raises:
            ValueError: no architecture fits into the budget of the run.
        """
        config = self.run.config
        if config.budget is not None and not self.fits(config.budget):
            least = self.run.table.rest / self.run.table.total(self.run.network.shapes)
            raise ValueError(
                f"budget is {config.budget:g}; expected more than {least:.3f}, the share of the time that "
                "what cannot be pruned takes"
            )
        budgets = config.budgets if config.budget is None else (config.budget,)
        points = [self.point(1.0)]
        points += [self.point(budget) for budget in sorted(budgets, reverse=True) if self.fits(budget)]
        least = config.floor * best_f1(self.start)
        front = ParetoFront(points=without_repeats(points), least=least)
        if config.hours is not None:
            return train_longer(
                front, self.point, self.run.long_training, budget=config.budget, fits=self.fits
            )
        return front if config.budget is not None else extend(front, self.point, config.bisections)

    def fits(self, budget: float) -> bool:
        """Return True if a budget exceeds the time of the parts that cannot be pruned."""
        table = self.run.table
        return budget * table.total(self.run.network.shapes) > table.rest

    def _predicted(self, shapes: tuple[LayerShape, ...]) -> float:
        table = self.run.table
        return table.total(shapes) / table.total(self.run.network.shapes)

    def _measured(self, budget: float, shapes: tuple[LayerShape, ...], windows: int | None) -> ParetoPoint:
        scores = self.scores(shapes, windows=windows)
        return ParetoPoint(
            budget=budget,
            shapes=shapes,
            predicted=self._predicted(shapes),
            measured=self._share(shapes, windows),
            divergence=self.run.evaluate(shapes),
            f1=best_f1(scores),
            exact_match=exact_match(scores),
            windows=windows,
        )

    def _share(self, shapes: tuple[LayerShape, ...], windows: int | None) -> float:
        if shapes == self.run.network.shapes:
            return 1.0

        def make() -> float:
            with self.run.progress(f"time at {self._predicted(shapes):.0%}") as bar:
                return self.timer.share(self.int8(shapes, windows=windows).model, bar)

        key = [self.run.finished_key, *_listed(shapes, windows), self._embeddings]
        found: float = self.run.stages.value("share", key, make)
        return found

    @cached_property
    def timer(self) -> RelativeTimer:
        """Timer of models relative to the unpruned one."""
        return RelativeTimer(self.plain, self.run.lengths, rounds=_ROUNDS)

    def _scores(
        self, name: str, model: Model, *, fit: Sequence[Any] = ((),), exact: bool = False
    ) -> dict[str, Any]:
        run = self.run

        def make() -> dict[str, Any]:
            int8 = None if exact else run.int8
            return measure_scores(
                model,
                run.splits.held_out,
                run.windows,
                name=name,
                progress=run.progress,
                exact=exact,
                int8=int8,
            )

        held_out = [question.id for question in run.splits.held_out.questions]
        key = [run.finished_key, *fit, held_out, exact]
        found: dict[str, Any] = run.stages.value("scores", key, make)
        return found


def _listed(shapes: tuple[LayerShape, ...], windows: int | None) -> list[Any]:
    """Return what distinguishes a fully fitted model from others of the run, JSON-serialisable."""
    return [[asdict(shape) for shape in shapes], *([] if windows is None else [windows])]
