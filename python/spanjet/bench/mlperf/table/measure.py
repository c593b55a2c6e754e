"""Measure throughput, latency and LoadGen's overhead in short alternating tests."""

import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from spanjet.bench.mlperf.loadgen.batching import Batching
from spanjet.bench.mlperf.loadgen.samples import Samples
from spanjet.bench.mlperf.loadgen.settings import LoadSettings
from spanjet.bench.mlperf.loadgen.system import System
from spanjet.bench.mlperf.loadgen.test import import_loadgen, run_test
from spanjet.bench.mlperf.loadgen.verdict import Verdict
from spanjet.bench.mlperf.rules import Scenario
from spanjet.bench.mlperf.table.baselines import Contender
from spanjet.measure.progress import OnStep, ignore_step
from spanjet.measure.rounds import WARM_UPS, Spread, alternate, timed
from spanjet.measure.workload import run_batches
from spanjet.reader.reader import Reader
from spanjet.runtime.engine import Hint

__all__ = ["choose_count", "measure_overhead", "measure_single", "measure_throughputs", "warm_up"]

FEWEST, MOST = 32, 320
"""Sample counts are multiples of 32, so that two streams get equal numbers of batches of 16."""

SHORTEST = 4.0
"""Minimum seconds of a run; fast contenders answer the samples several times in it."""

LEAST_QUERIES = 12


def choose_count(rate: float, seconds: float) -> int:
    """Choose the number of samples that fill some seconds, a multiple of `FEWEST` up to `MOST`."""
    return int(min(max(rate * seconds // FEWEST, 1) * FEWEST, MOST))


def warm_up(contender: Contender, samples: Samples) -> float:
    """Compile a contender's model, run its shapes, and measure its samples per second."""
    indices = np.arange(min(FEWEST, len(samples)))
    with _system(contender.reader, samples, "Offline", contender.batching, contender.hint) as system:
        system.run(indices[:2])
        rate = len(indices) / timed(lambda: system.run(indices), collect=False).wall
        system.run(np.resize(np.arange(len(samples)), max(int(rate * SHORTEST), 1)))
    return rate


def measure_throughputs(
    contenders: Sequence[Contender],
    samples: Mapping[str, Samples],
    *,
    rounds: int,
    on_step: OnStep = ignore_step,
) -> dict[str, list[float]]:
    """Measure samples per second of alternating contenders with LoadGen's Offline scenario.

    Args:
        contenders: contenders to compare; their first run is a warm-up.
        samples: the same windows for each contender's reader, by the contender's key; LoadGen queries each
            equally often.
        rounds: number of measured rounds.
        on_step: called after each run.

    Returns:
        Samples per second of each round, by the contender's key.
    """
    rates: dict[str, list[float]] = {each.key: [] for each in contenders}
    expected: dict[str, float] = {}

    def turn(contender: Contender) -> None:
        chosen = samples[contender.key]
        if contender.key not in expected:
            expected[contender.key] = warm_up(contender, chosen)
            return
        times = math.ceil(SHORTEST * expected[contender.key] / len(chosen))
        least = times * len(chosen)
        found = _test(
            contender, chosen, "Offline", contender.batching, contender.hint, least=least, evenly=True
        )
        rates[contender.key].append(found.value)

    alternate({each.key: lambda each=each: turn(each) for each in contenders}, rounds, on_step)  # type: ignore[misc]
    return rates


def measure_single(contender: Contender, samples: Samples, *, seconds: float) -> float:
    """Measure the 90th percentile of the latency of single queries in milliseconds (SingleStream)."""
    found = _test(
        contender,
        samples,
        "SingleStream",
        contender.single,
        "LATENCY",
        least=LEAST_QUERIES,
        seconds=seconds,
    )
    return found.percentiles["p90"]


def measure_overhead(
    contender: Contender, samples: Samples, *, rounds: int, on_step: OnStep = ignore_step
) -> Spread:
    """Measure the overhead of LoadGen and the system around the engine, as a share of the engine's time.

    The engine alone runs prepared batches of the same samples.

    Args:
        contender: the contender to measure.
        samples: samples to query, each once.
        rounds: number of runs of each side, after `WARM_UPS`.
        on_step: called after each run.
    """
    engine, count = contender.reader.engine, len(samples)
    plan = contender.batching(samples.lengths, engine.streams)
    batches = [samples.batch(places, length=length) for places, length in plan]
    rates: list[float] = []

    def with_loadgen() -> None:
        found = _test(
            contender, samples, "Offline", contender.batching, contender.hint, least=count, evenly=True
        )
        rates.append(found.value)

    sides = {"alone": lambda: run_batches(engine, batches, contender.hint), "LoadGen": with_loadgen}
    turns = alternate(sides, rounds, on_step, warm_ups=WARM_UPS)
    measured = zip(rates[WARM_UPS:], turns["alone"], strict=True)
    return Spread.of([count / rate / turn.wall - 1 for rate, turn in measured])


def _system(reader: Reader, samples: Samples, scenario: Scenario, batching: Batching, hint: Hint) -> System:
    return System(import_loadgen(), reader, samples, scenario, batching=batching, hint=hint)


def _test(
    contender: Contender,
    samples: Samples,
    scenario: Scenario,
    batching: Batching,
    hint: Hint,
    *,
    least: int,
    seconds: float | None = None,
    evenly: bool = False,
) -> Verdict:
    """Run one short LoadGen test, and discard its logs."""
    load = LoadSettings(
        scenario=scenario, samples=len(samples), least=least, seconds=seconds, evenly=evenly, target_latency=1
    )
    with tempfile.TemporaryDirectory(prefix="spanjet-mlperf-") as directory:
        path = Path(directory)
        settings = load.build(import_loadgen(), path / "user.conf")
        with _system(contender.reader, samples, scenario, batching, hint) as system:
            run_test(system, settings, len(samples), path)
        return Verdict.read(path)
