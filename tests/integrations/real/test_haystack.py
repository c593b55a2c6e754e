"""SpanjetExtractiveReader in Haystack itself, with the facts that tests of Haystack's own reader state."""

import asyncio
import copy
import doctest
import importlib
import inspect
import itertools
import logging
import os
import pickle
import re
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"

import haystack
from haystack import Document, ExtractedAnswer, Pipeline, SuperComponent, component
from haystack.components.joiners import AnswerJoiner
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
from haystack.core.errors import PipelineConnectError
from haystack.dataclasses import ByteStream
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.utils import ComponentDevice, Secret
from pages import ROOT, run_code
from spanjet import Reader, RuntimeConfig
from spanjet.integrations import haystack as integration
from spanjet.integrations.haystack import SpanjetExtractiveReader

TYPE = "spanjet.integrations.haystack.SpanjetExtractiveReader"
OF_HAYSTACK_3 = "allowed_modules" in inspect.signature(Pipeline.loads).parameters
RUNTIME: dict[str, Any] = {"precision": "f32", "cache_dir": None}

GERMANY = "Who is the chancellor of Germany?"
DEPARTMENT = "Who is the head of the department?"
PERU = "What is the capital of Peru?"
DOCUMENTS = [
    Document(content="Angela Merkel was the chancellor of Germany."),
    Document(content="Olaf Scholz is the chancellor of Germany"),
    Document(content="Jerry is the head of the department."),
]

# What `to_dict` of Haystack's reader gives without arguments, in the order of its parameters.
THEIRS: dict[str, Any] = {
    "model": "deepset/roberta-base-squad2-distilled",
    "device": None,
    "token": {"type": "env_var", "env_vars": ["HF_API_TOKEN", "HF_TOKEN"], "strict": False},
    "top_k": 20,
    "score_threshold": None,
    "max_seq_length": 384,
    "stride": 128,
    "max_batch_size": None,
    "answers_per_seq": None,
    "no_answer": True,
    "calibration_factor": 0.1,
    "overlap_threshold": 0.01,
    "model_kwargs": {"device_map": "cpu"},
}
# The parameters of its `run`.
OF_RUN = ["query", "documents", "top_k", "score_threshold", "max_seq_length", "stride"]
OF_RUN += ["max_batch_size", "answers_per_seq", "no_answer", "overlap_threshold"]


@pytest.fixture(scope="module")
def reader() -> SpanjetExtractiveReader:
    return SpanjetExtractiveReader(runtime_config=RUNTIME)


def ask(reader: Any, query: Any, documents: Any, **options: Any) -> list[ExtractedAnswer]:
    result = reader.run(query, documents, **options)
    assert list(result) == ["answers"]
    found: list[ExtractedAnswer] = result["answers"]
    return found


def spans(found: list[ExtractedAnswer]) -> list[tuple[str, int, int]]:
    """Ids of the documents, and offsets in them."""
    return [
        (each.document.id, each.document_offset.start, each.document_offset.end)
        for each in found
        if each.document is not None and each.document_offset is not None
    ]


def loads(text: str) -> Pipeline:
    trusted = {"allowed_modules": [TYPE.rpartition(".")[0]]} if OF_HAYSTACK_3 else {}
    return Pipeline.loads(text, **trusted)


def retrieving(reader: SpanjetExtractiveReader, kind: Any = Pipeline) -> Pipeline:
    """A pipeline of a retriever and the reader."""
    store = InMemoryDocumentStore()
    store.write_documents(DOCUMENTS)
    pipeline = kind()
    pipeline.add_component("retriever", InMemoryBM25Retriever(store, top_k=2))
    pipeline.add_component("reader", reader)
    pipeline.connect("retriever.documents", "reader.documents")
    return pipeline


def asked(query: str) -> dict[str, Any]:
    return {"retriever": {"query": query}, "reader": {"query": query}}


