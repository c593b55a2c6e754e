"""`SpanjetQuestions` in txtai itself: called, in RAG, in workflows and in applications."""

import doctest
import pickle
import zlib
from typing import Any

import numpy as np
import pytest
import spanjet
import spanjet.integrations.txtai as module
import txtai.pipeline
from numpy.typing import NDArray
from pages import ROOT, run_code
from spanjet.integrations.txtai import SpanjetQuestions
from txtai import Embeddings, Workflow
from txtai.app import Application
from txtai.workflow import Task

PARK = "The park by the river was laid out in 1810. Its trees are old."
BRIDGE = "It is painted green. The bridge was built in 1903 by the engineer Clara Höß. It is long."
WHO = "Who built the bridge?"
COST = "What did the bridge cost?"

# Since version 8 the class has this name; Extractor is the old one.
RAG: Any = getattr(txtai.pipeline, "RAG", txtai.pipeline.Extractor)


@pytest.fixture(scope="module")
def questions() -> SpanjetQuestions:
    return SpanjetQuestions(spanjet.Reader())


def vectors(texts: Any) -> NDArray[np.float32]:
    """Bags of hashed words, float32[texts, 64]."""
    found = np.zeros((len(texts), 64), np.float32)
    for row, text in enumerate(texts):
        for word in str(text).lower().replace(".", "").replace("?", "").split():
            found[row, zlib.crc32(word.encode()) % 64] += 1
    return found


@pytest.fixture(scope="module")
def embeddings() -> Any:
    found = Embeddings({"method": "external", "transform": vectors, "backend": "numpy", "content": True})
    found.index([(0, PARK, None), (1, BRIDGE, None)])
    return found


def test_calls(questions: SpanjetQuestions) -> None:
    assert isinstance(questions, txtai.pipeline.Questions)
    asked = [WHO, COST, "", WHO, None]
    assert questions(asked, [BRIDGE, BRIDGE, BRIDGE, "", PARK]) == ["Clara Höß", None, None, None, None]
    assert SpanjetQuestions(threshold=None)([COST], [BRIDGE])[0]


def test_a_context_is_read_to_its_end(questions: SpanjetQuestions) -> None:
    assert questions([WHO], [f"{PARK} " * 200 + BRIDGE]) == ["Clara Höß"]


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("default", {"answer": "Clara Höß"}),
        ("flatten", "Clara Höß"),
        ("reference", {"answer": "Clara Höß", "reference": "1"}),
    ],
)
def test_rag(questions: SpanjetQuestions, embeddings: Any, output: str, expected: Any) -> None:
    rag = RAG(embeddings, questions, output=output)
    assert rag(WHO) == expected
    assert rag([WHO, WHO]) == [expected, expected]


def test_rag_with_names_snippets_and_texts(questions: SpanjetQuestions, embeddings: Any) -> None:
    rag = RAG(embeddings, questions)
    assert rag([("builder", "bridge", WHO, False), ("cost", "bridge", COST, False)]) == [
        ("builder", "Clara Höß"),
        ("cost", None),
    ]
    row = {"name": "builder", "query": "bridge", "question": WHO, "snippet": True}
    assert rag([row]) == [{"name": "builder", "answer": BRIDGE}]
    assert rag([("builder", "bridge", WHO, False)], [PARK, BRIDGE]) == [("builder", "Clara Höß")]


def test_rag_reads_all_retrieved_texts(questions: SpanjetQuestions) -> None:
    """Together they are longer than the model's maximum length, and the answer is at the end."""
    long = f"{PARK} " * 100

    class Index:
        def batchsearch(self, queries: list[str], _limit: int) -> list[list[dict[str, Any]]]:
            found = [
                {"id": i, "text": text, "score": 1 - i / 9} for i, text in enumerate([long, long, BRIDGE])
            ]
            return [found] * len(queries)

    assert RAG(Index(), questions, output="flatten")(WHO) == "Clara Höß"


def test_workflows(questions: SpanjetQuestions) -> None:
    elements = [(WHO, BRIDGE), {"question": WHO, "context": BRIDGE}, (COST, BRIDGE)]
    workflow = Workflow([Task(questions, unpack=False)], batch=2)
    assert list(workflow(elements)) == ["Clara Höß", "Clara Höß", None]
    assert list(Workflow([Task(questions)])([("id", (WHO, BRIDGE), None)])) == [("id", "Clara Höß", None)]
    fixed = Task(lambda contexts: questions([WHO] * len(contexts), contexts))
    assert list(Workflow([fixed])([PARK, BRIDGE])) == [None, "Clara Höß"]


def test_applications() -> None:
    application = Application(
        """
        spanjet.integrations.txtai.SpanjetQuestions:
          threshold: 0.5
        rag:
          path: spanjet.integrations.txtai.SpanjetQuestions
        writable: true
        embeddings:
          keyword: true
          content: true
        workflow:
          answer:
            tasks:
              - action: spanjet.integrations.txtai.SpanjetQuestions
                unpack: false
        """
    )
    application.add([{"id": 0, "text": PARK}, {"id": 1, "text": BRIDGE}])
    application.index()
    assert application.pipeline("rag", (WHO,)) == {"answer": "Clara Höß"}
    assert list(application.workflow("answer", [(WHO, BRIDGE), (COST, BRIDGE)])) == ["Clara Höß", None]


def test_pickles_answer(questions: SpanjetQuestions) -> None:
    for given in (questions, SpanjetQuestions(threshold=0.5)):
        copy = pickle.loads(pickle.dumps(given))  # noqa: S301  (ours)
        assert copy.threshold == given.threshold
        assert copy([WHO], [BRIDGE]) == ["Clara Höß"]


def test_the_page_tells_the_truth() -> None:
    run_code(ROOT / "docs" / "rag.md", "txtai")


def test_examples_run() -> None:
    assert doctest.testmod(module).failed == 0
