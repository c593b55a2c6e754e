"""The table of this machine: models in the Offline scenario, and how the speed-up divides."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from spanjet.bench.mlperf.configuration import describe_configuration, physical_cores
from spanjet.bench.mlperf.loadgen.samples import Samples
from spanjet.bench.mlperf.models import floors_met, megabytes, start_f1
from spanjet.bench.mlperf.rules import DECODING, WINDOWING
from spanjet.bench.mlperf.table.baselines import BASELINE, BUNDLED, Contender, contenders
from spanjet.bench.mlperf.table.large import has_random_weights
from spanjet.bench.mlperf.table.measure import (
    choose_count,
    measure_overhead,
    measure_single,
    measure_throughputs,
    warm_up,
)
from spanjet.compress.quantize.trials import Bars, no_bars
from spanjet.config import RuntimeConfig
from spanjet.evaluate import SquadDataset, evaluate
from spanjet.measure.rounds import WARM_UPS, Spread
from spanjet.model import Model
from spanjet.reader.reader import Reader

__all__ = ["Row", "Step", "Table", "TableConfig", "measure_table"]

OVERHEAD_SAMPLES = 320


@dataclass(frozen=True, kw_only=True, slots=True)
class TableConfig:
    """How much is measured.

    Attributes:
        rounds: turns of each contender, after one to warm up.
        seconds: of a turn of the slowest contender, about.
        accuracy: whether F1 is measured on all questions.
        threads: for inference; None: all CPUs.

    Raises:
        ValueError: a field out of range.
    """

    rounds: int = 3
    seconds: float = 60.0
    accuracy: bool = True
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise ValueError(f"rounds is {self.rounds}; expected at least 1")
        if not self.seconds > 0:
            raise ValueError(f"seconds is {self.seconds}; expected more than 0")


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A line of the table.

    Attributes:
        name: the model and how it is run.
        random: whether its weights are random: then only the architecture is compared.
        throughput: samples a second.
        per_core: samples a second and core, the median.
        speed_up: over the baseline, round by round.
        f1: in percent; None: not measured, or random weights.
        floors: whether F1 holds shares of the reference's and of the start model's; None where unknown.
        megabytes: of the weights.
        latency: milliseconds that 90 % of single queries take at most.
    """

    name: str
    random: bool
    throughput: Spread
    per_core: float
    speed_up: Spread
    f1: float | None
    floors: dict[str, bool | None]
    megabytes: float
    latency: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A part of the speed-up.

    Attributes:
        name: what is changed, against the contender before (pruning: against the bundled model).
        contender: what it makes.
        factor: throughput after over throughput before, round by round.
        throughput: samples a second after it.
    """

    name: str
    contender: str
    factor: Spread
    throughput: Spread


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """All that was measured.

    Attributes:
        data: what the samples are, in words.
        samples: how many of the windows were asked for, evenly spread over the lengths.
        rounds: turns of each contender.
        rows: the models.
        steps: how the speed-up divides.
        overhead: what LoadGen and our system cost, as a share of the engine's time alone.
        runtime: threads, streams and precision that all contenders have.
        configuration: see `describe_configuration`.
    """

    data: str
    samples: int
    rounds: int
    rows: list[Row]
    steps: list[Step]
    overhead: Spread
    runtime: dict[str, str]
    configuration: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """The attributes by name, ready for JSON."""
        return asdict(self)


def measure_table(
    large: Model,
    bundled: Model,
    models: Sequence[Model],
    dataset: SquadDataset,
    config: TableConfig,
    *,
    bars: Bars = no_bars,
) -> Table:
    """Measure everything, in alternating rounds of short LoadGen tests.

    Args:
        large: the plain model in INT8, which the baseline is made of.
        bundled: the model that comes with the package.
        models: further ones.
        dataset: SQuAD v1.1 dev, for windows and F1.
        config: how much is measured.
        bars: shows progress.

    Raises:
        ImportError: LoadGen is not installed.
        ValueError: the data set is not SQuAD v1.1.
        RuntimeError: see `run_test`.
    """
    # What was tuned for one model would make others differ in more than the row says.
    runtime = RuntimeConfig(threads=config.threads, cache_dir=None)
    large_reader, bundled_reader, *others = (
        Reader(model, window_config=WINDOWING, decode_config=DECODING, runtime_config=runtime)
        for model in (large, bundled, *models)
    )
    found = contenders(large_reader, bundled_reader, others)
    whole = {each.key: Samples(each.reader, dataset) for each in found}
    by_key = {each.key: each for each in found}
    with bars("how fast"):
        count = choose_count(warm_up(by_key[BASELINE], whole[BASELINE]), config.seconds)
    chosen = {key: samples.subset(count) for key, samples in whole.items()}
    rates = _throughputs(found, chosen, config, bars)
    rows = [
        _row(each, rates, _single(each, chosen[each.key], config, bars), _f1(each, dataset, config, bars))
        for each in found
        if each.listed
    ]
    return Table(
        data=whole[BUNDLED].label,
        samples=len(chosen[BASELINE]),
        rounds=config.rounds,
        rows=rows,
        steps=_steps(found, rates),
        overhead=_overhead(by_key[BUNDLED], whole[BUNDLED], config, bars),
        runtime=bundled_reader.engine.describe(),
        configuration=describe_configuration(),
    )


def _throughputs(
    found: list[Contender], chosen: dict[str, Samples], config: TableConfig, bars: Bars
) -> dict[str, list[float]]:
    with bars("throughput") as progress:
        steps = _counter(progress, len(found) * (config.rounds + 1))
        return measure_throughputs(found, chosen, rounds=config.rounds, on_turn=steps)


def _single(each: Contender, samples: Samples, config: TableConfig, bars: Bars) -> float:
    with bars(f"single queries: {each.name}"):
        return measure_single(each, samples, seconds=config.seconds / 10)


def _f1(each: Contender, dataset: SquadDataset, config: TableConfig, bars: Bars) -> float | None:
    """F1 on all questions, which equals that of LoadGen's accuracy log."""
    if not config.accuracy or has_random_weights(each.reader.model):
        return None
    with bars(f"F1: {each.name}") as progress:
        return evaluate(each.reader, dataset, progress=progress).scores.f1


