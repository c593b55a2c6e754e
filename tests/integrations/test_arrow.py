"""AnswerBatch: its columns and errors, what it answers, and what its objects share."""

import doctest
import json
import multiprocessing
import pickle
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from spanjet import Answer, Reader, RuntimeConfig, WindowConfig, answer_file
from spanjet.files.row_queue import LOOK_AHEAD
from spanjet.integrations.arrow import AnswerBatch, answer_batch
from spanjet.reader.warnings import QuestionCut

MODEL = Path(__file__).parents[1] / "golden" / "tiny-bert"
EXACT = RuntimeConfig(precision="f32", cache_dir=None, threads=1)
WINDOWS = WindowConfig(max_length=128, doc_stride=32, max_question_length=100)
SETTINGS: dict[str, Any] = {"window_config": WINDOWS, "runtime_config": EXACT}
WORDS = ("who", "built", "the", "bridge", "Clara", "Höß", "1903", "river.", "東京", "naïve")
ANSWER = ["answer", "start", "end", "byte_start", "byte_end", "score", "logit", "null_logit", "no_answer"]
BLANK = (None, "", " \n", "\u200b")
INVALID = (b"\xff\xfe", b"a\xed\xa0\x80")
"""What is not UTF-8; the second is a lone surrogate."""


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(MODEL, **SETTINGS)


def answers(**options: Any) -> AnswerBatch:
    return AnswerBatch(MODEL, **{**SETTINGS, **options})


def table(questions: list[Any], contexts: list[Any], **columns: Any) -> pa.Table:
    texts = {"question": pa.array(questions, pa.string()), "context": pa.array(contexts, pa.string())}
    return pa.table({**columns, **texts})


TWO = table(["who?", "when?"], ["Clara did.", "In 1903, they say."])


def values(answer: Answer) -> dict[str, Any]:
    """The columns of an answer."""
    return {"answer" if name == "text" else name: value for name, value in answer.as_dict().items()}


# What comes out


def test_columns_follow_those_of_the_input() -> None:
    own = pa.field("id", pa.int8(), nullable=False, metadata={"key": "value"})
    schema = pa.schema([own, *TWO.schema], metadata={"made": "by hand"})
    given = pa.table([[3, 4], *TWO.columns], schema=schema)
    for batch in (given, given.to_batches()[0], given.slice(0, 0), given.slice(0, 0).to_batches()):
        if not batch:
            continue
        answered = answers()(batch)
        assert type(answered) is type(batch)
        answered.validate(full=True)
        assert answered.schema.equals(answers().output_schema(schema), check_metadata=True)
        assert list(answers().answer_schema) == list(answered.schema)[3:]
        assert answered.schema.metadata == {b"made": b"by hand"}
        assert answered.schema.field("id").equals(own, check_metadata=True)
        assert answered.schema.names == ["id", "question", "context", *ANSWER, "warning", "error"]
        assert answered.select(schema.names).equals(batch)


def test_several_answers_are_a_list() -> None:
    names = ["question", "context", "answers", "warning", "error"]
    assert answers(top_k=2)(TWO).schema.names == names
    prefixed = answers(top_k=2, prefix="qa_")(TWO)
    assert prefixed.schema.names == [*names[:2], *(f"qa_{name}" for name in names[2:])]
    assert [len(found) for found in prefixed["qa_answers"].to_pylist()] == [2, 2]
    assert answers(prefix="qa_").output_schema(TWO.schema).names[2:4] == ["qa_answer", "qa_start"]


