"""Articles of a data set, and lists of their titles."""

import json
from pathlib import Path

import pytest
from spanjet.evaluate import SquadDataset, load_squad, load_titles


@pytest.fixture(scope="module")
def squad1(data: Path) -> SquadDataset:
    return load_squad(data / "squad" / "v1.1.json")


def test_articles(squad1: SquadDataset) -> None:
    assert {title: len(paragraphs) for title, paragraphs in squad1.articles.items()} == {
        "Architecture": 1,
        "Plymouth": 1,
        "2008_Sichuan_earthquake": 1,
        "University_of_Notre_Dame": 2,
    }
    for question in squad1.questions:
        assert question.context in squad1.articles[question.article]


def test_paragraphs_without_questions_and_articles_in_parts(tmp_path: Path) -> None:
    def paragraph(text: str, *names: str) -> dict[str, object]:
        questions = [{"id": name, "question": "?", "answers": [{"text": text}]} for name in names]
        return {"context": text, "qas": questions}

    path = tmp_path / "x.json"
    parts = [
        {"title": "A", "paragraphs": [paragraph("one", "1"), paragraph("two")]},
        {"paragraphs": [paragraph("three", "3")]},
        {"title": "A", "paragraphs": [paragraph("one", "1b"), paragraph("four", "4")]},
    ]
    path.write_text(json.dumps({"data": parts}))
    dataset = load_squad(path)
    assert dataset.articles == {"A": ("one", "two", "four"), "data[1]": ("three",)}
    assert [question.article for question in dataset.questions] == ["A", "data[1]", "A", "A"]
    path.write_text(json.dumps({"data": [{"title": ["a", 1], "paragraphs": [paragraph("five", "5")]}]}))
    assert list(load_squad(path).articles) == ['["a", 1]']


def test_some_articles(squad1: SquadDataset) -> None:
    part = squad1.of_articles(["Plymouth", "University_of_Notre_Dame"])
    assert list(part.articles) == ["Plymouth", "University_of_Notre_Dame"]
    expected = [question for question in squad1.questions if question.article in part.articles]
    assert list(part.questions) == expected
    assert 0 < len(part) < len(squad1)
    with pytest.raises(ValueError, match="article 'Atlantis' and 1 more: not in the data; expected titles"):
        squad1.of_articles(["Plymouth", "Utopia", "Atlantis"])


def test_titles(tmp_path: Path) -> None:
    path = tmp_path / "titles.json"
    path.write_text('{"rule": "the first", "titles": ["A", "B"]}')
    assert load_titles(path) == ("A", "B")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "the file: expected an object, found an array"),
        ("{", "not JSON"),
        ('{"title": []}', "the file: key 'titles' is missing"),
        ('{"titles": [3]}', r"titles\[0\]: expected a string, found a number"),
        ('{"titles": []}', "titles: expected at least one title, found none"),
    ],
)
def test_refuses_other_lists(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "titles.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=rf"titles\.json: {message}"):
        load_titles(path)
