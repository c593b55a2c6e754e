"""The node postprocessor in LlamaIndex itself."""

import asyncio
import doctest
import pickle
import re
import time
from typing import Any

import pytest
import spanjet
import spanjet.integrations.llama_index as module
from llama_index.core import Document, MockEmbedding, Settings, VectorStoreIndex
from llama_index.core.llms import MockLLM
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.postprocessor import MetadataReplacementPostProcessor
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import ImageNode, MetadataMode, NodeWithScore, QueryBundle, TextNode
from pages import ROOT, run_code
from pydantic import ValidationError
from spanjet.integrations.llama_index import SpanjetNodePostprocessor

PARK = "The park by the river was laid out in 1810. Its trees are old."
BRIDGE = "It is painted green. The bridge was built in 1903 by the engineer Clara Höß. 🌉 It is long."
WHO = "Who built the bridge?"
COST = "What did the bridge cost?"


@pytest.fixture(scope="module")
def bundled() -> spanjet.Reader:
    return spanjet.Reader()


@pytest.fixture(autouse=True)
def mocks() -> None:
    Settings.llm = MockLLM()
    Settings.embed_model = MockEmbedding(embed_dim=8)
    Settings.tokenizer = str.split


def nodes() -> list[NodeWithScore]:
    return [
        NodeWithScore(node=TextNode(text=PARK, metadata={"file_name": "park.txt"}), score=0.9),
        NodeWithScore(node=TextNode(text="  "), score=0.8),
        NodeWithScore(node=ImageNode(image_url="file:///bridge.png"), score=0.7),
        NodeWithScore(
            node=TextNode(
                text=BRIDGE,
                metadata={"file_name": "bridge.txt", "score": 7},
                excluded_llm_metadata_keys=["file_name"],
            )
        ),
    ]


def test_the_node_with_the_answer_is_kept_and_marked(bundled: spanjet.Reader) -> None:
    postprocessor = SpanjetNodePostprocessor(model=bundled)
    assert isinstance(postprocessor, BaseNodePostprocessor)
    given = nodes()
    (kept,) = postprocessor.postprocess_nodes(given, query_str=WHO)
    answer = bundled.ask(WHO, BRIDGE)
    assert kept.node.node_id == given[3].node.node_id
    assert kept.text == BRIDGE
    assert kept.score == 1 - answer.no_answer
    assert kept.metadata == {
        "file_name": "bridge.txt",
        "score": 7,
        "answer_text": "Clara Höß",
        "answer_score": answer.score,
        "answer_no_answer": answer.no_answer,
        "answer_start": answer.start,
        "answer_end": answer.end,
        "answer_sentence_start": BRIDGE.index("The bridge"),
        "answer_sentence_end": BRIDGE.index(" 🌉"),
    }
    assert BRIDGE[answer.start : answer.end] == "Clara Höß"


def test_given_nodes_stay_as_they_are(bundled: spanjet.Reader) -> None:
    given = nodes()
    before = [node.model_dump() for node in given]
    kept = SpanjetNodePostprocessor(model=bundled, threshold=None).postprocess_nodes(given, query_str=WHO)
    assert [node.model_dump() for node in given] == before
    assert [node.metadata["answer_retrieval_score"] for node in kept[1:]] == [0.9]
    assert "answer_retrieval_score" not in kept[0].metadata


def test_metadata_are_hidden_from_the_models(bundled: spanjet.Reader) -> None:
    (kept,) = SpanjetNodePostprocessor(model=bundled).postprocess_nodes(nodes(), query_str=WHO)
    assert kept.get_content(MetadataMode.LLM) == f"score: 7\n\n{BRIDGE}"
    assert kept.get_content(MetadataMode.EMBED) == f"file_name: bridge.txt\nscore: 7\n\n{BRIDGE}"
    assert "Clara" in kept.node.get_metadata_str(MetadataMode.ALL)


def test_no_node_answers(bundled: spanjet.Reader) -> None:
    postprocessor = SpanjetNodePostprocessor(model=bundled)
    assert postprocessor.postprocess_nodes(nodes(), query_str=COST) == []
    assert postprocessor.postprocess_nodes([], query_str=WHO) == []
    kept = SpanjetNodePostprocessor(model=bundled, threshold=None).postprocess_nodes(nodes(), query_str=COST)
    assert {node.text for node in kept} == {PARK, BRIDGE}
    assert [node.score for node in kept] == sorted((node.score for node in kept), reverse=True)
    options: dict[str, Any] = {"model": bundled, "threshold": None, "top_k": 1, "metadata_prefix": "x_"}
    (best,) = SpanjetNodePostprocessor(**options).postprocess_nodes(nodes(), query_str=COST)
    assert best.text == kept[0].text
    assert best.metadata["x_text"] == kept[0].metadata["answer_text"]


def index() -> VectorStoreIndex:
    documents = [Document(text=f"{PARK} " * 20 + BRIDGE, id_="long"), Document(text=PARK, id_="short")]
    # The default tokenizers of words and sentences are downloaded.
    splitter = SentenceSplitter(
        chunk_size=60,
        chunk_overlap=10,
        tokenizer=str.split,
        chunking_tokenizer_fn=lambda text: re.findall(r"[^.]+\.?\s*", text),
    )
    return VectorStoreIndex.from_documents(documents, transformations=[splitter])


