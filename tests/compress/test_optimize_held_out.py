"""An optimisation whose floor is measured on a file of its own."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from optimizing import CHECKPOINT, CONFIG, DATA, run, write_inputs, write_questions
from spanjet.compress.optimize import candidates
from spanjet.compress.optimize.reproduce import repeat_measurements
from spanjet.compress.optimize.splits import Splits
from spanjet.evaluate import SquadDataset, load_squad
from spanjet.storage import file_digest

OTHER = "held-out.json"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Inputs, and a file of 36 contexts, of which the first 30 are those of the data."""
    directory = tmp_path_factory.mktemp("held-out")
    write_inputs(directory)
    write_questions(directory / OTHER, directory / CHECKPOINT, contexts=36)
    content = json.loads((directory / OTHER).read_text())
    paragraphs = content["data"][0]["paragraphs"]
    for paragraph in paragraphs:
        paragraph["qas"][0]["id"] += " held out"
    content["data"][0]["paragraphs"] = paragraphs[25:]
    (directory / OTHER).write_text(json.dumps(content))
    return directory


def contexts(questions: Any) -> set[str]:
    return {question.context for question in questions}


def datasets(directory: Path) -> tuple[SquadDataset, SquadDataset]:
    return load_squad(directory / DATA), load_squad(directory / OTHER)


def test_contexts_of_the_file_are_in_no_other_split(directory: Path) -> None:
    data, other = datasets(directory)
    shared = contexts(data.questions) & contexts(other.questions)
    assert len(shared) == 5
    config = replace(CONFIG, held_out=4)
    splits = Splits.choose(data, config, other)
    assert len(splits.held_out) == 4
    assert contexts(splits.held_out.questions) <= contexts(other.questions)
    parts = (splits.samples, splits.validation, splits.search, splits.training, splits.more_training)
    assert not any(contexts(part) & contexts(other.questions) for part in parts)
    assert len(contexts(splits.more_training)) == 30 - 5 - CONFIG.validation - CONFIG.windows
    assert Splits.choose(data, config, other) == splits
    assert len(Splits.choose(data, replace(config, held_out=99), other).held_out) == 11


def test_data_that_is_all_held_out_is_refused(directory: Path) -> None:
    data, _ = datasets(directory)
    with pytest.raises(ValueError, match="all contexts of the data are held out; expected a file of other"):
        Splits.choose(data, CONFIG, data)


def test_the_floor_is_measured_on_the_file(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The card names it, it is measured again with it alone, and another one takes nothing of its results."""
    options: dict[str, Any] = {"work": directory / "stages", "held_out_data": directory / OTHER}
    card = run(directory, directory / "out", **options)
    found = card["optimization"]["held_out"]
    assert (found["data"], found["sha256"]) == (OTHER, file_digest(directory / OTHER))
    assert found["questions"] == found["contexts"] == 11
    assert found["float32"]["f1"] == 100
    assert card["optimization"]["data"]["data"] == DATA
    monkeypatch.setattr(candidates, "calibrate", None)
    again = repeat_measurements(directory / "out", directory / DATA, held_out_data=directory / OTHER)
    assert again["repeated"]
    with pytest.raises(ValueError, match=r"train\.json: not the file of held-out questions that the card"):
        repeat_measurements(directory / "out", directory / DATA)
    plain = run(directory, directory / "plain", work=directory / "stages")
    assert plain["optimization"]["held_out"]["data"] == DATA
    assert plain["optimization"]["held_out"]["questions"] == CONFIG.held_out