def test_output(reader: SpanjetExtractiveReader) -> None:
    found = ask(reader, GERMANY, DOCUMENTS, top_k=3)
    assert [each.data for each in found[:2]] == ["Angela Merkel", "Olaf Scholz"]
    assert {each.document.id for each in found[:3]} == {document.id for document in DOCUMENTS}
    for answer in found[:3]:
        start, end = answer.document_offset.start, answer.document_offset.end
        assert answer.document.content[start:end] == answer.data
        start, end = answer.context_offset.start, answer.context_offset.end
        assert answer.context[start:end] == answer.data
        assert (answer.query, answer.meta) == (GERMANY, {})
        assert type(answer.score) is float
        assert ExtractedAnswer.from_dict(answer.to_dict()) == answer
    assert found[3:] == [ExtractedAnswer(query=GERMANY, score=found[3].score)]


@pytest.mark.parametrize("query", [GERMANY, DEPARTMENT, PERU])
def test_answers_are_those_of_a_search(reader: SpanjetExtractiveReader, query: str) -> None:
    own = Reader(runtime_config=RuntimeConfig(**RUNTIME), **reader._config().reader_settings())
    expected = own.search(query, [document.content for document in DOCUMENTS], top_k=5, threshold=None)
    found = ask(reader, query, DOCUMENTS, top_k=5)
    assert [(each.score, each.data, each.document, each.context) for each in found if each.data] == [
        (each.score, each.text, DOCUMENTS[each.passage], each.sentence) for each in expected
    ]
    assert [each.score for each in found if not each.data] == [expected.no_answer]


def test_no_answer_comes_first_where_it_is_most_probable(reader: SpanjetExtractiveReader) -> None:
    found = ask(reader, PERU, DOCUMENTS)
    assert found[0].data is None
    assert found[0].score > 0.5 > found[1].score
    assert None not in [each.data for each in ask(reader, PERU, DOCUMENTS, no_answer=False)]


@pytest.mark.parametrize("top_k", [1, 2, 5])
def test_top_k(reader: SpanjetExtractiveReader, top_k: int) -> None:
    every = ask(reader, GERMANY, DOCUMENTS, no_answer=False)
    assert ask(reader, GERMANY, DOCUMENTS, top_k=top_k, no_answer=False) == every[:top_k]
    assert len(ask(reader, GERMANY, DOCUMENTS, top_k=top_k)) == top_k + 1


def test_score_threshold(reader: SpanjetExtractiveReader) -> None:
    every = ask(reader, GERMANY, DOCUMENTS)
    assert len(every) > 5
    for least in (0.0, every[1].score, 0.999999):
        found = ask(reader, GERMANY, DOCUMENTS, score_threshold=least)
        assert found == [each for each in every if each.score >= least]
    assert found == []


def test_several_queries(reader: SpanjetExtractiveReader) -> None:
    queries = [GERMANY, PERU, DEPARTMENT]
    found = ask(reader, queries, DOCUMENTS, top_k=2)
    assert found == [each for query in queries for each in ask(reader, query, DOCUMENTS, top_k=2)]
    assert [each.query for each in found] == [query for query in queries for _ in range(3)]
    assert ask(reader, [], DOCUMENTS) == []


def test_offsets_are_in_code_points(reader: SpanjetExtractiveReader) -> None:
    text = "🌉 שלום. Die 👩‍👩‍👧 говорят: the bridge was built by Jose\u0301 Ma\u0308rz in 1903."
    (found,) = ask(reader, "Who built the bridge?", [Document(content=text)], top_k=1, no_answer=False)
    assert found.data == "Jose\u0301 Ma\u0308rz"
    assert text[found.document_offset.start : found.document_offset.end] == found.data


def test_answer_page_number(reader: SpanjetExtractiveReader, caplog: pytest.LogCaptureFixture) -> None:
    text = "I thought a lot about this. \f And this document is long. \f The answer is 42."
    for meta, expected in (({"page_number": 5}, {"answer_page_number": 7}), ({}, {}), ({"page": 5}, {})):
        found = ask(reader, "What is the answer?", [Document(content=text, meta=meta)], top_k=1)
        assert [(each.data, each.meta) for each in found] == [("42", expected), (None, {})]
    assert caplog.text == ""
    document = Document(id="old", content=text, meta={"page_number": "5"})
    with caplog.at_level(logging.WARNING):
        found = ask(reader, "What is the answer?", [document], top_k=1, no_answer=False)
    assert [each.meta for each in found] == [{}]
    assert "Document old has the page_number '5', expected an integer" in caplog.text


