"""Passages and what is found in them: places, sentences, citations, and errors that name the passage."""

import json
import threading
import uuid
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
from spanjet import PassageAnswer, Reader, RuntimeConfig, WindowConfig
from spanjet.model import Model

TEXT = "The engineer built a tower in Paris, near the river."


def test_answers_know_their_passage(reader: Reader) -> None:
    passages: list[Any] = [
        "paris",
        ("the id", TEXT),
        reader.prepare(TEXT),
        (7, reader.prepare("a king")),
        ["b", "queen"],
    ]
    found = reader.search("who?", passages, top_k=100)
    assert {(each.passage, each.passage_id, each.passage_text) for each in found} == {
        (0, None, "paris"),
        (1, "the id", TEXT),
        (2, None, TEXT),
        (3, 7, "a king"),
        (4, "b", "queen"),
    }
    for each in found:
        assert each.passage_text[each.start : each.end] == each.text
        assert each.passage_text.encode()[each.byte_start : each.byte_end].decode() == each.text
        assert each.passage_text not in repr(each) or each.passage_text == each.text


def test_equal_texts_stay_separate_and_the_earlier_comes_first(reader: Reader) -> None:
    found = reader.search("who?", ["", TEXT, TEXT, TEXT], top_k=2)
    best = reader.ask("who?", TEXT)
    assert [(each.passage, each.text) for each in found] == [(1, best.text), (2, best.text)]


def test_a_result_is_a_sequence(reader: Reader) -> None:
    found = reader.search("who?", [TEXT, "paris"], top_k=3)
    assert len(found) == 3
    assert list(found) == [found[0], found[1], found[2]] == [*found[:2], found[-1]]
    assert found[1] in found
    assert found.index(found[2]) == 2
    with pytest.raises(IndexError):
        found[3]
    with pytest.raises(FrozenInstanceError):
        found.no_answer = 0.5  # type: ignore[misc]


SENTENCES = "Kings ruled. The tower of Paris stands by the river! Who built it?"


def test_sentence_highlight_and_citation(reader: Reader) -> None:
    (found,) = reader.search("who?", ["", ("doc", SENTENCES)], top_k=1)
    assert found.sentence in ("Kings ruled.", "The tower of Paris stands by the river!", "Who built it?")
    assert SENTENCES[found.sentence_start : found.sentence_end] == found.sentence
    assert found.text in found.sentence
    assert found.highlight("<b>", "</b>") == found.sentence.replace(found.text, f"<b>{found.text}</b>", 1)
    assert found.highlight() == found.highlight("**", "**")
    assert found.to_citation() == {
        "type": "char_location",
        "cited_text": found.text,
        "document_index": 1,
        "document_title": "doc",
        "start_char_index": found.start,
        "end_char_index": found.end,
    }
    (unnamed,) = reader.search("who?", [SENTENCES], top_k=1)
    assert unnamed.to_citation()["document_title"] is None
    (numbered,) = reader.search("who?", [(3, SENTENCES)], top_k=1)
    assert numbered.to_citation()["document_title"] == "3"


def test_results_are_ready_for_json(reader: Reader) -> None:
    name = uuid.UUID(int=5)
    passages: list[Any] = [(name, TEXT), (1, TEXT), ("x", TEXT), TEXT]
    found = reader.search("who?", passages, top_k=100)
    values = json.loads(json.dumps(found.as_dict()))
    assert values == found.as_dict()
    assert (values["passages"], values["no_answer"]) == (4, found.no_answer)
    for value, answer in zip(values["answers"], found, strict=True):
        assert set(value) == set(PassageAnswer.__dataclass_fields__) - {"passage_text"}
        assert value["passage_id"] == (str(name) if answer.passage_id is name else answer.passage_id)
        assert value["score"] == answer.score


def test_an_id_that_cannot_be_copied_becomes_text(reader: Reader) -> None:
    name = threading.Lock()
    (found,) = reader.search("who?", [(name, TEXT)], top_k=1)
    assert found.as_dict()["passage_id"] == str(name)


BAD: list[tuple[Any, Any, type[Exception], str]] = [
    ("", [TEXT], ValueError, r"question is empty: it has no tokens"),
    (["a", "\u200b"], [TEXT], ValueError, r"questions\[1\] is empty"),
    (["a", "b\ud800"], [TEXT], ValueError, r"questions\[1\]: .*lone surrogate"),
    (["a", 3], [TEXT], TypeError, r"questions\[1\]: expected a text, found int"),
    (None, [TEXT], TypeError, "questions: expected .*NoneType"),
    ("a", TEXT, TypeError, r"passages: expected .*, found one str; give \[passage\]"),
    ("a", {"id": TEXT}, TypeError, r"passages: expected .*, found dict; give its items\(\)"),
    ("a", 3, TypeError, "passages: expected .*, found int"),
    ("a", [TEXT, None], TypeError, r"passages\[1\]: expected a text, .*, found NoneType"),
    ("a", [TEXT, ("id", b"x")], TypeError, r"passages\[1\]: expected a text, .*, found bytes"),
    ("a", [TEXT, ("x",)], TypeError, r"passages\[1\]: expected a pair \(id, text\), found 1 items"),
    ("a", [TEXT, "", "\udfff"], ValueError, r"passages\[2\]: .*lone surrogate"),
]


@pytest.mark.parametrize(("question", "passages", "error", "message"), BAD)
def test_bad_input(
    reader: Reader, question: Any, passages: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        reader.search(question, passages)


def test_a_prepared_passage_alone(reader: Reader) -> None:
    with pytest.raises(TypeError, match=r"found one Document; give \[passage\]"):
        reader.search("a", reader.prepare(TEXT))  # type: ignore[call-overload]


@pytest.mark.parametrize(("top_k", "error"), [(0, ValueError), (-1, ValueError), ("1", TypeError)])
def test_bad_top_k(reader: Reader, top_k: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="top_k"):
        reader.search("who?", [], top_k=top_k)


def test_a_question_without_room(toy: Model, exact: RuntimeConfig) -> None:
    windows = WindowConfig(max_length=20, max_question_length=None)
    reader = Reader(toy, window_config=windows, runtime_config=exact)
    with pytest.raises(ValueError, match=r"questions\[1\]: leaves no room"):
        reader.search(["who?", "who " * 30], [])


def test_a_document_of_another_tokenizer(reader: Reader, exact: RuntimeConfig) -> None:
    other = Reader(Path(__file__).parents[1] / "golden" / "tiny-bert", runtime_config=exact)
    passages: list[Any] = [TEXT, "", ("id", other.prepare(TEXT))]
    with pytest.raises(ValueError, match=r"^passages\[2\]: was encoded by another tokenizer"):
        reader.search(["who?", "when?"], passages)
