"""Define the result of a benchmark."""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from spanjet.bench.document import LongDocument
from spanjet.bench.latency import Latency
from spanjet.bench.throughput import Throughput
from spanjet.measure.operations import OperationTimes
from spanjet.measure.rounds import Spread

__all__ = ["BenchResult", "Measurement"]


class Measurement(NamedTuple):
    """Number of a benchmark, with its quartiles.

    Attributes:
        section: group of measurements.
        name: name within the section.
        unit: unit of the number; "" for a count or a ratio.
        value: the number; the median if there are quartiles.
        low, high: lower and upper quartile; None if it was measured once.
    """

    section: str
    name: str
    unit: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class BenchResult:
    """Result of a benchmark.

    Attributes:
        date: start of the benchmark, ISO 8601.
        data: name of the questions' source.
        machine: see `spanjet.measure.environment.describe_environment`.
        settings: settings of the model, windows, decoding, runtime and benchmark.
        first_answer_seconds: time from loading the model to the first answer.
        ready_megabytes: resident memory of the process after that.
        peak_megabytes: peak resident memory while all questions are answered for the first time; None where
            the system does not say.
        throughput, latency, document, operations: measurements; None if not measured.
    """

    date: str
    data: str
    machine: dict[str, str]
    settings: dict[str, dict[str, Any]]
    first_answer_seconds: float
    ready_megabytes: float
    peak_megabytes: float | None
    throughput: Throughput
    latency: Latency | None
    document: LongDocument | None
    operations: OperationTimes | None

    def rows(self) -> list[Measurement]:
        """List all numbers by section."""
        found = _throughput_rows(self.throughput)
        found.append(Measurement("start", "first answer after", "s", self.first_answer_seconds))
        memory = {"after the first answer": self.ready_megabytes, "peak, all questions": self.peak_megabytes}
        found += [
            Measurement("memory", name, "MB", value) for name, value in memory.items() if value is not None
        ]
        if self.latency is not None:
            found += _latency_rows(self.latency)
        if self.document is not None:
            found += _document_rows(self.document)
        if self.operations is not None:
            found += _operation_rows(self.operations)
        return found

    def warnings(self) -> list[str]:
        """Say where rounds disagree, so that a median of them is an accident."""
        rates = {
            name: self.throughput.rate(self.throughput.questions, side)
            for side, name in (("answers", "text to answers"), ("inference", "inference alone"))
        }
        return [
            f"the rounds disagree about {name}: a quarter of them is below {spread.low:.4g} questions/s, a "
            f"quarter above {spread.high:.4g}; measure again when other programs are idle, or use only the "
            "ratios"
            for name, spread in rates.items()
            if not spread.is_steady
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return the table and all raw measurements, JSON-serialisable."""
        values = asdict(self)
        values["table"] = [row._asdict() for row in self.rows()]
        values["warnings"] = self.warnings()
        return values


def _spread(section: str, name: str, unit: str, spread: Spread) -> Measurement:
    return Measurement(section, name, unit, spread.median, spread.low, spread.high)


def _percent(section: str, name: str, spread: Spread) -> Measurement:
    return Measurement(section, name, "%", 100 * spread.median, 100 * spread.low, 100 * spread.high)


def _throughput_rows(found: Throughput) -> list[Measurement]:
    section = f"{found.questions:,} questions"
    return [
        _spread(section, "text to answers", "questions/s", found.rate(found.questions)),
        _spread(section, "text to answers, streamed", "questions/s", found.rate(found.questions, "stream")),
        _spread(section, "inference alone", "questions/s", found.rate(found.questions, "inference")),
        _spread(section, "text to answers : inference alone", "", found.ratio()),
        _spread(section, "streamed : inference alone", "", found.ratio("stream")),
        _spread(section, "windows", "windows/s", found.rate(found.windows)),
        _spread(section, "tokens", "tokens/s", found.rate(found.tokens)),
        Measurement(section, "padding", "%", 100 * found.padding),
        _spread(section, "CPUs used", "", found.cores()),
    ]


def _latency_rows(found: Latency) -> list[Measurement]:
    section = "single questions"
    both = {"answer": "answers", "inference alone": "inference"}
    rows = [
        Measurement(section, f"{name}, p{percent}", "ms", found.percentile(percent, side))
        for name, side in both.items()
        for percent in (50, 90, 99)
    ]
    ratio = found.percentile(50) / found.percentile(50, "inference")
    return [*rows, Measurement(section, "answer : inference alone, p50", "", ratio)]


def _document_rows(found: LongDocument) -> list[Measurement]:
    section = f"{found.questions:,} questions on {found.tokens:,} tokens"
    return [
        _spread(section, "answers", "questions/s", found.rate(found.questions)),
        _spread(section, "windows", "windows/s", found.rate(found.windows)),
        _percent(section, "time outside the model", found.outside()),
        Measurement(section, "tokenizing, once", "ms", found.prepare_milliseconds),
    ]


def _operation_rows(found: OperationTimes) -> list[Measurement]:
    section = "time by operation"
    kinds = [kind for kind in found.by_kind() if kind.share >= 0.01]
    rows = [Measurement(section, kind.name, "%", 100 * kind.share) for kind in kinds]
    rows.append(Measurement(section, "all others", "%", 100 * (1 - sum(kind.share for kind in kinds))))
    section = "time by part of the model"
    rows += [Measurement(section, part.name, "%", 100 * part.share) for part in found.by_part()]
    return [*rows, Measurement(section, "between operations, of all", "%", 100 * found.idle)]
