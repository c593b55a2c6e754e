"""The compressor and the runnable in LangChain itself."""

import asyncio
import doctest
import importlib
import inspect
import json
import pickle
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import spanjet
import spanjet.integrations.langchain as module
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.load import dumps, loads
from langchain_core.runnables import ConfigurableField, RunnablePassthrough
from langchain_core.vectorstores import InMemoryVectorStore
from pages import ROOT, run_code
from pydantic import ValidationError
from spanjet.integrations.langchain import CitedAnswers, ReaderInput, SpanjetCompressor, SpanjetReader

PARK = "The park by the river was laid out in 1810. Its trees are old."
BRIDGE = "It is painted green. The bridge was built in 1903 by the engineer Clara Höß. 🌉 It is long."
DOCUMENTS = [
    Document(PARK, metadata={"source": "park.txt"}, id="a"),
    Document(" ", metadata={"source": "blank.txt"}, id="b"),
    Document(BRIDGE, metadata={"title": "Bridges", "source": "bridge.txt", "score": 0.3}, id="c"),
]
WHO = "Who built the bridge?"
COST = "What did the bridge cost?"


@pytest.fixture(scope="module")
def bundled() -> spanjet.Reader:
    return spanjet.Reader()


@pytest.fixture(scope="module")
def store() -> InMemoryVectorStore:
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=16))
    store.add_documents([document for document in DOCUMENTS if document.page_content.strip()])
    return store


def test_the_sentence_with_the_answer_is_kept(bundled: spanjet.Reader) -> None:
    compressor = SpanjetCompressor(model=bundled)
    assert isinstance(compressor, BaseDocumentCompressor)
    (kept,) = compressor.compress_documents(DOCUMENTS, WHO)
    assert kept.page_content == "The bridge was built in 1903 by the engineer Clara Höß."
    assert kept.id == "c"
    assert {key: kept.metadata[key] for key in ("title", "source", "score")} == DOCUMENTS[2].metadata
    found, answer = kept.metadata, bundled.ask(WHO, BRIDGE)
    assert found["answer_context"] == BRIDGE
    assert BRIDGE[found["answer_start"] : found["answer_end"]] == found["answer_text"] == "Clara Höß"
    assert BRIDGE[found["answer_sentence_start"] : found["answer_sentence_end"]] == kept.page_content
    assert (found["answer_score"], found["answer_no_answer"]) == (answer.score, answer.no_answer)
    assert "answer_source_start" not in found
    assert "answer_text" not in DOCUMENTS[2].metadata


def test_contents(bundled: spanjet.Reader) -> None:
    kept = {
        content: SpanjetCompressor(
            model=bundled, content=content, keep_context=False, metadata_prefix="x_"
        ).compress_documents(DOCUMENTS, WHO)[0]
        for content in ("span", "document")
    }
    assert kept["span"].page_content == "Clara Höß"
    assert kept["document"].page_content == BRIDGE
    for document in kept.values():
        assert document.metadata["x_text"] == "Clara Höß"
        assert "x_context" not in document.metadata
    whole = SpanjetCompressor(model=bundled, content="document").compress_documents(DOCUMENTS, WHO)[0]
    assert "answer_context" not in whole.metadata


def test_no_document_answers(bundled: spanjet.Reader) -> None:
    assert SpanjetCompressor(model=bundled).compress_documents(DOCUMENTS, COST) == []
    assert SpanjetCompressor(model=bundled).compress_documents([], WHO) == []
    kept = SpanjetCompressor(model=bundled, threshold=None).compress_documents(DOCUMENTS, COST)
    assert {document.id for document in kept} == {"a", "c"}
    margins = [bundled.ask(COST, each.metadata["answer_context"], threshold=None).margin for each in kept]
    assert margins == sorted(margins, reverse=True)
    best = SpanjetCompressor(model=bundled, threshold=None, top_k=1).compress_documents(DOCUMENTS, COST)
    assert best == kept[:1]


def test_offsets_in_the_source_of_a_splitter(bundled: spanjet.Reader) -> None:
    source = f"{PARK}\n\n{BRIDGE}"
    parts = [
        Document(BRIDGE, metadata={"start_index": len(PARK) + 2}),
        Document(BRIDGE, metadata={"start_index": -1}),  # what a splitter says if it lost the place
    ]
    known, unknown = (
        each.metadata for each in SpanjetCompressor(model=bundled).compress_documents(parts, WHO)
    )
    assert source[known["answer_source_start"] : known["answer_source_end"]] == "Clara Höß"
    assert "answer_source_start" not in unknown


