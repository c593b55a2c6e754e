"""`spanjet.bench`: what is asked, what is measured, and that the numbers fit together."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from spanjet import Reader, RuntimeConfig, WindowConfig
from spanjet.bench import BenchConfig, BenchResult, built_in, run_bench
from spanjet.bench.latency import Latency, measure_single_questions
from spanjet.bench.throughput import Throughput
from spanjet.evaluate import Question
from spanjet.measure.progress import OnStep, no_progress
from spanjet.measure.rounds import Spread, Turn
from spanjet.model import Model

QUICK = BenchConfig(limit=12, rounds=2, single_questions=3, document_questions=2, document_tokens=300)


@pytest.fixture(scope="module")
def result() -> BenchResult:
    model = Path(__file__).parents[1] / "golden" / "tiny-bert"
    steps: dict[str, list[tuple[int, int | None]]] = {}

    @contextmanager
    def progress(title: str) -> Iterator[OnStep]:
        steps[title] = []
        yield lambda *step: steps[title].append(step)

    found = run_bench(
        model,
        built_in(20, 0),
        data="a test",
        config=QUICK,
        runtime=RuntimeConfig(cache_dir=None),
        progress=progress,
    )
    turns = QUICK.rounds + 1
    totals = {"throughput": 3 * turns, "single questions": turns, "long document": 2 * turns, "operations": 2}
    assert list(steps) == ["first answer", "memory", *totals]
    for title, total in totals.items():
        assert steps[title] == [(done, total) for done in range(1, total + 1)]
    return found


def test_throughput_is_amount_over_time() -> None:
    turns = {
        "answers": [Turn(2.0, 3.0), Turn(4.0, 6.0)],
        "inference": [Turn(1.0, 1.0), Turn(4.0, 1.0)],
    }
    found = Throughput(questions=8, windows=10, batches=3, tokens=100, padding=0.1, turns=turns)
    assert found.rate(8) == Spread(3.0, 2.5, 3.5)
    assert found.ratio() == Spread(0.75, 0.625, 0.875)
    assert found.cores() == Spread(1.5, 1.5, 1.5)


def test_latency_asks_questions_of_one_window(toy: Model, exact: RuntimeConfig) -> None:
    reader = Reader(toy, window_config=WindowConfig(max_length=24, doc_stride=8), runtime_config=exact)
    long, short = (
        [Question(id=f"{words}", question="who?", context="paris " * words, answers=())] * 5
        for words in (40, 4)
    )
    steps: list[tuple[int, int | None]] = []
    arguments: dict[str, Any] = {"count": 4, "rounds": 2, "on_step": lambda *step: steps.append(step)}
    assert measure_single_questions(reader, long, **arguments) is None
    found = measure_single_questions(reader, [*long, *short], **arguments)
    assert found is not None
    assert found.questions == 4
    assert {side: len(values) for side, values in found.milliseconds.items()} == {
        "answers": 8,
        "inference": 8,
    }
    assert steps == [(1, 3), (2, 3), (3, 3)]


def test_percentiles() -> None:
    found = Latency(questions=1, milliseconds={"answers": [4.0, 1.0, 2.0, 3.0, 5.0], "inference": [1.0]})
    assert [found.percentile(percent) for percent in (0, 50, 100)] == [1.0, 3.0, 5.0]
    assert found.percentile(99, "inference") == 1.0


def test_result(result: BenchResult) -> None:
    assert result.throughput.questions == 12
    assert result.document is not None
    assert result.document.tokens >= 300
    rows = {(row.section, row.name): row for row in result.rows()}
    assert len(rows) == len(result.rows())
    speed = rows["12 questions", "text to answers"]
    assert speed.low is not None
    assert speed.high is not None
    assert 0 < speed.low <= speed.value <= speed.high
    assert 0 < rows["12 questions", "padding"].value < 100
    assert rows["memory", "peak, all questions"].value >= rows["memory", "after the first answer"].value * 0.9
    single = [rows["single questions", f"answer, p{percent}"].value for percent in (50, 90, 99)]
    assert single == sorted(single)
    assert result.operations is not None
    for section, other in (
        ("time by operation", 0),
        ("time by part of the model", 100 * result.operations.idle),
    ):
        shares = [row.value for (found, _), row in rows.items() if found == section]
        assert sum(shares) == pytest.approx(100 + other)
    sections = [row.section for row in result.rows()]
    assert sections == sorted(sections, key=sections.index), "a section's rows are together"


def test_result_goes_through_json(result: BenchResult) -> None:
    values = json.loads(json.dumps(result.as_dict()))
    assert values["table"][0]["unit"] == "questions/s"
    assert len(values["throughput"]["turns"]["inference"]) == QUICK.rounds
    assert values["settings"]["bench"]["limit"] == 12
    assert values["machine"]["cpus"]


def test_parts_may_be_left_out() -> None:
    config = BenchConfig(limit=3, rounds=1, single_questions=0, document_questions=0, operations=False)
    model = Path(__file__).parents[1] / "golden" / "tiny-bert"
    titles: list[str] = []

    def progress(title: str) -> AbstractContextManager[OnStep]:
        titles.append(title)
        return no_progress(title)

    result = run_bench(
        model,
        built_in(3, 0),
        data="a test",
        config=config,
        runtime=RuntimeConfig(cache_dir=None),
        progress=progress,
    )
    assert (result.latency, result.document, result.operations) == (None, None, None)
    assert {row.section for row in result.rows()} == {"3 questions", "start", "memory"}
    assert titles == ["first answer", "memory", "throughput"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rounds": 0}, "rounds is 0; expected an integer of at least 1"),
        ({"limit": 0}, "limit is 0; expected an integer of at least 1"),
        ({"seed": -1}, "seed is -1; expected an integer of at least 0"),
        (
            {"operation_questions": 0},
            "operation_questions is 0; expected an integer of at least 1",
        ),
        ({"single_questions": -1}, "single_questions is -1; expected an integer of at least 0"),
    ],
)
def test_settings_out_of_range(fields: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=rf"^BenchConfig\.{message}$"):
        BenchConfig(**fields)  # type: ignore[arg-type]
