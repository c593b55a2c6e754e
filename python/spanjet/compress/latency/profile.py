"""Measure the latency table: time stacks of equal blocks, and check it on whole models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.latency.synthetic_int8 import VOCABULARY, random_int8_model
from spanjet.compress.latency.table import Check, Curve, LatencyTable, fitted
from spanjet.compress.latency.typical_batches import RandomBatch, typical_batches
from spanjet.config import RuntimeConfig
from spanjet.measure.progress import OnStep, ignore_step
from spanjet.measure.rounds import relative_times, timed
from spanjet.measure.workload import run_batches
from spanjet.model.graph.encoder import Encoder
from spanjet.model.layer_shape import LayerShape
from spanjet.runtime.engine import Runtime

__all__ = ["LatencySettings", "measure_latency"]

Shapes = tuple[LayerShape, ...]


@dataclass(frozen=True, kw_only=True)
class LatencySettings:
    """Effort of measuring a latency table.

    Attributes:
        depth: maximum number of layers of a stack.
        sizes: maximum number of measured sizes of each structure; other sizes are interpolated.
        checks: number of whole models of random shapes to time, besides the unpruned one.
        batches: maximum number of batches of a run; fewer if the unpruned model takes longer than
            ``seconds``.
        seconds: target duration of a run of the unpruned model.
        rounds: number of runs of each model.
    """

    depth: int = 4
    sizes: int = 14
    checks: int = 4
    batches: int = 12
    seconds: float = 1.5
    rounds: int = 9


def measure_latency(
    config: Encoder,
    lengths: NDArray[np.int64],
    levels: Mapping[str, Sequence[int]],
    *,
    runtime: RuntimeConfig | None = None,
    settings: LatencySettings | None = None,
    on_step: OnStep = ignore_step,
) -> LatencyTable:
    """Time blocks as in production: INT8, in parallel streams, in length-sorted batches.

    Args:
        config: the unpruned architecture.
        lengths: int64[windows], lengths in tokens of the data's windows.
        levels: sizes of blocks by the field of `LayerShape`, ascending from 0 to the unpruned size.
        runtime: runtime settings of the models; default: ``RuntimeConfig(cache_dir=None)``.
        settings: effort of the measurement; default: ``LatencySettings()``.
        on_step: called after each run of a model.
    """
    settings = LatencySettings() if settings is None else settings
    runtime = RuntimeConfig(cache_dir=None) if runtime is None else runtime
    sizes = {name: _spread(each[1:], settings.sizes) for name, each in levels.items()}
    full, none = (LayerShape(**{name: each[end] for name, each in levels.items()}) for end in (-1, 0))
    depth = min(settings.depth, config.num_hidden_layers)
    stacks = _stacks(sizes, none, depth=depth, layers=config.num_hidden_layers)
    whole = (full,) * config.num_hidden_layers
    checks = dict(enumerate(_random_shapes(sizes, settings.checks, config.num_hidden_layers)))
    stacks |= {f"check {number}": shapes for number, shapes in checks.items()}

    def compiled(shapes: Shapes) -> Runtime:
        return Runtime(random_int8_model(config, shapes), runtime)

    anchor = compiled(whole)
    batches = _batches(config, lengths, anchor, runtime, settings)
    sides = {name: partial(run_batches, compiled(shapes), batches) for name, shapes in stacks.items()}
    run_anchor = partial(run_batches, anchor, batches)
    ratios, seconds = relative_times(sides, run_anchor, rounds=settings.rounds, on_step=on_step)
    windows = sum(len(batch.input_ids) for batch in batches)
    times = {name: ratio * seconds / windows for name, ratio in ratios.items()}
    curves = {
        name: _curve(each, [times[f"{size} {name}"] for size in each], times["stack of 0"], depth)
        for name, each in sizes.items()
    }
    table = LatencyTable(curves=curves, rest=times["whole of 0"])
    measured = [Check(shapes, times[f"check {number}"]) for number, shapes in checks.items()]
    measured.append(Check(whole, seconds / windows))
    return fitted(table, measured)


def _stacks(
    sizes: Mapping[str, Sequence[int]], none: LayerShape, *, depth: int, layers: int
) -> dict[str, Shapes]:
    """Define the timed stacks by name: equal layers with blocks of one structure, and without any."""
    stacks: dict[str, Shapes] = {"stack of 0": (none,) * depth, "whole of 0": (none,) * layers}
    for name, each in sizes.items():
        stacks |= {f"{size} {name}": (replace(none, **{name: size}),) * depth for size in each}
    return stacks


def _curve(sizes: Sequence[int], times: Sequence[float], none: float, depth: int) -> Curve:
    """Fit the seconds of one block by size, smoothed and non-decreasing.

    A search exploits noise in favour of a size, so each time is moved halfway to the line through its
    neighbours. Two tables of MiniLM-L6 then differ by 0.10 % of the model's time for each block instead of
    0.17 %.
    """
    from scipy.optimize import isotonic_regression  # noqa: PLC0415  (of the extra "quantize")

    blocks = np.array([max((time - none) / depth, 0.0) for time in times])
    smooth = blocks.copy()
    for place in range(1, len(blocks) - 1):
        beside = [place - 1, place + 1]
        line = np.interp(sizes[place], np.take(sizes, beside), blocks[beside])
        smooth[place] = (blocks[place] + line) / 2
    rising = isotonic_regression(np.concatenate([[0.0], smooth])).x
    return Curve((0, *sizes), tuple(rising.tolist()))


def _spread(sizes: Sequence[int], most: int) -> tuple[int, ...]:
    """Choose evenly spread sizes, the smallest and the largest included."""
    places = np.unique(np.linspace(0, len(sizes) - 1, min(most, len(sizes))).round().astype(int))
    return tuple(sizes[place] for place in places.tolist())


def _random_shapes(sizes: Mapping[str, Sequence[int]], count: int, layers: int) -> list[Shapes]:
    generator = np.random.default_rng(0)

    def shape() -> LayerShape:
        return LayerShape(**{name: int(generator.choice([0, *each])) for name, each in sizes.items()})

    return [tuple(shape() for _ in range(layers)) for _ in range(count)]


def _batches(
    config: Encoder,
    lengths: NDArray[np.int64],
    anchor: Runtime,
    runtime: RuntimeConfig,
    settings: LatencySettings,
) -> list[RandomBatch]:
    """Make as many batches as the unpruned model runs in the target time, a multiple of the streams."""

    def typical(count: int) -> list[RandomBatch]:
        return typical_batches(
            lengths, count=count, vocabulary=VOCABULARY, max_length=config.max_length, config=runtime
        )

    streams = anchor.streams
    probe = partial(run_batches, anchor, typical(2 * streams))
    probe()
    affordable = 2 * settings.seconds / timed(probe).wall
    count = int(min(affordable, settings.batches / streams))
    return typical(streams * max(count, 1))