def test_overlap_threshold(reader: SpanjetExtractiveReader) -> None:
    document = Document(content="I want to go to the river in Maine, and to ski in Colorado.")
    for threshold, least in ((0.01, 0), (0.5, 0), (1.0, 1), (None, 1)):
        own = SpanjetExtractiveReader(runtime_config=RUNTIME, overlap_threshold=threshold, no_answer=False)
        found = spans(ask(own, "Where do I want to go?", [document]))
        pairs = [(a, b) for place, a in enumerate(found) for b in found[place + 1 :]]
        shares = [max(min(a[2], b[2]) - max(a[1], b[1]), 0) / min(a[2] - a[1], b[2] - b[1]) for a, b in pairs]
        assert len(found) > 2
        assert least <= max(shares) <= (1 if threshold is None else threshold)
    # Spans of different documents do not overlap.
    twice = [document, replace(document, id="other")]
    found = spans(ask(reader, "Where do I want to go?", twice, top_k=2, no_answer=False))
    assert [place[1:] for place in found] == [found[0][1:]] * 2


def test_no_documents() -> None:
    reader = SpanjetExtractiveReader("nowhere")
    assert reader.run(GERMANY, []) == {"answers": []}
    assert reader.run(query="hello", documents=[]) == {"answers": []}


def test_documents_without_text(reader: SpanjetExtractiveReader, caplog: pytest.LogCaptureFixture) -> None:
    image = Document(id="image", blob=ByteStream(b"\x89PNG", mime_type="image/png"))
    others = [image, Document(content=""), Document(content=" \n\t")]
    with caplog.at_level(logging.WARNING):
        found = ask(reader, GERMANY, [others[0], DOCUMENTS[0], *others[1:], *DOCUMENTS[1:]])
    assert found == ask(reader, GERMANY, DOCUMENTS)
    assert caplog.text.count("has no content and is left out") == 1
    assert "Document image" in caplog.text
    assert ask(reader, GERMANY, others) == [ExtractedAnswer(query=GERMANY, score=1.0)]


def test_a_document_that_comes_twice_is_read_once(reader: SpanjetExtractiveReader) -> None:
    again = replace(DOCUMENTS[0], score=0.7)
    assert ask(reader, PERU, [*DOCUMENTS, again, *DOCUMENTS]) == ask(reader, PERU, DOCUMENTS)
    same_id = [DOCUMENTS[0], replace(DOCUMENTS[1], id=DOCUMENTS[0].id)]
    found = ask(reader, GERMANY, same_id, top_k=2, no_answer=False)
    assert [each.data for each in found] == ["Angela Merkel", "Olaf Scholz"]


def test_documents_are_left_as_they_are(reader: SpanjetExtractiveReader) -> None:
    meta = {"page_number": 3, "nested": {"a": [1]}}
    documents = [replace(document, id=f"{n}", meta=meta, score=0.5) for n, document in enumerate(DOCUMENTS)]
    before = [document.to_dict() for document in documents]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of which Haystack gives one where its data classes are changed
        found = ask(reader, GERMANY, documents, no_answer=False)
    assert [document.to_dict() for document in documents] == before
    assert all(each.document is documents[int(each.document.id)] for each in found)
    assert all(each.meta == {"answer_page_number": 3} for each in found)


