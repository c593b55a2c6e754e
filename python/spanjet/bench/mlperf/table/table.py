"""Measure the comparison table of this machine: models in the Offline scenario, and steps of the speed-up."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from spanjet.bench.mlperf.configuration import describe_configuration
from spanjet.bench.mlperf.loadgen.samples import Samples
from spanjet.bench.mlperf.models import floors_met, megabytes, start_f1
from spanjet.bench.mlperf.rules import DECODING, WINDOWING
from spanjet.bench.mlperf.table.baselines import BASELINE, BUNDLED, SCHEDULE, Contender, contenders
from spanjet.bench.mlperf.table.large import has_random_weights
from spanjet.bench.mlperf.table.measure import (
    choose_count,
    measure_overhead,
    measure_single,
    measure_throughputs,
    warm_up,
)
from spanjet.config import RuntimeConfig
from spanjet.evaluate import evaluate
from spanjet.files.datasets.dataset import SquadDataset
from spanjet.measure.progress import Progress, no_progress
from spanjet.measure.rounds import Spread
from spanjet.model import Model
from spanjet.reader.reader import Reader
from spanjet.runtime.machine import physical_cores
from spanjet.validation import check_bool, check_integer, check_number

__all__ = ["ModelRow", "Step", "Table", "TableConfig", "measure_table"]

OVERHEAD_SAMPLES = 320


@dataclass(frozen=True, kw_only=True, slots=True)
class TableConfig:
    """Settings of the table's measurements.

    Attributes:
        rounds: number of runs of each contender, after one warm-up.
        seconds: approximate duration of a run of the slowest contender.
        accuracy: measure F1 on all questions.
        threads: threads for inference; None: all CPUs.

    Raises:
        TypeError: a field has the wrong type.
        ValueError: a field is out of range.
    """

    rounds: int = 3
    seconds: float = 60.0
    accuracy: bool = True
    threads: int | None = None

    def __post_init__(self) -> None:
        check_integer(self, "rounds", minimum=1)
        check_number(self, "seconds", above=0)
        check_integer(self, "threads", minimum=1, optional=True)
        check_bool(self, "accuracy")


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelRow:
    """Measurements of a model.

    Attributes:
        name: display name of the model and its batching.
        random: True if its weights are random, so that only the speed is compared.
        throughput: samples per second.
        per_core: median samples per second and physical core.
        speed_up: throughput relative to the baseline, round by round.
        schedule_speed_up: throughput relative to the baseline's model through our schedule.
        f1: F1 in percent; None: not measured, or random weights.
        floors: True for each share of the reference's or the source model's F1 that F1 holds; None if
            unknown.
        megabytes: size of the weights in megabytes of 1,000,000 bytes.
        latency: 90th percentile of the latency of single queries, in milliseconds.
    """

    name: str
    random: bool
    throughput: Spread
    per_core: float
    speed_up: Spread
    schedule_speed_up: Spread
    f1: float | None
    floors: dict[str, bool | None]
    megabytes: float
    latency: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """Step of the speed-up.

    Attributes:
        name: the change from the previous contender.
        contender: contender after the change.
        factor: ratio of the throughput after and before the change, round by round.
        throughput: samples per second after the change.
    """

    name: str
    contender: str
    factor: Spread
    throughput: Spread


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Comparison table of one machine.

    Attributes:
        data: description of the samples.
        samples: number of samples, evenly spread over the lengths of all windows.
        rounds: number of runs of each contender.
        rows: measurements of the models.
        steps: steps of the speed-up.
        overhead: overhead of LoadGen and the system, as a share of the engine's time.
        runtime: threads, streams and precision of all contenders.
        configuration: see `describe_configuration`.
    """

    data: str
    samples: int
    rounds: int
    rows: list[ModelRow]
    steps: list[Step]
    overhead: Spread
    runtime: dict[str, str]
    configuration: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """Return the attributes by name, JSON-serialisable."""
        return asdict(self)


