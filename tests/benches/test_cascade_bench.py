"""The benchmark of two models on whole articles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from checkpoints import TINY
from spanjet import CascadeConfig, Reader, RuntimeConfig
from spanjet.evaluate import load_squad

from benches import cascade

PARAGRAPH = "the city was on a river by the king who had there the first. " * 12


@pytest.fixture
def squad(tmp_path: Path) -> Path:
    """One article of a dozen windows, and one that is too short."""
    paragraphs: list[dict[str, Any]] = [
        {
            "context": f"{PARAGRAPH}{name} was there.",
            "qas": [
                {"id": name, "question": "who was there?", "answers": [{"text": name, "answer_start": 0}]}
            ],
        }
        for name in ("kab", "lec", "mid", "nof", "pug", "rah", "sel", "tin")
    ]
    for paragraph in paragraphs:
        answer = paragraph["qas"][0]["answers"][0]
        answer["answer_start"] = paragraph["context"].index(answer["text"])
    short: dict[str, Any] = {"context": "the city", "qas": [{**paragraphs[0]["qas"][0], "id": "short"}]}
    short["qas"][0]["answers"] = [{"text": "city", "answer_start": 4}]
    path = tmp_path / "squad.json"
    articles = [{"title": "long", "paragraphs": paragraphs}, {"title": "short", "paragraphs": [short]}]
    path.write_text(json.dumps({"version": "1.1", "data": articles}))
    return path


def test_a_cascade_is_measured(
    squad: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.json"
    arguments = ["cascade", squad, "--first", TINY, "--model", TINY, "--reread", "1", "3", "--part", "3"]
    monkeypatch.setattr("sys.argv", [*map(str, arguments), "--json", str(out)])
    cascade.main()
    count, _, _, *lines = capsys.readouterr().out.splitlines()
    assert count == "8 questions"
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [each[0] for each in cells] == ["large alone", "small alone", "1", "3"]
    large, small, one, three = cells
    # Here both models are the same, so that its best window is the one that is reread.
    assert [each[1] for each in (one, three)] == ["1.0", "3.0"]
    assert {each[5] for each in cells} == {"100.0 %"}
    assert (large[6], large[7][:5]) == ("100.0 %", "1.000")
    assert large[2] == small[2] == one[2]
    assert float(one[7].split()[0]) > float(small[7].split()[0])
    kept = json.loads(out.read_text())
    assert [len(kept["1"][name]) for name in ("f1", "windows", "found", "seconds")] == [8, 8, 8, 3]
    # What is timed gives the reader's answers.
    config = CascadeConfig(reread=3)
    reader = Reader(TINY, first=TINY, cascade_config=config, runtime_config=RuntimeConfig(cache_dir=None))
    options = {"questions": 20, "most": 3, "seed": 0}
    asked = list(cascade.whole_articles(load_squad(squad), reader, **options))
    assert len(asked) == 8
    for each, answer in zip(asked, kept["3"]["answers"], strict=True):
        found = reader.ask(each.question.question, each.document, threshold=None)
        assert [found.start, found.end] == answer
        ((start, end),) = each.places
        assert each.document.text[start:end] == each.question.answers[0]


def test_few_questions_are_a_sample(squad: Path) -> None:
    reader = Reader(TINY, runtime_config=RuntimeConfig(cache_dir=None))
    dataset = load_squad(squad)
    samples = [
        [each.question.id for each in cascade.whole_articles(dataset, reader, questions=4, most=1, seed=seed)]
        for seed in (0, 0, 1)
    ]
    assert samples[0] == samples[1] != samples[2]
    assert len(samples[0]) == 4
