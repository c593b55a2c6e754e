"""Inference alone: the reader's own batches, and readers that are compared on them."""

import pytest
from spanjet import Reader
from spanjet.files.datasets.dataset import Question
from spanjet.measure.workload import Workload, compare_inference
from spanjet.runtime.engine import Runtime


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


def test_inference_is_compared_in_turn(reader: Reader) -> None:
    questions = [Question(id=f"{n}", question="who?", context="paris " * n, answers=()) for n in (4, 9)]
    steps: list[tuple[int, int | None]] = []
    found = compare_inference(
        {"one": reader, "two": reader}, questions, rounds=3, warm_ups=2, on_step=lambda *s: steps.append(s)
    )
    assert steps == [(done, 10) for done in range(1, 11)]
    work = Workload.of(reader, questions)
    assert (found.windows, found.tokens) == (work.windows, work.tokens)
    shown = found.as_dict({"ratio": 2.0})
    assert list(shown) == ["unit", "one", "two", "ratio", "windows", "tokens", "rounds"]
    assert shown["rounds"] == 3
    wall = sorted(turn.wall for turn in found.turns["two"])[1]
    assert shown["two"] == pytest.approx(work.windows / wall, abs=0.01)
    pairs = zip(found.turns["one"], found.turns["two"], strict=True)
    assert found.speed_up("two", "one").median == sorted(one.wall / two.wall for one, two in pairs)[1]
