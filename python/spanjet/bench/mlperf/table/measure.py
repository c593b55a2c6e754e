"""Measure throughput, latency and LoadGen's own overhead in short tests that take turns."""

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
"""Samples that all contenders answer: multiples of 32, so that two streams have as many batches of 16."""

SHORTEST = 4.0
"""Seconds of a turn at least: quick contenders answer the samples several times in it."""

LEAST_QUERIES = 12


def choose_count(rate: float, seconds: float) -> int:
    """Choose how many samples are answered in some seconds: a multiple of `FEWEST`, up to `MOST`."""
    return int(min(max(rate * seconds // FEWEST, 1) * FEWEST, MOST))


def warm_up(contender: Contender, samples: Samples) -> float:
    """Compile a contender's model, have it meet its shapes, and measure its samples a second."""
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
    """Measure samples a second in the Offline scenario, by LoadGen, of contenders that take turns.

    Args:
        contenders: what is compared; in the first of their turns they warm up.
        samples: the same windows for each contender's reader, by the contender's key. LoadGen asks for each
            of them equally often.
        rounds: turns that count.
        on_step: called after each turn.

    Returns:
        By the contender's key, one number for each round.
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
    """Measure the milliseconds that 90 % of single queries take at most (SingleStream)."""
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
    """Measure the cost of LoadGen and our system around the engine, as a share of the engine's time.

    The engine alone runs batches of the same samples that were made beforehand.

    Args:
        contender: the system.
        samples: what is asked, each once.
        rounds: turns of each side, after `WARM_UPS`.
        on_step: called after each turn.
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
    """Run one short LoadGen test, whose logs are not kept."""
    load = LoadSettings(
        scenario=scenario, samples=len(samples), least=least, seconds=seconds, evenly=evenly, target_latency=1
    )
    with tempfile.TemporaryDirectory(prefix="spanjet-mlperf-") as directory:
        path = Path(directory)
        settings = load.build(import_loadgen(), path / "user.conf")
        with _system(contender.reader, samples, scenario, batching, hint) as system:
            run_test(system, settings, len(samples), path)
        return Verdict.read(path)