def test_awaiting_gives_the_same_and_does_not_block(bundled: spanjet.Reader) -> None:
    compressor = SpanjetCompressor(model=bundled, threshold=None)
    documents = [*DOCUMENTS, *(Document(f"{PARK} {number}. {BRIDGE}") for number in range(100))]
    expected = compressor.compress_documents(documents, WHO)

    async def compress() -> tuple[Any, int, float]:
        began = time.perf_counter()
        task = asyncio.ensure_future(compressor.acompress_documents(documents, WHO))
        turns = 0
        while not task.done():
            await asyncio.sleep(0.001)
            turns += 1
        return await task, turns, time.perf_counter() - began

    found, turns, seconds = asyncio.run(compress())
    assert found == expected
    assert turns >= min(10, seconds / 0.02)


def compression_retriever() -> Any:
    """The retriever of the package that has it: langchain-classic, or langchain before version 1."""
    package = "langchain_classic" if find_spec("langchain_classic") else "langchain"
    return importlib.import_module(f"{package}.retrievers").ContextualCompressionRetriever


def test_a_contextual_compression_retriever(bundled: spanjet.Reader, store: InMemoryVectorStore) -> None:
    retriever = compression_retriever()(
        base_compressor=SpanjetCompressor(model=bundled), base_retriever=store.as_retriever()
    )
    (kept,) = retriever.invoke(WHO)
    assert kept.page_content == "The bridge was built in 1903 by the engineer Clara Höß."
    assert asyncio.run(retriever.ainvoke(WHO)) == [kept]
    assert retriever.invoke(COST) == asyncio.run(retriever.ainvoke(COST)) == []


def test_answers_are_cited(bundled: spanjet.Reader) -> None:
    found = SpanjetReader(model=bundled).invoke({"question": WHO, "documents": DOCUMENTS})
    expected = bundled.search(WHO, [each.page_content for each in DOCUMENTS])
    assert isinstance(found, CitedAnswers)
    assert found.no_answer == expected.no_answer
    assert [each.text for each in found.answers] == [each.text for each in expected]
    answer = found.answers[0]
    assert answer.document == DOCUMENTS[2]
    assert answer.document.page_content[answer.start : answer.end] == answer.text == "Clara Höß"
    assert answer.sentence == BRIDGE[answer.sentence_start : answer.sentence_end]
    assert answer.citation == {
        "type": "char_location",
        "cited_text": "Clara Höß",
        "document_index": 2,
        "document_title": "Bridges",
        "start_char_index": answer.start,
        "end_char_index": answer.end,
    }
    assert CitedAnswers.model_validate_json(found.model_dump_json()) == found


def test_texts_are_documents_and_none_may_answer(bundled: spanjet.Reader) -> None:
    reader = SpanjetReader(model=bundled)
    found = reader.invoke({"question": WHO, "documents": [PARK, BRIDGE]})
    assert found.answers[0].document == Document(BRIDGE)
    assert found.answers[0].citation["document_title"] is None
    for documents in ([PARK, BRIDGE], []):
        nothing = reader.invoke({"question": COST, "documents": documents})
        assert nothing.answers == []
        assert nothing.no_answer > 0.5


def test_a_chain(bundled: spanjet.Reader, store: InMemoryVectorStore) -> None:
    steps: Any = {"question": RunnablePassthrough(), "documents": store.as_retriever()}
    chain = steps | SpanjetReader(model=bundled)
    found = [each.answers[0].text if each.answers else None for each in chain.batch([WHO, COST])]
    assert found == ["Clara Höß", None]
    assert asyncio.run(chain.ainvoke(WHO)) == chain.invoke(WHO) == next(chain.stream(WHO))
    assert asyncio.run(chain.abatch([WHO, COST])) == chain.batch([WHO, COST])


class Recorder(BaseCallbackHandler):  # type: ignore[misc]
    def __init__(self) -> None:
        self.runs: list[Any] = []

    def on_chain_start(self, serialized: Any, inputs: Any, **kwargs: Any) -> None:
        self.runs.append((kwargs.get("name"), kwargs.get("tags")))

    def on_chain_end(self, outputs: Any, **kwargs: Any) -> None:
        self.runs.append(outputs)

    def on_chain_error(self, error: BaseException, **kwargs: Any) -> None:
        self.runs.append(error)


def test_callbacks_see_the_runs(bundled: spanjet.Reader) -> None:
    recorder = Recorder()
    reader = SpanjetReader(model=bundled).with_config(
        callbacks=[recorder], tags=["cited"], run_name="read the documents"
    )
    found = reader.invoke({"question": WHO, "documents": DOCUMENTS})
    assert recorder.runs == [("read the documents", ["cited"]), found]
    with pytest.raises(ValueError, match="question is empty"):
        reader.invoke({"question": "", "documents": DOCUMENTS})
    assert isinstance(recorder.runs[-1], ValueError)