def test_offsets_in_the_source_document(bundled: spanjet.Reader) -> None:
    source = f"{PARK} " * 20 + BRIDGE
    retrieved = index().as_retriever(similarity_top_k=50).retrieve(WHO)
    assert len(retrieved) > 3
    kept = SpanjetNodePostprocessor(model=bundled).postprocess_nodes(retrieved, query_str=WHO)
    assert kept
    for node in kept:
        found = node.metadata
        assert node.node.ref_doc_id == "long"
        assert source[found["answer_source_start"] : found["answer_source_end"]] == found["answer_text"]
        assert node.text[found["answer_start"] : found["answer_end"]] == found["answer_text"]
        assert found["answer_source_start"] > found["answer_start"]


def test_a_text_that_was_replaced_has_no_place_in_the_source(bundled: spanjet.Reader) -> None:
    node = TextNode(text="long.", metadata={"window": BRIDGE}, start_char_idx=100, end_char_idx=105)
    replaced = MetadataReplacementPostProcessor(target_metadata_key="window").postprocess_nodes(
        [NodeWithScore(node=node)]
    )
    (kept,) = SpanjetNodePostprocessor(model=bundled).postprocess_nodes(replaced, query_str=WHO)
    assert kept.metadata["answer_text"] == "Clara Höß"
    assert "answer_source_start" not in kept.metadata


def test_a_query_engine(bundled: spanjet.Reader) -> None:
    retriever = index().as_retriever(similarity_top_k=50)
    engine = RetrieverQueryEngine.from_args(
        retriever, node_postprocessors=[SpanjetNodePostprocessor(model=bundled, top_k=2)]
    )
    response = engine.query(WHO)
    assert response.source_nodes
    assert all(node.metadata["answer_text"] == "Clara Höß" for node in response.source_nodes)
    assert "Clara" in str(response)  # the mock repeats its prompt
    assert "answer_score" not in str(response)
    assert [node.metadata for node in asyncio.run(engine.aquery(WHO)).source_nodes] == [
        node.metadata for node in response.source_nodes
    ]
    assert engine.query(COST).source_nodes == []


def test_awaiting_gives_the_same_and_does_not_block(bundled: spanjet.Reader) -> None:
    postprocessor = SpanjetNodePostprocessor(model=bundled, threshold=None)
    given = [*nodes(), *(NodeWithScore(node=TextNode(text=f"{PARK} {i}. {BRIDGE}")) for i in range(100))]
    expected = postprocessor.postprocess_nodes(given, query_str=WHO)

    async def postprocess() -> tuple[Any, int, float]:
        began = time.perf_counter()
        task = asyncio.ensure_future(postprocessor.apostprocess_nodes(given, QueryBundle(WHO)))
        turns = 0
        while not task.done():
            await asyncio.sleep(0.001)
            turns += 1
        return await task, turns, time.perf_counter() - began

    found, turns, seconds = asyncio.run(postprocess())
    assert found == expected
    assert turns >= min(10, seconds / 0.02)


def test_settings_survive_serialisation(bundled: spanjet.Reader) -> None:
    given = SpanjetNodePostprocessor(model="m", top_k=2, threshold=0.5, metadata_prefix="x_")
    settings = {"model": "m", "top_k": 2, "threshold": 0.5, "metadata_prefix": "x_"}
    assert given.to_dict() == {**settings, "class_name": "SpanjetNodePostprocessor"}
    for copy in (
        SpanjetNodePostprocessor.from_dict(given.to_dict()),
        SpanjetNodePostprocessor.from_json(given.to_json()),
        pickle.loads(pickle.dumps(given)),  # noqa: S301  (ours)
    ):
        assert copy.to_dict() == given.to_dict()
        assert copy.model == given.model
    with pytest.raises(ValueError, match="model is a Reader, which JSON cannot hold"):
        SpanjetNodePostprocessor(model=bundled).model_dump_json()


def test_pickles_answer(bundled: spanjet.Reader) -> None:
    for given in (SpanjetNodePostprocessor(), SpanjetNodePostprocessor(model=bundled)):
        copy = pickle.loads(pickle.dumps(given))  # noqa: S301  (ours)
        expected = [node.metadata for node in given.postprocess_nodes(nodes(), query_str=WHO)]
        assert [node.metadata for node in copy.postprocess_nodes(nodes(), query_str=WHO)] == expected != []


@pytest.mark.parametrize(
    "settings", [{"model": 7}, {"top_k": 0}, {"threshold": 2}, {"threshold": "best"}, {"top_n": 3}]
)
def test_wrong_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(settings))):
        SpanjetNodePostprocessor(**settings)


def test_wrong_input_is_located(bundled: spanjet.Reader) -> None:
    postprocessor = SpanjetNodePostprocessor(model=bundled)
    with pytest.raises(ValueError, match="expected query_bundle or query_str"):
        postprocessor.postprocess_nodes(nodes())
    with pytest.raises(ValueError, match="question is empty"):
        postprocessor.postprocess_nodes(nodes(), query_str=" ")
    given = [*nodes(), NodeWithScore(node=TextNode(text="a \ud800 b"))]
    with pytest.raises(ValueError, match=r"^nodes\[4\]: .*surrogate"):
        postprocessor.postprocess_nodes(given, query_str=WHO)


def test_the_page_tells_the_truth() -> None:
    run_code(ROOT / "docs" / "rag.md", "LlamaIndex")


def test_examples_run() -> None:
    assert doctest.testmod(module).failed == 0
