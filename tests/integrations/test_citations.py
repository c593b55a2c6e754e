"""Answers as the metadata of a document."""

from typing import Any

import pytest
from spanjet import Reader
from spanjet.integrations._citations import answer_metadata, title_of


def test_metadata_are_the_fields_of_the_answer(reader: Reader) -> None:
    text = "It is old. The tower of Paris was built by the engineer. Nobody knows when."
    answer = reader.search("who built the tower?", [text])[0]
    found = answer_metadata(answer, prefix="answer_", source_start=None)
    assert found == {
        "answer_text": answer.text,
        "answer_score": answer.score,
        "answer_no_answer": answer.no_answer,
        "answer_start": answer.start,
        "answer_end": answer.end,
        "answer_sentence_start": answer.sentence_start,
        "answer_sentence_end": answer.sentence_end,
    }
    assert text[found["answer_start"] : found["answer_end"]] == found["answer_text"]


def test_offsets_in_the_source(reader: Reader) -> None:
    source = "Not this part. The river and the tower of Paris."
    answer = reader.search("which city?", [source[15:]])[0]
    found = answer_metadata(answer, prefix="", source_start=15)
    assert source[found["source_start"] : found["source_end"]] == found["text"] == answer.text


@pytest.mark.parametrize(
    ("metadata", "identifier", "title"),
    [
        ({"title": "Bridges", "source": "b.txt"}, "1", "Bridges"),
        ({"title": "", "source": "b.txt"}, "1", "b.txt"),
        ({"file_name": "b.pdf"}, "1", "b.pdf"),
        ({"page": 3}, "1", "1"),
        ({"title": 1984}, None, "1984"),
        ({}, None, None),
    ],
)
def test_titles(metadata: dict[str, Any], identifier: str | None, title: str | None) -> None:
    assert title_of(metadata, identifier) == title