def test_options_of_a_call(bundled: spanjet.Reader) -> None:
    reader = SpanjetReader(model=bundled)
    given: ReaderInput = {"question": COST, "documents": DOCUMENTS}
    assert reader.invoke(given).answers == []
    assert len(reader.bind(threshold=None, top_k=2).invoke(given).answers) == 2
    with pytest.raises(TypeError, match="top_n"):
        reader.invoke(given, top_n=2)
    configurable = reader.configurable_fields(
        top_k=ConfigurableField(id="k"), threshold=ConfigurableField("t")
    )
    found = configurable.with_config(configurable={"k": 1, "t": None}).invoke(given)
    assert len(found.answers) == 1


def test_fields_that_are_configured_share_the_model() -> None:
    """A model is not loaded again for each call."""
    reader = SpanjetReader()
    prepared, _ = reader.configurable_fields(top_k=ConfigurableField(id="k")).prepare(
        {"configurable": {"k": 1}}
    )
    assert prepared.top_k == 1
    assert prepared.model is reader.model


def test_settings_survive_serialisation(bundled: spanjet.Reader) -> None:
    for given in (SpanjetReader(model="m", top_k=2, threshold=0.5), SpanjetReader()):
        (copy,) = [loads(dumps(given), **loading())]
        assert copy == given
        assert SpanjetReader.model_validate_json(given.model_dump_json()) == given
    compressor = SpanjetCompressor(model=Path("m"), top_k=2, content="span")
    for copy in (
        SpanjetCompressor(**compressor.model_dump()),
        SpanjetCompressor(**json.loads(compressor.model_dump_json())),
        pickle.loads(pickle.dumps(compressor)),  # noqa: S301  (ours)
        compressor.model_copy(deep=True),
    ):
        assert copy == compressor
    assert SpanjetCompressor(**SpanjetCompressor(model=bundled).model_dump()).model.reader is bundled
    with pytest.raises(ValueError, match="model is a Reader, which JSON cannot hold"):
        SpanjetCompressor(model=bundled).model_dump_json()


def loading() -> dict[str, Any]:
    """Arguments of `loads` that allow our class, in versions with and without a list of classes."""
    given = {"valid_namespaces": ["spanjet"]}
    if "allowed_objects" in inspect.signature(loads).parameters:
        return {**given, "allowed_objects": [SpanjetReader]}
    return given


def test_pickles_answer(bundled: spanjet.Reader) -> None:
    for given in (SpanjetReader(), SpanjetReader(model=bundled)):
        copy = pickle.loads(pickle.dumps(given))  # noqa: S301  (ours)
        asked: ReaderInput = {"question": WHO, "documents": DOCUMENTS}
        assert copy.invoke(asked) == given.invoke(asked)


@pytest.mark.parametrize(
    "settings",
    [
        {"model": 7},
        {"top_k": 0},
        {"threshold": 2},
        {"threshold": "best"},
        {"threshold": True},
        {"content": "page"},
        {"topk": 3},
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(settings))):
        SpanjetCompressor(**settings)
    if "content" not in settings:  # which is the compressor's alone
        with pytest.raises(ValidationError, match=next(iter(settings))):
            SpanjetReader(**settings)


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        (WHO, TypeError, "input: expected a dictionary with 'question' and 'documents', found str"),
        ({"question": WHO}, ValueError, "'documents' missing"),
        ({}, ValueError, "'question' and 'documents' missing"),
        ({"question": 7, "documents": []}, TypeError, "question: expected a text, found int"),
        ({"question": WHO, "documents": BRIDGE}, TypeError, "documents: expected a sequence"),
        ({"question": WHO, "documents": [BRIDGE, 7]}, TypeError, r"documents\[1\]: expected a document"),
        ({"question": WHO, "documents": [BRIDGE, "\ud800"]}, ValueError, r"^documents\[1\]: .*surrogate"),
    ],
)
def test_wrong_input_is_located(
    bundled: spanjet.Reader, given: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        SpanjetReader(model=bundled).invoke(given)


def test_a_wrong_document_is_located(bundled: spanjet.Reader) -> None:
    documents = [*DOCUMENTS, Document("a \ud800 b")]
    compressor = SpanjetCompressor(model=bundled)
    with pytest.raises(ValueError, match=r"^documents\[3\]: .*surrogate"):
        compressor.compress_documents(documents, WHO)
    with pytest.raises(ValueError, match=r"^documents\[3\]: .*surrogate"):
        asyncio.run(compressor.acompress_documents(documents, WHO))
    with pytest.raises(ValueError, match="question is empty"):
        compressor.compress_documents(DOCUMENTS, " ")


def test_schemas_are_described() -> None:
    reader = SpanjetReader()
    assert set(reader.get_input_schema().model_json_schema()["$defs"]["ReaderInput"]["properties"]) == {
        "question",
        "documents",
    }
    assert "no_answer" in reader.get_output_schema().model_json_schema()["properties"]


def test_the_page_tells_the_truth() -> None:
    run_code(ROOT / "docs" / "rag.md", "LangChain")


def test_examples_run() -> None:
    assert doctest.testmod(module).failed == 0