@pytest.mark.parametrize("top_k", [1, 3])
def test_equal_to_answer_file(tmp_path: Path, reader: Reader, top_k: int) -> None:
    """Names, types, values, reasons and warnings are those of `answer_file`, in Parquet."""
    generator = random.Random(7)
    texts = [[random_text(generator, BLANK) for _ in range(60)] for _ in range(2)]
    given = table([*texts[0], "who built it? " * 60], [*texts[1], "Clara did."])
    pq.write_table(given, tmp_path / "in.parquet")
    with pytest.warns(QuestionCut):
        answer_file(tmp_path / "in.parquet", tmp_path / "out.parquet", reader=reader, top_k=top_k)
    with pytest.warns(QuestionCut):
        rows = answers(top_k=top_k)(given).to_pylist()
    written = pq.read_table(tmp_path / "out.parquet")
    expected = {row["row"]: row for row in written.to_pylist()}
    lines = (tmp_path / "out.parquet.rejected.jsonl").read_text(encoding="utf-8").splitlines()
    reasons = {line["row"]: line["reason"] for line in map(json.loads, lines)}
    assert len(expected) > 20
    assert len(reasons) > 10
    for index, row in enumerate(rows):
        assert row["error"] == reasons.get(index)
        assert row["warning"] == expected.get(index, {"warning": None})["warning"]
        found = expected[index]["answers"] if index in expected else None
        if top_k > 1:
            assert row["answers"] == found
        else:
            first = {"text": None} if found is None else found[0]
            assert row["answer"] == first["text"]
            assert [row[name] for name in ANSWER[1:]] == [first.get(name) for name in ANSWER[1:]]
    assert "cut to 100" in rows[-1]["warning"]
    kind = written.schema.field("answers").type
    schema = answers(top_k=top_k).output_schema(given.schema)
    if top_k > 1:
        assert schema.field("answers").type == kind
    else:
        assert [schema.field(name).type for name in ANSWER] == [field.type for field in kind.value_type]


# What comes in


def random_text(generator: random.Random, others: tuple[Any, ...]) -> Any:
    if generator.random() < 0.2:
        return generator.choice(others)
    return " ".join(generator.choices(WORDS, k=generator.randint(1, 12)))


def is_text(value: Any) -> bool:
    return isinstance(value, str) and value not in BLANK


def random_column(generator: random.Random, texts: list[Any]) -> pa.ChunkedArray:
    """A column of texts and bytes, of a random type and layout."""
    kind = generator.choice(
        ["string", "large_string", "string_view", "binary", "large_binary", "binary_view"]
    )
    column = pa.array([text.encode() if isinstance(text, str) else text for text in texts], pa.binary())
    if "string" in kind:
        column = column.cast(pa.string(), safe=False)
    column = column.cast(getattr(pa, kind)(), safe=False)
    layout = generator.choice(["plain", "chunks", "slice", "dictionary", "part of a dictionary"])
    if "dictionary" in layout:
        places = [None if text is None else place for place, text in enumerate(texts)]
        column = pa.DictionaryArray.from_arrays(pa.array([*places, *places], pa.int16()), column)
        return pa.chunked_array([column.slice(len(texts))])
    if layout == "slice":
        return pa.chunked_array([pa.concat_arrays([column, column]).slice(len(texts))])
    if layout == "chunks":
        cut = generator.randint(0, len(texts))
        return pa.chunked_array([column.slice(0, cut), column.slice(cut)])
    return pa.chunked_array([column])


def random_tables(number: int) -> Iterator[tuple[pa.Table, list[Any], list[Any]]]:
    for seed in range(number):
        generator, rows = random.Random(seed), random.Random(seed).randint(0, 12)
        others = (*BLANK, *INVALID)
        repeated = [random_text(generator, others) for _ in range(3)]
        questions = [random_text(generator, others) for _ in range(rows)]
        contexts = [generator.choice([*repeated, random_text(generator, others)]) for _ in range(rows)]
        columns = {"q": random_column(generator, questions), "c": random_column(generator, contexts)}
        yield pa.table({"id": list(range(rows)), **columns}), questions, contexts


