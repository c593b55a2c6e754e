"""Estimate the duration of an optimisation from a short benchmark."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from spanjet.compress.optimize.config import OptimizeConfig
from spanjet.compress.prune.structures import STRUCTURES
from spanjet.compress.search.cost_curves import SHARES
from spanjet.config import RuntimeConfig
from spanjet.evaluate import Question
from spanjet.measure.rounds import WARM_UPS, timed
from spanjet.reader.reader import Reader
from spanjet.runtime.engine import Runtime
from spanjet.runtime.openvino import ov

__all__ = ["Plan", "Probe", "Step", "plan_run", "probe"]

# Shares of the unpruned float32 model's time, as measured for MiniLM-L6: of an INT8 model; of a candidate of
# the search; of a candidate with one pruned block.
_INT8, _CANDIDATE, _ALMOST_WHOLE = 0.5, 0.65, 0.9
# Passes over the windows: collecting activations; backward passes for the curvature; distillation; layerwise
# fitting; NNCF's calibration.
_READ, _BACK, _TRAIN, _REBUILD, _CALIBRATE = 2.0, 5.0, 2.8, 6.0, 4.0
# Duration of quantizing a model, in multiples of compiling it.
_QUANTIZE = 12.0
# Models of the latency table, their size relative to the unpruned one, and passes over its windows.
_STACKS, _STACK, _PASSES = 37, 0.35, 1850


@dataclass(frozen=True)
class Probe:
    """Measured speed of the float32 model: windows per second, and seconds to compile."""

    rate: float
    compiling: float


@dataclass(frozen=True)
class Step:
    """Stage with a description and its estimated seconds."""

    name: str
    seconds: float


@dataclass(frozen=True)
class Plan:
    """Estimated stages in order."""

    steps: tuple[Step, ...]

    @property
    def seconds(self) -> float:
        """Estimated seconds in total."""
        return sum(step.seconds for step in self.steps)


def probe(reader: Reader, model: ov.Model, questions: Sequence[Question]) -> Probe:
    """Time the compilation of the float32 model and inference on some windows."""
    runtime = Runtime(model, RuntimeConfig(precision="f32", cache_dir=None))
    began = time.perf_counter()
    _ = runtime.streams
    compiling = time.perf_counter() - began
    windows = reader.windows([each.question for each in questions], [each.context for each in questions])
    batches = [windows.batch(rows, length=length) for rows, length in reader.batches(windows)]
    turns = [timed(lambda: list(runtime.run(batches))) for _ in range(WARM_UPS + 1)]
    return Probe(rate=len(windows) / turns[-1].wall, compiling=compiling)


def plan_run(probe: Probe, config: OptimizeConfig, *, layers: int) -> Plan:
    """Estimate the stages of a run without cached results; a resumed run takes less."""
    window, model = 1 / probe.rate, probe.compiling
    blocks = len(STRUCTURES) * layers
    searched = 1 if config.budget is not None else len(config.budgets) + config.bisections
    tries_int4 = config.budget is None and config.embedding_precision == "auto"
    points = searched + 1 + tries_int4
    measured = blocks * (len(SHARES) + 1)
    fitting = config.training * _TRAIN if config.training else config.samples * _REBUILD
    finish = window * (config.calibration * _CALIBRATE + config.held_out * _INT8) + model * _QUANTIZE
    steps = (
        Step("read activations", window * (_READ + _BACK) * config.samples),
        Step("measure latency", _STACKS * _STACK * model * _QUANTIZE + _PASSES * window * _INT8),
        Step(
            f"measure the cost of {measured} cuts",
            measured * (model + window * _ALMOST_WHOLE * config.windows),
        ),
        Step(
            f"try {searched * (config.trials + 1)} candidates",
            searched * (config.trials + 1) * (model + window * _CANDIDATE * config.windows),
        ),
        Step(
            f"fit, quantize and measure {points} models",
            searched * window * fitting + points * finish,
        ),
        Step("verify", window * config.held_out),
    )
    return Plan(steps)
