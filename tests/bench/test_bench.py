"""`spanjet.bench`: what is asked, what is measured, and that the numbers fit together."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from spanjet import Reader, RuntimeConfig, WindowConfig
from spanjet.bench import BenchConfig, BenchResult, built_in, run_bench, sample
from spanjet.bench.latency import Latency, measure_latency
from spanjet.bench.throughput import Throughput
from spanjet.evaluate import Question, load_squad
from spanjet.measure import environment, memory
from spanjet.measure.questions import _read_sentences
from spanjet.measure.rounds import Spread, Turn, alternate, ratios, timed
from spanjet.measure.workload import Workload
from spanjet.model import Model
from spanjet.runtime.engine import Runtime

QUICK = BenchConfig(
    limit=12, rounds=2, single_questions=3, document_questions=2, document_tokens=300, budgets=(384, 2048)
)


@pytest.fixture(scope="module")
def result() -> BenchResult:
    model = Path(__file__).parents[1] / "golden" / "tiny-bert"
    steps: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        steps.append((done, total))

    found = run_bench(
        model,
        built_in(20, 0),
        data="a test",
        config=QUICK,
        runtime=RuntimeConfig(cache_dir=None),
        progress=progress,
    )
    total = steps[-1][1]
    assert steps == [(done, total) for done in range(1, total + 1)]
    return found


def test_sentences_hold_their_answers() -> None:
    sentences = _read_sentences()
    assert len(set(sentences)) == len(sentences) > 70
    for sentence, question, answer in sentences:
        assert sentence.count(answer) == 1
        assert sentence.endswith((".", '"'))
        assert question.endswith("?")


def test_built_in_questions_are_as_long_as_squad() -> None:
    dataset = built_in(2000, 0)
    assert len(dataset) == 2000
    assert len({question.id for question in dataset.questions}) == 2000
    assert all(question.answers[0] in question.context for question in dataset.questions)
    tokenizer = Reader().tokenizer
    windows = tokenizer.windows(
        [each.question for each in dataset.questions], [each.context for each in dataset.questions]
    )
    lengths = np.diff(windows.indptr)
    # SQuAD v1.1 dev: mean 178, median 164, 2.4 % of the windows full.
    assert lengths.mean() == pytest.approx(178, rel=0.05)
    assert np.median(lengths) == pytest.approx(164, rel=0.05)
    assert 0.01 < (lengths == 384).mean() < 0.05


def test_questions_are_seeded(data: Path) -> None:
    assert built_in(50, 1) == built_in(50, 1)
    assert built_in(50, 1) != built_in(50, 2)
    dataset = load_squad(data / "squad" / "v1.1.json")
    assert sample(dataset, 7, 1) == sample(dataset, 7, 1)
    assert sample(dataset, 7, 1) != sample(dataset, 7, 2)
    assert len(sample(dataset, 7, 1)) == 7
    everything = sample(dataset, None, 1)
    assert set(everything.questions) == set(sample(dataset, 10**6, 2).questions) == set(dataset.questions)
    for make in (built_in, lambda limit, seed: sample(dataset, limit, seed)):
        with pytest.raises(ValueError, match=r"^limit is 0; expected at least 1$"):
            make(0, 0)


def test_spread() -> None:
    assert Spread.of([3.0]) == Spread(3.0, 3.0, 3.0)
    values = [5.0, 1.0, 4.0, 2.0]
    low, median, high = np.percentile(values, [25, 50, 75])
    assert Spread.of(values) == Spread(median, low, high)


def test_rounds_alternate() -> None:
    order: list[str] = []
    sides: dict[str, Callable[[], object]] = {name: lambda name=name: order.append(name) for name in "abc"}  # type: ignore[misc]
    turns = alternate(sides, 3)
    assert "".join(order) == "cbaabccbaabc"
    assert {name: len(found) for name, found in turns.items()} == {"a": 3, "b": 3, "c": 3}
    order.clear()
    assert len(alternate(sides, 2, warm_ups=2)["a"]) == 2
    assert "".join(order) == "cbaabccbaabc"


def test_time_is_measured() -> None:
    turn = timed(lambda: time.sleep(0.1))
    assert 0.1 <= turn.wall < 5
    assert turn.cpu < 0.1
    assert ratios([Turn(2, 0), Turn(3, 0)], [Turn(4, 0), Turn(1, 0)]) == [0.5, 3.0]


def test_workload_is_what_the_reader_runs(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[int, ...]] = []
    run = Runtime.run

    def record(self: Runtime, batches: object, **options: object) -> object:
        def seen() -> object:
            for batch in batches:  # type: ignore[attr-defined]
                if batch is not None:
                    ran.append(batch.input_ids.shape)
                yield batch

        return run(self, seen(), **options)  # type: ignore[arg-type]

    asked, contexts = ["who built the tower?", "when?"] * 30, ["paris " * n for n in range(1, 61)]
    work = Workload(reader, asked, contexts)
    monkeypatch.setattr(Runtime, "run", record)
    reader.ask_many(asked, contexts)
    assert sorted(ran) == sorted(batch.input_ids.shape for batch in work.batches)
    filled = sum(int(batch.attention_mask.sum()) for batch in work.batches)
    positions = sum(batch.input_ids.size for batch in work.batches)
    assert (work.questions, work.tokens) == (60, filled)
    assert work.padding == pytest.approx(1 - filled / positions)
    assert work.windows == sum(len(batch.input_ids) for batch in work.batches)


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
    steps: list[None] = []
    arguments = {"count": 4, "rounds": 2, "on_turn": lambda: steps.append(None)}
    assert measure_latency(reader, long, **arguments) is None  # type: ignore[arg-type]
    found = measure_latency(reader, [*long, *short], **arguments)  # type: ignore[arg-type]
    assert found is not None
    assert found.questions == 4
    assert {side: len(values) for side, values in found.milliseconds.items()} == {
        "answers": 8,
        "inference": 8,
    }
    assert len(steps) == 3


def test_percentiles() -> None:
    found = Latency(questions=1, milliseconds={"answers": [4.0, 1.0, 2.0, 3.0, 5.0], "inference": [1.0]})
    assert [found.percentile(percent) for percent in (0, 50, 100)] == [1.0, 3.0, 5.0]
    assert found.percentile(99, "inference") == 1.0


def test_result(result: BenchResult) -> None:
    assert result.throughput.questions == 12
    assert result.document is not None
    assert result.document.tokens >= 300
    assert [budget.batch_tokens for budget in result.budgets] == [384, 2048]
    assert result.budgets[0].batches > result.budgets[1].batches
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
    config = BenchConfig(
        limit=3, rounds=1, single_questions=0, document_questions=0, budgets=(), operations=False
    )
    model = Path(__file__).parents[1] / "golden" / "tiny-bert"
    steps: list[int] = []
    result = run_bench(
        model,
        built_in(3, 0),
        data="a test",
        config=config,
        runtime=RuntimeConfig(cache_dir=None),
        progress=lambda done, total: steps.append(total - done),
    )
    assert (result.latency, result.document, result.operations, result.budgets) == (None, None, None, [])
    assert {row.section for row in result.rows()} == {"3 questions", "start", "memory"}
    assert steps[-1] == 0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rounds": 0}, "rounds is 0; expected at least 1"),
        ({"single_questions": -1}, "single_questions is -1; expected at least 0"),
        ({"budgets": (512, 0)}, "budgets holds 0; expected at least 1"),
    ],
)
def test_settings_out_of_range(fields: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        BenchConfig(**fields)  # type: ignore[arg-type]


def test_memory_has_a_peak() -> None:
    memory.reset_peak()
    before = memory.peak_megabytes()
    block = np.ones(40_000_000, np.uint8)
    del block
    after, now = memory.peak_megabytes(), memory.resident_megabytes()
    assert before is not None
    assert after is not None
    assert now is not None
    assert after > before + 30
    assert now < after - 30


def test_memory_without_proc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "STATUS", tmp_path / "missing")
    monkeypatch.setattr(memory, "CLEAR", tmp_path / "missing" / "file")
    memory.reset_peak()
    assert memory.peak_megabytes() is None


def test_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmicrocode\t: 0xab\n", encoding="utf-8")
    (tmp_path / "meminfo").write_text("MemTotal:       2000000 kB\nMemFree: 1 kB\n", encoding="utf-8")
    (tmp_path / "governor").write_text("performance\n", encoding="utf-8")
    monkeypatch.setattr(environment, "PROC", tmp_path)
    monkeypatch.setattr(environment, "GOVERNOR", tmp_path / "governor")
    found = environment.describe_environment()
    assert found["microcode"] == "0xab"
    assert found["governor"] == "performance"
    assert found["memory"] == "2.0 GB"
    assert float(found["load"]) >= 0
    monkeypatch.setattr(environment, "PROC", tmp_path / "missing")
    monkeypatch.setattr(environment, "GOVERNOR", tmp_path / "missing")
    assert not {"microcode", "governor", "memory"} & set(environment.describe_environment())
