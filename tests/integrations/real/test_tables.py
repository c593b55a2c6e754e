"""AnswerBatch under DuckDB and Polars."""

from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pages import ROOT, run_code
from question_rows import added_columns, expected_rows, write_questions
from spanjet.integrations.arrow import AnswerBatch

PAGE = ROOT / "docs" / "distributed.md"
ROWS = 2500


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "questions.parquet"
    write_questions(path, ROWS)
    return path


@pytest.fixture(scope="module")
def expected(questions: Path) -> list[dict[str, object]]:
    return expected_rows(questions, questions.parent)


@pytest.fixture(autouse=True)
def work(questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "questions.parquet").symlink_to(questions)
    return tmp_path


def test_the_page_on_tables() -> None:
    run_code(PAGE, "A table")


def test_the_recipe_for_duckdb(work: Path, expected: list[dict[str, object]]) -> None:
    run_code(PAGE, "DuckDB")
    with duckdb.connect(work / "answers.duckdb") as connection:
        assert added_columns(connection.sql("FROM answers").to_arrow_table()) == expected


def test_a_function_of_duckdb(expected: list[dict[str, object]]) -> None:
    """All vectors of a file of more rows than a vector has, with nulls among the questions."""
    connection = duckdb.connect()
    answers, sizes = AnswerBatch(), []

    def answer(question: pa.ChunkedArray, context: pa.ChunkedArray) -> pa.ChunkedArray:
        sizes.append(len(question))
        answered = answers(pa.table({"question": question, "context": context}))
        return pa.chunked_array(answered.select(["answer", "error"]).to_struct_array())

    struct = duckdb.struct_type({"answer": "VARCHAR", "error": "VARCHAR"})
    options = {"type": "arrow", "null_handling": "special"}
    connection.create_function("answer", answer, ["VARCHAR", "VARCHAR"], struct, **options)
    connection.sql("SELECT id, answer(question, context) AS found FROM 'questions.parquet'").create_view(
        "all"
    )
    found = connection.sql('SELECT found.answer, found.error FROM "all" ORDER BY id').fetchall()
    assert found == [(row["answer"], row["error"]) for row in expected]
    assert len(sizes) > 1


def test_offsets_are_those_of_strings() -> None:
    """DuckDB and Polars count in code points, as `start` and `end` do."""
    context = "東京 👩\u200d🔬: Clara Höß built the bridge."
    answered = AnswerBatch(threshold=None)(pa.table({"question": ["Who built it?"], "context": [context]}))
    ((text, part),) = duckdb.sql('SELECT answer, context[start + 1 : "end"] FROM answered').fetchall()
    assert (text, part) == ("Clara Höß", "Clara Höß")
    sliced = pl.col("context").str.slice("start", pl.col("end") - pl.col("start"))
    assert pl.from_arrow(answered).select(sliced).item() == text


def test_the_recipe_for_polars(work: Path, expected: list[dict[str, object]]) -> None:
    run_code(PAGE, "Polars")
    assert added_columns(pq.read_table(work / "answers.parquet")) == expected


@pytest.mark.parametrize("kind", [pl.String, pl.Categorical, pl.Binary])
def test_types_of_polars(kind: type[pl.DataType]) -> None:
    texts = ["Clara Höß built it.", None, "Clara Höß built it."]
    frame = pl.DataFrame({"question": ["Who built it?"] * 3, "context": pl.Series(texts).cast(kind)})
    for level in (pl.CompatLevel.oldest(), pl.CompatLevel.newest()):
        answered = pl.from_arrow(AnswerBatch()(frame.to_arrow(compat_level=level)))
        assert answered["answer"].to_list() == ["Clara Höß", None, "Clara Höß"]
        assert answered["context"].equals(frame["context"])
