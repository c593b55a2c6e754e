"""AnswerBatch in Ray Data and Spark against `spanjet answer`: make bench-distributed [SQUAD=train-v2.0.json]

python -m benches.distributed [--squad FILE] [--rows 10000] [--rounds 3] [--only ray spark]

Each side answers all rows in processes of its own. Every worker notes when it has loaded its model and when
it has answered a batch. A side is in steady state from the first batch of its last worker to the last batch
of its first one. The answers of all sides are compared with those of `answer`.

In each round the sides run one after the other. On a machine that does other work too, ``--beside`` runs each
of them at the same time as `answer`, so that both get the same share of the CPUs; then only ratios count, and
`answer` is not pinned either: where others compute, pinned threads get less than those that may move.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from spanjet import Reader, RuntimeConfig, answer_file
from spanjet.evaluate import load_squad
from spanjet.integrations.arrow import AnswerBatch
from spanjet.measure.environment import describe_environment
from spanjet.measure.questions import built_in, sample
from spanjet.measure.rounds import Spread
from spanjet.runtime.machine import affinity, resident_megabytes

BATCH = 1024
"""Rows of a block of Ray Data and of a record batch of Spark, and between two notes of `answer_file`."""


class Side(NamedTuple):
    """Engine with its number of workers and of threads of each worker; pinning is for `answer`."""

    engine: str
    workers: int
    threads: int
    pinning: bool | None = None

    def __str__(self) -> str:
        return f"{self.engine}, {self.workers} x {self.threads}"


class Note(NamedTuple):
    """Line that a worker writes when it has loaded its model (no rows), or answered a batch.

    Attributes:
        time, cpu: wall-clock time, and CPU time of the process, in seconds.
        rows: number of rows since the last note.
        megabytes: resident memory of the process.
        seconds: how long loading took.
    """

    time: float
    cpu: float
    rows: int
    megabytes: float
    seconds: float = 0.0


def note(directory: Path, rows: int, seconds: float = 0.0) -> None:
    """Append a note to the file of this process."""
    line = Note(time.time(), time.process_time(), rows, resident_megabytes(), seconds)
    with (directory / f"{os.getpid()}.notes").open("a", encoding="ascii") as file:
        file.write(f"{json.dumps(line)}\n")


def load(reader: Callable[[], Reader], directory: Path) -> None:
    """Load a reader and compile its model for bulk work, and note how long that took."""
    if not (directory / f"{os.getpid()}.notes").exists():
        began = time.perf_counter()
        reader().engine.streams  # noqa: B018  (asking for it compiles the model)
        note(directory, 0, time.perf_counter() - began)


class NotedAnswerBatch(AnswerBatch):
    """AnswerBatch that notes each batch in a directory."""

    def __init__(self, directory: str, **options: Any) -> None:
        super().__init__(**options)
        self.directory = Path(directory)

    def map_batches(self, batches: Any) -> Iterator[Any]:
        load(lambda: self.reader, self.directory)
        for answered in super().map_batches(batches):
            note(self.directory, answered.num_rows)
            yield answered


def run_answer(side: Side, rows: Path, out: Path, notes: Path) -> float:
    """Answer the rows with `answer_file`; return the time at which it could begin."""
    began = time.time()
    reader = Reader(runtime_config=RuntimeConfig(threads=side.threads, pinning=side.pinning))
    load(lambda: reader, notes)

    def progress(done: int, _total: int | None) -> None:
        if done and (done % BATCH == 0 or done == count):
            note(notes, done % BATCH or BATCH)

    count = pq.read_metadata(rows).num_rows
    answer_file(rows, out, reader=reader, progress=progress)
    return began


def run_ray(side: Side, rows: Path, out: Path, notes: Path) -> float:
    """Answer the rows in actors of Ray Data."""
    import ray  # noqa: PLC0415  (only this side needs it)

    # As `answer`; by default, the workers of Ray leave the CPUs to others.
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112  (spelt so by Ray)
    ray.init("local", num_cpus=len(affinity()), include_dashboard=False, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    began = time.time()
    blocks = ray.data.read_parquet(str(rows)).repartition(target_num_rows_per_block=BATCH)
    answered = blocks.map_batches(
        NotedAnswerBatch,
        fn_constructor_kwargs={"directory": str(notes), "threads": side.threads},
        compute=ray.data.ActorPoolStrategy(size=side.workers),
        num_cpus=0.5,
        batch_format="pyarrow",
        batch_size=None,
    )
    answered.write_parquet(str(out))
    return began


def run_spark(side: Side, rows: Path, out: Path, notes: Path) -> float:
    """Answer the rows in Python workers of Spark."""
    from pyspark.sql import SparkSession  # noqa: PLC0415  (only this side needs it)
    from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema  # noqa: PLC0415  (likewise)

    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master(f"local[{side.workers}]").config("spark.ui.enabled", "false")
    spark = builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", str(BATCH)).getOrCreate()
    began = time.time()
    read = spark.read.parquet(str(rows))
    partitions = side.workers * math.ceil(pq.read_metadata(rows).num_rows / side.workers / (2 * BATCH))
    answers = NotedAnswerBatch(str(notes), threads=side.threads)
    schema = from_arrow_schema(answers.output_schema(to_arrow_schema(read.schema)))
    read.repartition(partitions).mapInArrow(answers.map_batches, schema).write.parquet(str(out))
    spark.stop()
    return began


RUN: dict[str, Callable[[Side, Path, Path, Path], float]] = {
    "answer": run_answer,
    "ray": run_ray,
    "spark": run_spark,
}


class Measured(NamedTuple):
    """One run of a side.

    Attributes:
        start: seconds until the engine has started.
        load: seconds until a worker has loaded its model, the slowest one's.
        seconds: seconds of the whole run, the interpreter's start included.
        workers: notes of each worker.
    """

    start: float
    load: float
    seconds: float
    workers: list[list[Note]]

    @property
    def cpu(self) -> float:
        """CPU milliseconds of the workers for a row, after the first batch of each."""
        used = sum(notes[-1].cpu - notes[1].cpu for notes in self.workers)
        return 1000 * used / sum(note.rows for notes in self.workers for note in notes[2:])

    @property
    def megabytes(self) -> float:
        """Resident memory of the largest worker."""
        return max(note.megabytes for notes in self.workers for note in notes)

    def rate(self, beside: Measured | None = None) -> float:
        """Return the rows a second in steady state, or while another side was in steady state too.

        Raises:
            RuntimeError: the other side was never in steady state at the same time.
        """
        workers = [*self.workers, *(beside.workers if beside is not None else ())]
        begin = max(notes[1].time for notes in workers)
        end = min(notes[-1].time for notes in workers)
        if end <= begin:
            raise RuntimeError("no worker had two batches while the others were in steady state")
        rows = 0.0
        for notes in self.workers:
            times = [note.time for note in notes]
            counts = np.cumsum([note.rows for note in notes])
            rows += np.diff(np.interp([begin, end], times, counts)).item()
        return float(rows / (end - begin))


def measure(side: Side, rows: Path, directory: Path) -> Measured:
    """Run a side in a process of its own.

    Raises:
        RuntimeError: it failed, or not all workers had two batches.
    """
    notes = directory / "notes"
    notes.mkdir(parents=True)
    began = time.time()
    command = [sys.executable, "-m", "benches.distributed", "--run", json.dumps(side)]
    ended = subprocess.run([*command, str(rows), str(directory)], capture_output=True, text=True, check=False)
    seconds = time.time() - began
    if ended.returncode:
        raise RuntimeError(f"{side} failed:\n{ended.stderr[-4000:]}")
    workers = list(read_notes(notes))
    if len(workers) != side.workers or min(map(len, workers)) < 3:
        raise RuntimeError(f"{side}: batches of the workers: {[len(each) - 1 for each in workers]}")
    started = float((directory / "started").read_text(encoding="ascii"))
    return Measured(started - began, max(each[0].seconds for each in workers), seconds, workers)


def read_notes(directory: Path) -> Iterator[list[Note]]:
    """Yield the notes of each worker."""
    for path in directory.glob("*.notes"):
        yield [Note(*json.loads(line)) for line in path.read_text(encoding="ascii").splitlines()]


def differences(answers: Path, found: Path) -> list[str]:
    """Compare what a side wrote with the output of `answer_file`, row by row and bit by bit."""
    expected = {row["row"]: row["answers"][0] for row in pq.read_table(answers).to_pylist()}
    table = pq.read_table(found).sort_by("id")
    ids = table["id"].to_pylist()
    if ids != list(range(len(expected))):
        return [f"{len(ids)} rows, of which {len(set(ids))} are different ones; expected {len(expected)}"]
    columns = [name for name in table.column_names if name not in ("id", "question", "context", "warning")]
    rows = table.select(columns).to_pylist()
    answers_in_order = (answer for _, answer in sorted(expected.items()))
    wanted = ({"answer": answer.pop("text"), **answer, "error": None} for answer in answers_in_order)
    return [f"row {row}" for row, pair in enumerate(zip(rows, wanted, strict=True)) if pair[0] != pair[1]]


def write_rows(path: Path, squad: Path | None, number: int) -> None:
    """Write questions and contexts of a SQuAD file in random order, or of our own sentences."""
    dataset = built_in(number, 0) if squad is None else sample(load_squad(squad), number, 0)
    questions = [question.question for question in dataset.questions]
    contexts = [question.context for question in dataset.questions]
    table = pa.table({"id": range(len(questions)), "question": questions, "context": contexts})
    pq.write_table(table, path, row_group_size=len(questions))


def sides(only: Sequence[str], cpus: int) -> list[Side]:
    """`answer` on all CPUs, each engine with one worker on all of them, and with a worker for each."""
    chosen = [Side("answer", 1, cpus)]
    for engine in only:
        chosen += dict.fromkeys([Side(engine, 1, cpus), Side(engine, cpus, 1)])
    return chosen


Pair = tuple[Measured, Measured]
"""Runs of `answer` and of a side in the same round."""


def report(measured: dict[Side, list[Pair]], *, beside: bool) -> Iterator[str]:
    """Yield the lines of the table; ratios are to `answer` in the same round."""
    yield "| workers x threads | rows/s | time over `answer` | CPU over `answer` | start | load | run | MB |"
    yield "|---|---|---|---|---|---|---|---|"
    for side, pairs in measured.items():
        if beside:
            times = [answer.rate(run) / run.rate(answer) for answer, run in pairs]
        else:
            times = [answer.rate() / run.rate() for answer, run in pairs]
        runs = [run for _, run in pairs]
        cells = [str(side), f"{median(run.rate() for run in runs):.0f}"]
        for ratios in (times, [run.cpu / answer.cpu for answer, run in pairs]):
            spread = Spread.of(ratios)
            cells.append(f"{spread.median:.2f} ({spread.low:.2f} to {spread.high:.2f})")
        cells += [f"{median(run.start for run in runs):.1f} s", f"{median(run.load for run in runs):.1f} s"]
        cells += [f"{median(run.seconds for run in runs):.0f} s", f"{max(run.megabytes for run in runs):.0f}"]
        yield f"| {' | '.join(cells)} |"


def records(measured: dict[Side, list[Pair]]) -> list[dict[str, Any]]:
    """Return the figures of each round: rows a second, CPU milliseconds a row, seconds, megabytes."""

    def record(run: Measured) -> dict[str, float]:
        values = {"rows_a_second": run.rate(), "cpu": run.cpu, "megabytes": run.megabytes}
        return {**values, "start": run.start, "load": run.load, "seconds": run.seconds}

    return [
        {
            **side._asdict(),
            "rounds": [{"answer": record(answer), "side": record(run)} for answer, run in pairs],
        }
        for side, pairs in measured.items()
    ]


def play(
    work: Path, rows: Path, chosen: Sequence[Side], *, beside: bool
) -> Iterator[tuple[Side, Pair, list[str]]]:
    """Play a round; yield each side with its run, that of `answer`, and how their answers differ."""
    first, *others = chosen
    if not beside:
        answer = measure(first, rows, work / "answer")
        yield first, (answer, answer), []
    for place, side in enumerate(others):
        base, directory = work / (f"answer {place}" if beside else "answer"), work / f"{place}"
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(measure, side, rows, directory)
            if beside:
                while not running.done() and not list(directory.glob("notes/*")):  # until it has loaded
                    time.sleep(0.1)
                answer = measure(first._replace(pinning=False), rows, base)
            pair = answer, running.result()
        yield side, pair, differences(base / "out.parquet", directory / "out")


def run_child(side: Side, rows: Path, directory: Path) -> None:
    """Run a side, and note when its engine had started."""
    out = directory / ("out.parquet" if side.engine == "answer" else "out")
    started = RUN[side.engine](side, rows, out, directory / "notes")
    (directory / "started").write_text(str(started), encoding="ascii")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benches.distributed", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--squad", type=Path, help="a SQuAD file (default: texts of our own)")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=["ray", "spark"], choices=["ray", "spark"])
    parser.add_argument("--beside", action="store_true", help="run each side at the same time as `answer`")
    parser.add_argument("--json", type=Path, help="write all measurements to this file")
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.run:
        side, rows, directory = given.run
        run_child(Side(*json.loads(side)), Path(rows), Path(directory))
        return 0
    about = {"rows": given.rows, "beside": given.beside, **describe_environment()}
    measured: dict[Side, list[Pair]] = {}
    wrong = []
    with tempfile.TemporaryDirectory() as work:
        rows = Path(work, "rows.parquet")
        write_rows(rows, given.squad, given.rows)
        chosen = sides(given.only, len(affinity()))
        for number in range(given.rounds):
            played = play(Path(work, f"round {number}"), rows, chosen, beside=given.beside)
            for side, pair, found in played:
                measured.setdefault(side, []).append(pair)
                wrong += [f"{side}: {difference}" for difference in found]
                *_, line = report({side: [pair]}, beside=given.beside)
                print(f"round {number + 1}: {line} {len(found)} differ", file=sys.stderr, flush=True)
    print("\n".join(report(measured, beside=given.beside)))
    print(f"{given.rows:,} rows; answers that differ from `answer`: {len(wrong)}", *wrong[:10], sep="\n")
    if given.json:
        content = {"about": {**about, "different answers": len(wrong)}, "sides": records(measured)}
        given.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