def measure_table(
    large: Model,
    bundled: Model,
    models: Sequence[Model],
    dataset: SquadDataset,
    config: TableConfig,
    *,
    progress: Progress = no_progress,
) -> Table:
    """Measure the comparison table in alternating rounds of short LoadGen tests.

    Args:
        large: the plain BERT-Large in INT8, the baseline's model.
        bundled: the bundled model.
        models: further models to compare.
        dataset: data set for windows and F1, SQuAD v1.1 dev in an official comparison.
        config: settings of the measurements.
        progress: progress bars.

    Raises:
        ImportError: LoadGen is not installed.
        ValueError: the data set is not SQuAD v1.1.
        RuntimeError: see `run_test`.
    """
    readers = [_reader(model, config) for model in (large, bundled, *models)]
    found = contenders(readers[0], readers[1], readers[2:])
    by_key = {each.key: each for each in found}
    whole = {each.key: Samples(each.reader, dataset) for each in found}
    with progress("how fast"):
        count = choose_count(warm_up(by_key[BASELINE], whole[BASELINE]), config.seconds)
    chosen = {key: samples.subset(count) for key, samples in whole.items()}
    with progress("throughput") as bar:
        rates = measure_throughputs(found, chosen, rounds=config.rounds, on_step=bar)
    rows = [_row(each, rates, chosen, dataset, config, progress) for each in found if each.listed]
    with progress("LoadGen's overhead") as bar:
        asked, rounds = whole[BUNDLED].subset(OVERHEAD_SAMPLES), 2 * config.rounds
        overhead = measure_overhead(by_key[BUNDLED], asked, rounds=rounds, on_step=bar)
    return Table(
        data=whole[BUNDLED].label,
        samples=len(chosen[BASELINE]),
        rounds=config.rounds,
        rows=rows,
        steps=_steps(found, rates),
        overhead=overhead,
        runtime=readers[1].engine.describe(),
        configuration=describe_configuration(),
    )


def _reader(model: Model, config: TableConfig) -> Reader:
    # Settings tuned for one model would make contenders differ in more than the stated change.
    runtime = RuntimeConfig(threads=config.threads, cache_dir=None)
    return Reader(model, window_config=WINDOWING, decode_config=DECODING, runtime_config=runtime)


def _row(
    each: Contender,
    rates: dict[str, list[float]],
    samples: dict[str, Samples],
    dataset: SquadDataset,
    config: TableConfig,
    progress: Progress,
) -> ModelRow:
    """Measure the latency and F1 of a contender, and return its row of the table."""
    model, throughput, f1 = each.reader.model, Spread.of(rates[each.key]), None
    with progress(f"single queries: {each.name}"):
        latency = measure_single(each, samples[each.key], seconds=config.seconds / 10)
    if config.accuracy and not has_random_weights(model):
        # On all questions, which gives the F1 of LoadGen's accuracy log.
        with progress(f"F1: {each.name}") as bar:
            f1 = evaluate(each.reader, dataset, on_step=bar).scores.f1
    return ModelRow(
        name=each.name,
        random=has_random_weights(model),
        throughput=throughput,
        per_core=throughput.median / physical_cores(),
        speed_up=_factor(rates[BASELINE], rates[each.key]),
        schedule_speed_up=_factor(rates[SCHEDULE], rates[each.key]),
        f1=f1,
        floors={} if f1 is None else floors_met(f1, start_f1(model)),
        megabytes=megabytes(model),
        latency=latency,
    )


def _steps(found: list[Contender], rates: dict[str, list[float]]) -> list[Step]:
    return [
        Step(
            name=each.step,
            contender=each.name,
            factor=_factor(rates[before.key], rates[each.key]),
            throughput=Spread.of(rates[each.key]),
        )
        for before, each in pairwise(found)
        if each.step
    ]


def _factor(before: list[float], after: list[float]) -> Spread:
    return Spread.of([new / old for old, new in zip(before, after, strict=True)])
