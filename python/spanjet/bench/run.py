"""All measurements of a benchmark, one after the other."""

import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from spanjet.bench.budgets import measure_budgets
from spanjet.bench.config import BenchConfig
from spanjet.bench.document import measure_document
from spanjet.bench.latency import measure_latency
from spanjet.bench.operations import measure_operations
from spanjet.bench.result import BenchResult
from spanjet.bench.throughput import measure_throughput
from spanjet.config import RuntimeConfig
from spanjet.evaluate import Question, SquadDataset
from spanjet.measure.environment import describe_environment
from spanjet.measure.memory import peak_megabytes, reset_peak, resident_megabytes
from spanjet.measure.questions import sample
from spanjet.measure.workload import Workload
from spanjet.reader.reader import Reader

__all__ = ["run_bench"]

Progress = Callable[[int, int], None]


def run_bench(
    model: Any,
    dataset: SquadDataset,
    *,
    data: str,
    config: BenchConfig | None = None,
    runtime: RuntimeConfig | None = None,
    progress: Progress | None = None,
) -> BenchResult:
    """Measure a model on this machine.

    Args:
        model: as `Reader` takes it.
        dataset: the questions to draw a sample from.
        data: what the result calls their source.
        config: how much is measured; default: ``BenchConfig()``.
        runtime: how the model runs; default: ``RuntimeConfig()``.
        progress: called with the numbers of finished and of all steps.

    Raises:
        OSError, ValueError: the model cannot be loaded, as `Reader` says.
        RuntimeError: OpenVINO failed.
    """
    config = config or BenchConfig()
    questions = sample(dataset, config.limit, config.seed).questions
    steps = _Steps(config, progress)
    date, machine = datetime.now(timezone.utc).isoformat(timespec="seconds"), describe_environment()
    began = time.perf_counter()
    reader = Reader(model, runtime_config=runtime)
    reader.ask(questions[0].question, questions[0].context)
    seconds = time.perf_counter() - began
    steps()
    ready, peak = _memory(reader, questions)
    steps()
    rounds: dict[str, Any] = {"rounds": config.rounds, "on_turn": steps}
    throughput = measure_throughput(reader, questions, **rounds)
    latency = document = operations = None
    if config.single_questions:
        latency = measure_latency(reader, questions, count=config.single_questions, **rounds)
    if config.document_questions:
        count, tokens = config.document_questions, config.document_tokens
        document = measure_document(reader, questions, count=count, tokens=tokens, **rounds)
    few = questions[: config.budget_questions]
    if config.operations:
        work = Workload(reader, [each.question for each in few], [each.context for each in few])
        operations = measure_operations(reader.engine, work.batches, on_turn=steps)
    return BenchResult(
        date=date,
        data=data,
        machine=machine,
        settings=_settings(reader, config),
        first_answer_seconds=seconds,
        ready_megabytes=ready,
        peak_megabytes=peak,
        throughput=throughput,
        latency=latency,
        document=document,
        operations=operations,
        budgets=measure_budgets(reader, few, budgets=config.budgets, **rounds),
    )


class _Steps:
    """Counts what is done, and tells it."""

    def __init__(self, config: BenchConfig, progress: Progress | None) -> None:
        runs = 3 + 2 * bool(config.document_questions) + bool(config.single_questions)
        self._total = 2 + (runs + 2 * len(config.budgets)) * (config.rounds + 1) + 2 * config.operations
        self._done = 0
        self._progress = progress

    def __call__(self) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)


def _memory(reader: Reader, questions: tuple[Question, ...]) -> tuple[float | None, float | None]:
    """Resident memory before all questions are answered, and the most while they are."""
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