def _overhead(each: Contender, samples: Samples, config: TableConfig, bars: Bars) -> Spread:
    with bars("LoadGen's overhead") as progress:
        rounds = 2 * config.rounds
        steps = _counter(progress, 2 * (rounds + WARM_UPS))
        return measure_overhead(each, samples.subset(OVERHEAD_SAMPLES), rounds=rounds, on_turn=steps)


def _row(each: Contender, rates: dict[str, list[float]], latency: float, f1: float | None) -> Row:
    throughput = Spread.of(rates[each.key])
    model = each.reader.model
    return Row(
        name=each.name,
        random=has_random_weights(model),
        throughput=throughput,
        per_core=throughput.median / physical_cores(),
        speed_up=_factor(rates[BASELINE], rates[each.key]),
        f1=f1,
        floors={} if f1 is None else floors_met(f1, start_f1(model)),
        megabytes=megabytes(model),
        latency=latency,
    )


def _steps(found: list[Contender], rates: dict[str, list[float]]) -> list[Step]:
    steps = []
    for before, each in pairwise(found):
        if each.step:
            base = BUNDLED if each.key.startswith("model") else before.key
            steps.append(
                Step(
                    name=each.step,
                    contender=each.name,
                    factor=_factor(rates[base], rates[each.key]),
                    throughput=Spread.of(rates[each.key]),
                )
            )
    return steps


def _factor(before: list[float], after: list[float]) -> Spread:
    return Spread.of([new / old for old, new in zip(before, after, strict=True)])


def _counter(bar: Callable[[int, int | None], None] | None, total: int) -> Callable[[], None]:
    done = iter(range(1, total + 1))
    return (lambda: None) if bar is None else (lambda: bar(next(done), total))