@pytest.mark.parametrize(
    ("query", "documents", "kind", "message"),
    [
        ("", DOCUMENTS, ValueError, "query is empty"),
        ([GERMANY, " "], DOCUMENTS, ValueError, r"query\[1\] is empty"),
        (None, DOCUMENTS, TypeError, "query: expected"),
        (GERMANY, ["text"], TypeError, r"documents\[0\]: expected Document, found str"),
        (GERMANY, "text", TypeError, r"documents\[0\]: expected Document, found str"),
        (GERMANY, None, TypeError, "documents: expected a list of Document, found NoneType"),
        (GERMANY, [Document(id="odd", content="a \ud800", meta={})], ValueError, "document odd: .*surrogate"),
    ],
)
def test_nonsense(
    reader: SpanjetExtractiveReader, query: Any, documents: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        reader.run(query, documents)


@pytest.mark.parametrize(
    "options",
    [{"top_k": 0}, {"score_threshold": 2}, {"stride": 400}, {"max_seq_length": 2}, {"no_answer": 1}],
)
def test_nonsense_settings(reader: SpanjetExtractiveReader, options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises((ValueError, TypeError), match=f"^{name}"):
        SpanjetExtractiveReader(**options)
    with pytest.raises((ValueError, TypeError), match=f"^{name}"):
        reader.run(GERMANY, DOCUMENTS, **options)


def test_settings_of_a_run(reader: SpanjetExtractiveReader) -> None:
    """They are those of a component that was made with them, and so are attributes that are set."""
    text = " ".join(
        f"In {year} the bridge number {year} was built by engineer E{year}." for year in range(300)
    )
    documents, query = [Document(content=text)], "Who built the bridge of 250?"
    options: dict[str, Any] = {"max_seq_length": 64, "stride": 20, "top_k": 3, "answers_per_seq": 2}
    options["overlap_threshold"] = 0.5
    found = ask(reader, query, documents, **options)
    made = SpanjetExtractiveReader(runtime_config=RUNTIME, **options)
    assert found == ask(made, query, documents)
    assert found != ask(reader, query, documents)
    changed = SpanjetExtractiveReader(runtime_config=RUNTIME)
    changed.warm_up()
    for name, value in options.items():
        setattr(changed, name, value)
    assert ask(changed, query, documents) == found
    assert changed.to_dict() == made.to_dict()


def test_many_answers_of_one_long_document(reader: SpanjetExtractiveReader) -> None:
    text = " ".join(f"Bridge {year} was built by engineer Anna Nr{year}." for year in range(1, 400))
    found = spans(ask(reader, "Who built the bridges?", [Document(content=text)], no_answer=False))
    assert len(found) == 20
    ordered = sorted(found, key=lambda each: each[1])
    assert all(first[2] <= second[1] for first, second in itertools.pairwise(ordered))


def test_the_model_is_read_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    class Counting(Reader):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            time.sleep(0.05)
            made.append(options)
            super().__init__(*arguments, **options)

    missing = SpanjetExtractiveReader(Path("/nowhere/at-all"))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        missing.warm_up()
    monkeypatch.setattr(integration, "Reader", Counting)
    reader = SpanjetExtractiveReader(runtime_config=RUNTIME)
    assert made == []
    with ThreadPoolExecutor(4) as pool:
        found = [*pool.map(lambda _: ask(reader, GERMANY, DOCUMENTS), range(4))]
    reader.warm_up()
    assert len(made) == 1
    assert found == [found[0]] * 4


def pickled(reader: SpanjetExtractiveReader) -> SpanjetExtractiveReader:
    found: SpanjetExtractiveReader = pickle.loads(pickle.dumps(reader))  # noqa: S301  (our own bytes)
    return found


def test_copies(reader: SpanjetExtractiveReader) -> None:
    expected = ask(reader, GERMANY, DOCUMENTS)
    for other in (copy.deepcopy(reader), copy.copy(reader), pickled(reader)):
        assert ask(other, GERMANY, DOCUMENTS) == expected
        assert other.to_dict() == reader.to_dict()
    unread = pickled(SpanjetExtractiveReader(runtime_config=RUNTIME))
    assert ask(unread, GERMANY, DOCUMENTS) == expected


def test_to_dict() -> None:
    reader = SpanjetExtractiveReader()
    ours = {name: value for name, value in THEIRS.items() if name in reader.to_dict()["init_parameters"]}
    assert reader.to_dict() == {
        "type": TYPE,
        "init_parameters": {
            **ours,
            "model": None,
            "answers_per_seq": 20,
            "max_answer_length": 30,
            "runtime_config": {},
        },
    }


def test_round_trip() -> None:
    given: dict[str, Any] = {"model": "some/model", "top_k": 3, "score_threshold": 0.1, "max_seq_length": 256}
    given |= {"stride": 64, "answers_per_seq": 5, "no_answer": False, "overlap_threshold": None}
    given |= {"max_answer_length": 12, "runtime_config": {"threads": 2, "cache_dir": None}}
    data = SpanjetExtractiveReader(**given).to_dict()
    assert data == {"type": TYPE, "init_parameters": given}
    before = copy.deepcopy(data)
    assert SpanjetExtractiveReader.from_dict(data).to_dict() == before == data
    assert (
        SpanjetExtractiveReader(Path("some") / "model").to_dict()["init_parameters"]["model"] == "some/model"
    )


def test_a_saved_reader_of_haystack_moves_over() -> None:
    with pytest.warns(UserWarning, match="ignores") as caught:
        moved = SpanjetExtractiveReader.from_dict({"type": TYPE, "init_parameters": copy.deepcopy(THEIRS)})
    assert [str(each.message) for each in caught] == [
        "SpanjetExtractiveReader ignores model_kwargs (they are for torch)"
    ]
    kept = moved.to_dict()["init_parameters"]
    assert kept == {**kept, "model": THEIRS["model"], "top_k": 20, "max_seq_length": 384, "stride": 128}
    assert SpanjetExtractiveReader.from_dict({"type": TYPE, "init_parameters": {}}).model is None


def test_ignored_parameters_are_named_in_one_warning(reader: SpanjetExtractiveReader) -> None:
    token, device = Secret.from_token("secret"), ComponentDevice.from_str("cuda:0")
    with pytest.warns(UserWarning, match="ignores") as caught:
        SpanjetExtractiveReader(
            None, device, token, max_batch_size=8, calibration_factor=0.2, model_kwargs={"torch_dtype": "x"}
        )
    (warning,) = caught
    assert re.findall(r"(\w+) \(", str(warning.message)) == [
        "device",
        "token",
        "max_batch_size",
        "calibration_factor",
        "model_kwargs",
    ]
    assert "secret" not in str(warning.message)
    with pytest.warns(UserWarning, match="ignores max_batch_size"):
        reader.run(GERMANY, DOCUMENTS, max_batch_size=8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SpanjetExtractiveReader(device=None, token=None, calibration_factor=0.1, model_kwargs={})


def test_unknown_parameters() -> None:
    unknown: dict[str, Any] = {"max_query_tokens": 3}
    with pytest.raises(TypeError, match="max_query_tokens"):
        SpanjetExtractiveReader(**unknown)
    with pytest.raises(TypeError, match="max_query_tokens"):
        SpanjetExtractiveReader.from_dict({"type": TYPE, "init_parameters": unknown})
    with pytest.raises(TypeError, match="thread"):
        SpanjetExtractiveReader(runtime_config={"thread": 3})
    with pytest.raises(TypeError, match="runtime_config: expected dict, found RuntimeConfig"):
        SpanjetExtractiveReader(runtime_config=RuntimeConfig())  # type: ignore[arg-type]


def test_parameters_come_in_the_same_order() -> None:
    ours = list(inspect.signature(SpanjetExtractiveReader.__init__).parameters)
    assert ours == ["self", *THEIRS, "max_answer_length", "runtime_config"]
    for run in (SpanjetExtractiveReader.run, SpanjetExtractiveReader.run_async):
        assert list(inspect.signature(run).parameters) == ["self", *OF_RUN]


@pytest.mark.skipif(OF_HAYSTACK_3, reason="Haystack 3 has no reader of its own")
def test_parameters_and_defaults_are_those_of_haystacks_reader() -> None:
    theirs = importlib.import_module("haystack.components.readers").ExtractiveReader
    for name in ("__init__", "run"):
        ours = inspect.signature(getattr(SpanjetExtractiveReader, name)).parameters
        for parameter in inspect.signature(getattr(theirs, name)).parameters.values():
            if parameter.name != "model":
                assert ours[parameter.name].default == parameter.default


def test_pipeline(reader: SpanjetExtractiveReader) -> None:
    pipeline = retrieving(copy.deepcopy(reader))
    saved = pipeline.dumps()
    loaded = loads(saved)
    assert loaded.dumps() == saved
    for query in (GERMANY, DEPARTMENT):
        found = pipeline.run(asked(query))["reader"]["answers"]
        assert loaded.run(asked(query))["reader"]["answers"] == found
        assert spans(found[:1]) == spans(ask(reader, query, DOCUMENTS)[:1])
        assert {each.document.id for each in found if each.document} == {each[0] for each in spans(found)}
    nothing = pipeline.run({"retriever": {"query": GERMANY, "top_k": 1}, "reader": {"query": PERU}})
    assert nothing["reader"]["answers"][0].data is None


def test_a_saved_pipeline_moves_over(reader: SpanjetExtractiveReader) -> None:
    theirs = "haystack.components.readers.extractive.ExtractiveReader"
    saved = retrieving(copy.deepcopy(reader)).dumps().replace(TYPE, theirs)
    saved = saved.replace("max_answer_length: 30", "calibration_factor: 0.1\n      device: null")
    assert loads(saved.replace(theirs, TYPE)).run(asked(GERMANY))["reader"]["answers"]


def test_async_pipeline(reader: SpanjetExtractiveReader) -> None:
    """Several runs at once give what one after the other gives, and the event loop goes on meanwhile."""
    pipeline = retrieving(copy.deepcopy(reader), getattr(haystack, "AsyncPipeline", Pipeline))
    queries = [GERMANY, DEPARTMENT, PERU, GERMANY]

    async def run_all() -> tuple[list[Any], int]:
        runs = asyncio.gather(*(pipeline.run_async(asked(query)) for query in queries))
        ticks = 0
        while not runs.done():
            ticks += 1
            await asyncio.sleep(0.001)
        return [result["reader"]["answers"] for result in await runs], ticks

    found, ticks = asyncio.run(run_all())
    assert found == [pipeline.run(asked(query))["reader"]["answers"] for query in queries]
    assert ticks > 1
    alone = asyncio.run(reader.run_async(GERMANY, DOCUMENTS, top_k=2, no_answer=False))
    assert alone == reader.run(GERMANY, DOCUMENTS, top_k=2, no_answer=False)


@component
class Queries:
    @component.output_types(one=str, many=list[str], number=int)  # type: ignore[untyped-decorator]
    def run(self) -> dict[str, Any]:
        return {"one": GERMANY, "many": [GERMANY, DEPARTMENT], "number": 3}


@pytest.mark.parametrize(("output", "count"), [("one", 1), ("many", 2)])
def test_queries_of_other_components(reader: SpanjetExtractiveReader, output: str, count: int) -> None:
    pipeline = Pipeline()
    pipeline.add_component("queries", Queries())
    pipeline.add_component("reader", copy.deepcopy(reader))
    with pytest.raises(PipelineConnectError):
        pipeline.connect("queries.number", "reader.query")
    pipeline.connect(f"queries.{output}", "reader.query")
    pipeline.connect("queries.number", "reader.top_k")
    found = pipeline.run({"reader": {"documents": DOCUMENTS}})["reader"]["answers"]
    assert found == ask(reader, [GERMANY, DEPARTMENT][:count], DOCUMENTS, top_k=3)


def test_super_component_and_joiner(reader: SpanjetExtractiveReader) -> None:
    """One input for the query of retriever and reader, and answers that join those of another reader."""
    pipeline = retrieving(copy.deepcopy(reader))
    pipeline.add_component("other", copy.deepcopy(reader))
    pipeline.add_component("joiner", AnswerJoiner())
    pipeline.connect("retriever.documents", "other.documents")
    pipeline.connect("reader.answers", "joiner.answers")
    pipeline.connect("other.answers", "joiner.answers")
    whole = SuperComponent(
        pipeline, input_mapping={"query": ["retriever.query", "reader.query", "other.query"]}
    )
    found = whole.run(query=GERMANY)["answers"]
    half = retrieving(copy.deepcopy(reader)).run(asked(GERMANY))["reader"]["answers"]
    assert found == [*half, *half]


@pytest.mark.skipif(not OF_HAYSTACK_3, reason="the page is written for Haystack 3")
def test_the_page_tells_the_truth() -> None:
    run_code(ROOT / "docs" / "haystack.md")


def test_examples_run() -> None:
    tests = doctest.DocTestFinder(exclude_empty=True).find(SpanjetExtractiveReader, module=integration)
    assert sum(len(test.examples) for test in tests) == 5
    assert all(doctest.DocTestRunner(verbose=False).run(test).failed == 0 for test in tests)