@pytest.mark.parametrize("top_k", [1, 3])
def test_random_tables(reader: Reader, top_k: int) -> None:
    """Each row has the answers that `Reader.ask_many` gives to it alone, or an error."""
    answer = answers(top_k=top_k, question="q", context="c")
    batches: list[pa.RecordBatch] = []
    asked = rejected = 0
    for given, questions, contexts in random_tables(80):
        batches += given.to_batches()
        answered = answer(given)
        assert answered.select(["id", "q", "c"]).equals(given)
        answered = answered.drop_columns(["q", "c"])  # of which some are not valid
        answered.validate(full=True)
        for row, question, context in zip(answered.to_pylist(), questions, contexts, strict=True):
            if is_text(question) and is_text(context):
                (found,) = reader.ask_many([question], [context], top_k=top_k)
                expected = {"answers": [each.as_dict() for each in found]} if top_k > 1 else values(found[0])
                assert row == {"id": row["id"], **expected, "warning": None, "error": None}
                asked += 1
            else:
                column = "c" if is_text(question) else "q"
                assert row.pop("error").startswith(f"column '{column}': ")
                assert {value for name, value in row.items() if name != "id"} == {None}
                rejected += 1
    assert min(asked, rejected) > 100
    # The same rows as one stream of batches, in which they are batched otherwise.
    pairs = zip(answer.map_batches(batches), batches, strict=True)
    assert [streamed.equals(answer(batch)) for streamed, batch in pairs] == [True] * len(batches)


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ([1, 2], "int64"),
        ([["a"], None], "list<item: string>"),
        (pa.array([1, 2]).dictionary_encode(), "dictionary<values=int64, indices=int32, ordered=0>"),
    ],
)
def test_columns_of_other_types_are_errors_of_their_rows(column: Any, kind: str) -> None:
    rows = answers()(pa.table({"question": column, "context": ["a", "b"]})).to_pylist()
    assert [row["error"] for row in rows] == [f"column 'question' is of {kind}; expected strings"] * 2


def test_columns_without_a_type() -> None:
    rows = answers()(pa.table({"question": pa.nulls(2), "context": ["a", "b"]})).to_pylist()
    assert [row["error"] for row in rows] == ["column 'question': expected a string, found null"] * 2


def test_one_column_may_be_both() -> None:
    found = answers(question="text", context="text")(pa.table({"text": ["Who was Clara?", None]})).to_pylist()
    assert found[0]["error"] is None
    assert found[0]["answer"] in "Who was Clara?"
    assert found[1]["error"] == "column 'text': expected a string, found null"


def test_what_a_reader_rejects_is_an_error_too() -> None:
    """The rows around it are answered."""
    windows = WindowConfig(max_length=12, doc_stride=4, max_question_length=None)
    answer = answers(window_config=windows)
    rows = answer(table(["who?", "who built the bridge " * 4, "who?"], ["Clara did."] * 3)).to_pylist()
    assert [row["error"] is None for row in rows] == [True, False, True]
    assert "question" in rows[1]["error"]
    assert rows[0]["answer"] == rows[2]["answer"]


def test_more_bad_rows_than_may_wait() -> None:
    rows = 25_000
    given = table([*repeat(None, rows), "who?"], [*repeat("Clara did.", rows + 1)])
    answered = answers()(given)
    assert answered["error"].null_count == 1
    assert answered["answer"].null_count == rows
    assert len(answered) == rows + 1


# Errors of a whole batch


def test_errors_of_a_batch() -> None:
    other = pa.table({"q": ["who?"], "context": ["Clara did."]})
    twice = pa.table([["a"], ["b"], ["c"]], names=["question", "context", "context"])
    for given, message in (
        (other, r"no column 'question' \(question=…\); the input has 'q', 'context'"),
        (pa.table({}), r"no column 'question' \(question=…\); the input has no columns"),
        (twice, r"more than one column 'context' \(context=…\); the input has 'question', 'context'"),
        (TWO.append_column("error", [["a", "b"]]), "the input has a column 'error', a name that the output"),
    ):
        with pytest.raises(ValueError, match=message):
            answers()(given)
        with pytest.raises(ValueError, match=message):
            answers().output_schema(given.schema)
    assert answers(prefix="qa_")(TWO.append_column("error", [["a", "b"]])).num_rows == 2
    with pytest.raises(ValueError, match="has a column 'answers'"):
        answers(top_k=2)(TWO.append_column("answers", [["a", "b"]]))
    assert answers()(TWO.append_column("answers", [["a", "b"]])).num_rows == 2


