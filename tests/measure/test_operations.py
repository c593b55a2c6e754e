"""`spanjet.measure.operations`: every operation's time, by kind and by part of the model."""

import json
from pathlib import Path

import numpy as np
import pytest
from spanjet import Reader, RuntimeConfig
from spanjet.measure.operations import Operation, OperationTimes, measure_operations, part_of
from spanjet.measure.workload import Workload
from spanjet.runtime.engine import Runtime

TINY = Path(__file__).parents[1] / "golden" / "tiny-bert"


@pytest.fixture(scope="module")
def work() -> tuple[Reader, Workload]:
    reader = Reader(TINY, runtime_config=RuntimeConfig(cache_dir=None, threads=1, precision="f32"))
    return reader, Workload(reader, ["what is it?"] * 4, ["a b c d e f g h " * 9 * n for n in (1, 2, 3, 3)])


@pytest.fixture(scope="module")
def found(work: tuple[Reader, Workload]) -> OperationTimes:
    reader, workload = work
    return measure_operations(reader.engine, workload.batches)


def test_all_of_the_time_is_there(work: tuple[Reader, Workload], found: OperationTimes) -> None:
    _, workload = work
    assert found.batches == len(workload.batches)
    spent = [operation.milliseconds for operation in found.operations]
    assert spent == sorted(spent, reverse=True)
    assert 0 < sum(spent) < found.milliseconds
    assert found.idle == pytest.approx(1 - sum(spent) / found.milliseconds)
    assert sum(operation.share for operation in found.operations) == pytest.approx(1)
    products = [each for each in found.operations if each.kind == "FullyConnected"]
    layers = json.loads((TINY / "config.json").read_text(encoding="utf-8"))["num_hidden_layers"]
    assert sum(each.nodes for each in products) == 6 * layers + 1
    assert {each.precision for each in products} == {"f32"}
    assert {"feed-forward", "query, key, value", "attention output", "answer head"} <= {
        each.part for each in products
    }


def test_time_grows_with_the_work(work: tuple[Reader, Workload]) -> None:
    """What is told is of all batches together, not of one, nor with the run that warms up."""
    reader, workload = work
    once = measure_operations(reader.engine, workload.batches * 5)
    often = measure_operations(reader.engine, workload.batches * 50)
    few, many = (sum(each.milliseconds for each in found.operations) for found in (once, often))
    assert 4 < many / few < 25


def test_turns_are_told_and_logits_are_as_ever(work: tuple[Reader, Workload]) -> None:
    reader, workload = work
    turns: list[tuple[int, int | None]] = []
    measure_operations(reader.engine, workload.batches[:1], on_step=lambda *step: turns.append(step))
    assert turns == [(1, 2), (2, 2)]
    before, after = (next(reader.engine.run(workload.batches[:1])).start.copy() for _ in range(2))
    np.testing.assert_array_equal(before, after)


def test_one_stream_counts_with_its_share_of_the_threads(work: tuple[Reader, Workload]) -> None:
    reader, _ = work
    engine = Runtime(reader.model.model, RuntimeConfig(cache_dir=None, threads=2, streams=2))
    compiled = engine.compile_counting()
    assert compiled.get_property("NUM_STREAMS") == 1
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 1
    assert compiled.get_property("PERF_COUNT")


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("embeddings.word.row", "embeddings"),
        ("embeddings.norm.normal", "add and normalise"),
        ("embeddings.norm_0_0/nncf_smooth_quant", "add and normalise"),
        ("encoder.layer.0.attention.query.product", "query, key, value"),
        ("encoder.layer.1.attention.output.product/DequantizationMultiply", "attention output"),
        ("encoder.layer.11.attention.residual", "add and normalise"),
        ("encoder.layer.0.attention.scores.scaled", "attention"),
        ("encoder.layer.0.attention.context.by_head", "attention"),
        ("attention_bias.lowered_1", "attention"),
        ("encoder.layer.0.ffn.up.product", "feed-forward"),
        ("encoder.layer.0.ffn.norm.scaled", "add and normalise"),
        ("qa_outputs.columns", "answer head"),
        ("/bert/encoder/Add_3", "other"),
    ],
)
def test_parts_by_name(name: str, part: str) -> None:
    assert part_of(name) == part


def operation(kind: str, part: str, precision: str, milliseconds: float) -> Operation:
    return Operation(
        kind=kind,
        part=part,
        precision=precision,
        implementation="jit",
        nodes=1,
        milliseconds=milliseconds,
        share=milliseconds / 10,
    )


def test_groups() -> None:
    operations = [
        operation("FullyConnected", "feed-forward", "i8", 5),
        operation("FullyConnected", "feed-forward", "f32", 3),
        operation("FullyConnected", "answer head", "i8", 1),
        operation("MVN", "feed-forward", "f32", 1),
    ]
    found = OperationTimes(operations=operations, batches=2, milliseconds=20)
    assert found.by_kind() == [
        ("FullyConnected, i8", 6, 0.6),
        ("FullyConnected, f32", 3, 0.3),
        ("MVN, f32", 1, 0.1),
    ]
    assert found.by_part() == [("feed-forward", 9, 0.9), ("answer head", 1, 0.1)]
    assert found.idle == 0.5
