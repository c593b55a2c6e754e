"""`SpanjetQuestions` on the toy model, with a class of txtai's that does nothing in place of the package."""

import importlib
import pickle
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
import toy_model
from spanjet import Reader

TEXT = "the tower of paris was built by the engineer"
UNANSWERABLE = f"{toy_model.UNANSWERABLE} built the tower?"


@pytest.fixture(scope="module")
def questions_class() -> Iterator[Any]:
    package, pipeline = ModuleType("txtai"), ModuleType("txtai.pipeline")
    pipeline.Questions = type("Questions", (), {})  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "txtai", package)
        patch.setitem(sys.modules, "txtai.pipeline", pipeline)
        patch.delitem(sys.modules, "spanjet.integrations.txtai", raising=False)
        yield importlib.import_module("spanjet.integrations.txtai").SpanjetQuestions
        del sys.modules["spanjet.integrations.txtai"]


def test_answers_are_texts(questions_class: Any, reader: Reader) -> None:
    answer = reader.ask("who?", TEXT).text
    questions = questions_class(reader)
    assert questions(["who?", "", "who?", None], [TEXT, TEXT, "", TEXT]) == [answer, None, None, None]
    assert questions([], []) == questions([]) == []


def test_elements_of_a_workflow_are_pairs(questions_class: Any, reader: Reader) -> None:
    answer = reader.ask("who?", TEXT).text
    elements = [("who?", TEXT), ["who?", TEXT], {"question": "who?", "context": TEXT}, ("who?", "")]
    assert questions_class(reader)(elements) == [answer, answer, answer, None]


def test_thresholds(questions_class: Any, reader: Reader) -> None:
    answer = reader.ask(UNANSWERABLE, TEXT).text
    assert answer
    assert questions_class(reader, threshold=0.5)([UNANSWERABLE], [TEXT]) == [None]
    assert questions_class(reader, threshold=None)([UNANSWERABLE], [TEXT]) == [answer]
    with pytest.raises(ValueError, match="threshold is 2"):
        questions_class(reader, threshold=2)


def test_a_context_is_read_to_its_end(questions_class: Any) -> None:
    """Texts far behind the maximum length of the bundled model, which is loaded when first asked."""
    questions = questions_class()
    context = "It rained all day and nothing happened. " * 200 + "The bridge was built by Clara Hansen."
    assert questions(["Who built the bridge?"], [context]) == ["Clara Hansen"]
    assert pickle.loads(pickle.dumps(questions.__dict__["_lazy"])).model is None  # noqa: S301  (ours)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ((["who?"], []), ValueError, "one context for each question, found 1 questions and 0 contexts"),
        (("who?", [TEXT]), TypeError, "questions: expected a sequence of texts, found str"),
        ((["who?"], TEXT), TypeError, "contexts: expected a sequence of texts, found str"),
        ((["who?", 5], ["", TEXT]), TypeError, r"questions\[1\]: text: expected str, found int"),
        ((["who?"], ["\udfff"]), ValueError, r"questions\[0\]: .*surrogate"),
        (([TEXT],), TypeError, r"questions\[0\]: expected a pair of question and context, .* found 'the"),
        (([("a", "b", "c")],), TypeError, r"questions\[0\]: expected a pair"),
        (([{"question": "who?"}],), TypeError, r"questions\[0\]: expected a pair"),
    ],
)
def test_bad_input(
    questions_class: Any, reader: Reader, arguments: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        questions_class(reader)(*arguments)