def test_other_batches() -> None:
    for given, message in (
        ({"question": ["who?"]}, r"found dict; Ray Data gives tables with batch_format='pyarrow'"),
        ([1], "expected a pyarrow Table or RecordBatch, found list"),
    ):
        with pytest.raises(TypeError, match=message):
            answers()(given)
    with pytest.raises(TypeError, match=r"expected RecordBatches, found Table; call the object itself"):
        next(answers().map_batches([TWO]))
    with pytest.raises(TypeError, match="schema: expected Schema, found list"):
        answers().output_schema(["question", "context"])


def test_arguments_are_checked_at_once() -> None:
    for options, kind, message in (
        ({"top_k": 0}, ValueError, "top_k is 0"),
        ({"threads": 0}, ValueError, "threads is 0"),
        ({"threads": True}, TypeError, "threads is True"),
        ({"threshold": 2}, ValueError, "threshold is 2"),
        ({"threshold": "reader"}, ValueError, "threshold is 'reader'; expected 'model'"),
        ({"question": 3}, TypeError, "question: expected str, found int"),
        ({"prefix": None}, TypeError, "prefix: expected str, found NoneType"),
        ({"runtime_config": {}}, TypeError, "runtime_config: expected RuntimeConfig, found dict"),
        ({"window_config": 1}, TypeError, "window_config: expected WindowConfig, found int"),
        ({"match_special_tokens": 1}, TypeError, "match_special_tokens: expected bool, found int"),
    ):
        with pytest.raises(kind, match=message):
            answers(**options)
    with pytest.raises(TypeError, match="model: expected a path, a hub id or None, found Reader"):
        AnswerBatch(Reader(MODEL))  # type: ignore[arg-type]


# Streams of batches


def batches(number: int, rows: int) -> Iterator[pa.RecordBatch]:
    for batch in range(number):
        questions = [f"who built bridge {batch} {row}?" for row in range(rows)]
        yield table(questions, ["Clara did."] * rows).to_batches()[0]


def test_a_stream_reads_ahead_within_bounds() -> None:
    rows, read = 256, 0

    def counted() -> Iterator[pa.RecordBatch]:
        nonlocal read
        for batch in batches(40, rows):
            read += 1
            yield batch

    most = 0
    for done, batch in enumerate(answers().map_batches(counted())):
        assert batch["question"][0].as_py() == f"who built bridge {done} 0?"
        most = max(most, read - done)
    assert read == 40
    assert 2 <= most <= 1 + 2 * LOOK_AHEAD // rows


def test_batches_of_all_sizes() -> None:
    sizes = [0, 0, 3, 0, 1, 5, 0]
    given = [batch.slice(0, size) for batch, size in zip(batches(len(sizes), 5), sizes, strict=True)]
    answered = list(answers().map_batches(given))
    assert [batch.num_rows for batch in answered] == sizes
    assert [batch.select(["question", "context"]) for batch in answered] == given
    assert list(answers().map_batches([])) == []


def test_batches_before_an_error_come_out() -> None:
    def failing() -> Iterator[pa.RecordBatch]:
        yield from batches(2, 3)
        raise OSError("the network is down")

    def lacking() -> Iterator[pa.RecordBatch]:
        yield from batches(2, 3)
        yield pa.record_batch({"question": ["who?"]})

    for source, error in ((failing(), OSError), (lacking(), ValueError)):
        stream = answers().map_batches(source)
        assert [next(stream).num_rows for _ in range(2)] == [3, 3]
        with pytest.raises(error, match=r"network is down|no column 'context'"):
            next(stream)


