"""AnswerBatch in Python workers of Spark, of which some are killed."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pages import ROOT, run_code
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import StructType
from question_rows import added_columns, expected_rows, write_questions
from spanjet.integrations.arrow import AnswerBatch

PAGE = ROOT / "docs" / "distributed.md"
ROWS = 3000


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with questions, in which this process and its children run."""
    directory = tmp_path_factory.mktemp("work")
    write_questions(directory / "questions.parquet", ROWS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        yield directory


@pytest.fixture(scope="module")
def expected(work: Path) -> list[dict[str, object]]:
    return expected_rows(work / "questions.parquet", work)


@pytest.fixture(scope="module")
def spark(work: Path) -> Iterator[SparkSession]:
    """Two Python workers at a time; a task may fail three times."""
    assert Path.cwd() == work  # where the Java process begins, which reads and writes
    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = (
        SparkSession.builder.master("local[2,4]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "100")
        .getOrCreate()
    )
    yield session
    session.stop()


def answer(session: SparkSession, function: Any, answers: AnswerBatch, out: str) -> pa.Table:
    rows = session.read.parquet("questions.parquet").repartition(6)
    schema = StructType([*rows.schema, *from_arrow_schema(answers.answer_schema)])
    rows.mapInArrow(function, schema).write.parquet(out)
    return pq.read_table(out)


@pytest.mark.usefixtures("spark")
def test_the_recipe(work: Path, expected: list[dict[str, object]]) -> None:
    """All rows come out once, with the answers of `answer_file`."""
    run_code(PAGE, "Spark")  # which gets the session
    assert added_columns(pq.read_table(work / "answers")) == expected


def test_a_worker_that_is_killed(
    spark: SparkSession, expected: list[dict[str, object]], tmp_path: Path
) -> None:
    """A Python worker that is killed in the middle of the run is replaced; nothing is lost or doubled."""
    answers = AnswerBatch(threads=1)

    def killed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for number, batch in enumerate(answers.map_batches(batches)):
            if number == 2 and not (tmp_path / "killed").exists():
                (tmp_path / "killed").write_text(str(os.getpid()))
                os.kill(os.getpid(), signal.SIGKILL)
            with (tmp_path / f"{os.getpid()}.rows").open("a") as rows:
                rows.write(f"{batch.num_rows}\n")
            yield batch

    assert added_columns(answer(spark, killed, answers, "after a kill")) == expected
    worker = (tmp_path / "killed").read_text()
    rows = {path.stem: sum(map(int, path.read_text().split())) for path in tmp_path.glob("*.rows")}
    assert sum(rows.values()) == ROWS + 200  # which the killed worker had answered
    assert set(rows) > {worker}


def test_several_answers(spark: SparkSession, work: Path) -> None:
    """A list of structs crosses to Java and back."""
    answers = AnswerBatch(top_k=2, prefix="qa_", threads=1)
    found = answer(spark, answers.map_batches, answers, "lists").sort_by("id")
    expected = answers(pq.read_table(work / "questions.parquet"))
    assert found["qa_answers"].to_pylist() == expected["qa_answers"].to_pylist()


def test_columns_of_other_types_come_back(spark: SparkSession) -> None:
    others = (
        "timestamp'2026-01-02 03:04:05' t, date'2026-01-02' d, 1.50 m, map('a', 1) p, array(1) a, x'00' b"
    )
    rows = spark.sql(f"SELECT {others}, 'Who built it?' question, 'Clara Höß built it.' context")
    answers = AnswerBatch(threads=1)
    schema = StructType([*rows.schema, *from_arrow_schema(answers.answer_schema)])
    (found,) = rows.mapInArrow(answers.map_batches, schema).collect()
    assert found.answer == "Clara Höß"
    assert found[: len(rows.columns)] == rows.collect()[0]


def test_a_name_that_is_taken(spark: SparkSession) -> None:
    rows = spark.sql("SELECT 'a' question, 'b' context, 'c' answer")
    answers = AnswerBatch(threads=1)
    schema = StructType([*rows.schema, *from_arrow_schema(answers.answer_schema)])
    with pytest.raises(Exception, match="the input has a column 'answer', a name that the output needs"):
        rows.mapInArrow(answers.map_batches, schema).collect()


def test_empty_partitions(spark: SparkSession, work: Path) -> None:
    answers = AnswerBatch(work / "no such model")
    rows = spark.read.parquet("questions.parquet").where("id < 0").repartition(3)
    schema = StructType([*rows.schema, *from_arrow_schema(answers.answer_schema)])
    assert rows.mapInArrow(answers.map_batches, schema).collect() == []
