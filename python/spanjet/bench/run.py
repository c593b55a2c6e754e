"""Run all measurements of a benchmark."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from spanjet.bench.config import BenchConfig
from spanjet.bench.document import measure_document
from spanjet.bench.latency import measure_single_questions
from spanjet.bench.result import BenchResult
from spanjet.bench.throughput import measure_throughput
from spanjet.config import RuntimeConfig
from spanjet.files.datasets.dataset import Question, SquadDataset
from spanjet.measure.environment import describe_environment
from spanjet.measure.operations import measure_operations
from spanjet.measure.progress import Progress, no_progress
from spanjet.measure.questions import sample
from spanjet.measure.workload import Workload
from spanjet.reader.reader import Reader
from spanjet.runtime.machine import peak_megabytes, reset_peak, resident_megabytes

__all__ = ["run_bench"]


def run_bench(
    model: Any,
    dataset: SquadDataset,
    *,
    data: str,
    config: BenchConfig | None = None,
    runtime: RuntimeConfig | None = None,
    progress: Progress = no_progress,
) -> BenchResult:
    """Benchmark a model on this machine.

    Args:
        model: the model, as `Reader` takes it.
        dataset: questions to sample from.
        data: name of the data set in the result.
        config: settings of the benchmark; default: ``BenchConfig()``.
        runtime: runtime settings; default: ``RuntimeConfig()``.
        progress: progress bars.

    Raises:
        OSError, ValueError: the model cannot be loaded, see `Reader`.
        RuntimeError: OpenVINO failed.
    """
    config = config or BenchConfig()
    questions = sample(dataset, config.limit, config.seed).questions
    date, machine = datetime.now(timezone.utc).isoformat(timespec="seconds"), describe_environment()
    with progress("first answer"):
        began = time.perf_counter()
        reader = Reader(model, runtime_config=runtime)
        reader.ask(questions[0].question, questions[0].context)
        seconds = time.perf_counter() - began
    with progress("memory"):
        ready, peak = _memory(reader, questions)
    return BenchResult(
        date=date,
        data=data,
        machine=machine,
        settings=_settings(reader, config),
        first_answer_seconds=seconds,
        ready_megabytes=ready,
        peak_megabytes=peak,
        **_times(reader, questions, config, progress),
    )


def _times(
    reader: Reader, questions: Sequence[Question], config: BenchConfig, progress: Progress
) -> dict[str, Any]:
    """Run the timed measurements, by name in the result."""
    found: dict[str, Any] = dict.fromkeys(("latency", "document", "operations"))
    with progress("throughput") as bar:
        found["throughput"] = measure_throughput(reader, questions, rounds=config.rounds, on_step=bar)
    if config.single_questions:
        with progress("single questions") as bar:
            found["latency"] = measure_single_questions(
                reader, questions, count=config.single_questions, rounds=config.rounds, on_step=bar
            )
    if config.document_questions:
        with progress("long document") as bar:
            found["document"] = measure_document(
                reader,
                questions,
                count=config.document_questions,
                tokens=config.document_tokens,
                rounds=config.rounds,
                on_step=bar,
            )
    if config.operations:
        work = Workload.of(reader, questions[: config.operation_questions])
        with progress("operations") as bar:
            found["operations"] = measure_operations(reader.engine, work.batches, on_step=bar)
    return found


def _memory(reader: Reader, questions: tuple[Question, ...]) -> tuple[float, float | None]:
    """Measure the resident memory before answering all questions, and its peak meanwhile."""
    ready = resident_megabytes()
    reset_peak()
    reader.ask_many([each.question for each in questions], [each.context for each in questions])
    return ready, peak_megabytes()


def _settings(reader: Reader, config: BenchConfig) -> dict[str, dict[str, Any]]:
    card = reader.model.card or {}
    model = {"name": card.get("name"), "directory": str(reader.model.path)}
    runtime = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in asdict(reader.runtime_config).items()
    }
    return {
        "model": model,
        "windows": asdict(reader.window_config),
        "decode": asdict(reader.decode_config),
        "runtime": runtime,
        "bulk": reader.engine.describe("THROUGHPUT"),
        "single": reader.engine.describe("LATENCY"),
        "bench": asdict(config),
    }