def test_a_stream_that_is_closed_frees_its_source() -> None:
    closed = []

    def source() -> Iterator[pa.RecordBatch]:
        try:
            yield from batches(100, 100)
        finally:
            closed.append(True)

    stream = answers().map_batches(source())
    assert next(stream).num_rows == 100
    stream.close()  # type: ignore[attr-defined]  # it is a generator
    assert closed == [True]


# Processes and threads


def test_pickled_without_its_reader() -> None:
    answer = answers()
    expected = answer(TWO)
    data = pickle.dumps(answer)
    assert len(data) < 2_000
    assert repr(pickle.loads(data)) == repr(answer)  # noqa: S301  (our own)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(answer, (TWO,)).equals(expected)


def test_a_relative_directory_becomes_absolute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(MODEL.parent)
    answer = AnswerBatch(MODEL.name, **SETTINGS)
    monkeypatch.chdir("/")
    assert answer(TWO).num_rows == 2
    assert repr(AnswerBatch("organisation/name")).startswith("AnswerBatch('organisation/name', ")


def test_one_reader_in_a_process_for_equal_settings() -> None:
    settings = {"runtime_config": RuntimeConfig(precision="f32", cache_dir=None), "threads": 1}
    objects = [answers(**settings, question=f"column {number}", top_k=1 + number) for number in range(8)]
    together = threading.Barrier(len(objects))
    found: list[Reader] = []

    def load(answer: AnswerBatch) -> None:
        together.wait()
        found.append(answer.reader)

    threads = [threading.Thread(target=load, args=(answer,)) for answer in objects]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == len(objects)
    assert len(set(map(id, found))) == 1
    assert pickle.loads(pickle.dumps(objects[0])).reader is found[0]  # noqa: S301  (our own)
    assert answers(**settings, threshold=0.5).reader is not found[0]


def test_threads_may_share_an_object() -> None:
    answer = answers()
    given = [table([f"who built bridge {number}?"] * 40, ["Clara did."] * 40) for number in range(4)]
    expected = [answer(one) for one in given]
    found: dict[int, pa.Table] = {}
    threads = [
        threading.Thread(target=lambda number: found.update({number: answer(given[number])}), args=(number,))
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[number].equals(expected[number]) for number in range(4)] == [True] * 4


def test_threads_are_set_and_not_pinned() -> None:
    """OpenVINO pins the threads of each process to the same CPUs."""
    config = answers(threads=2).reader.runtime_config
    assert (config.threads, config.pinning, config.precision) == (2, False, "f32")
    assert answers().reader.runtime_config.threads == 1
    pinned = answers(runtime_config=RuntimeConfig(cache_dir=None, pinning=True)).reader
    assert pinned.runtime_config.pinning is True


def test_the_model_is_loaded_when_it_is_needed(tmp_path: Path) -> None:
    answer = AnswerBatch(tmp_path / "nothing")
    assert answer(TWO.slice(0, 0)).num_rows == 0
    assert answer(table([None], ["Clara did."]))["error"].null_count == 0
    with pytest.raises(FileNotFoundError, match="nothing"):
        answer(TWO)


def test_threshold() -> None:
    with pytest.warns(UserWarning, match="not calibrated"):
        found = answers(threshold=1.0)(TWO).to_pylist()
    assert [(row["answer"], row["end"], row["error"]) for row in found] == [("", 0, None)] * 2
    assert all(row["answer"] for row in answers(threshold=None)(TWO).to_pylist())


def test_without_pyarrow() -> None:
    script = "import sys; sys.modules['pyarrow'] = None; import spanjet.integrations.arrow"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    message = "ImportError: spanjet.integrations.arrow needs pyarrow: pip install 'spanjet[arrow]'"
    assert ended.stderr.splitlines()[-1] == message


def test_the_example_runs() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    (example,) = (test for test in finder.find(AnswerBatch, "AnswerBatch", answer_batch) if test.examples)
    assert doctest.DocTestRunner(verbose=False).run(example) == doctest.TestResults(0, 7)
