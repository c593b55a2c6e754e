"""The page of an optimised model, its picture, and the measurements made again."""

import copy
import json
import shutil
import struct
from pathlib import Path

import pytest
from html_pages import Page
from optimizing import CHECKPOINT, DATA, Made, uncalibrated
from spanjet.compress.optimize import candidates
from spanjet.compress.optimize.card import read_card
from spanjet.compress.optimize.reproduce import repeat_measurements
from spanjet.compress.report.page import render_page, write_page
from spanjet.compress.report.plots import all_plots


def test_page(made: Made) -> None:
    directory, card = made
    write_page(directory / "out", directory / "page.html", png=directory / "page.png")
    text = (directory / "page.html").read_text()
    found = Page(text)
    assert found.open == []
    words = " ".join(" ".join(found.words).split())
    scores = card["optimization"]["held_out"]
    for value in (
        f"{scores['optimized']['f1']:.2f}",
        card["machine"]["processor"],
        "times the plain INT8 model",
    ):
        assert value in words
    for layer in card["optimization"]["layers"]:
        assert f"{layer['heads']} of 4" in words
    assert text.count("<svg") == 4
    assert "http" not in text.replace("http://www.w3.org", "")
    signature, width, height = struct.unpack(">8s8x2I", (directory / "page.png").read_bytes()[:24])
    assert signature == b"\x89PNG\r\n\x1a\n"
    assert height > 2 * width > 1000


def test_plots_have_the_card_s_numbers(made: Made) -> None:
    card = copy.deepcopy(made[1])
    card["optimization"]["front"] = [
        {
            "budget": share,
            "predicted": share,
            "measured": share / 1.25,
            "f1": 80 + share,
            "exact_match": 70.0,
            "divergence": 0.1,
        }
        for share in (1.0, 0.75, 0.5)
    ]
    card["operations"] = {"plain": {"attention": 2.0, "norm": 1.0}, "optimized": {"attention": 0.5}}
    front, kept, latency, operations = all_plots(card)
    assert [row[0] for row in front.rows] == ["1.25", "1.67", "2.50"]
    assert [row[2] for row in front.rows] == ["81.00", "80.75", "80.50"]
    assert len(kept.rows) == 1
    assert [row[2] for row in latency.rows] == ["+25.0 %", "+25.0 %"]
    assert "25.0 % at most" in latency.caption
    assert operations.rows == [("attention", "2.00", "0.50"), ("norm", "1.00", "0.00")]
    del card["operations"]
    assert len(all_plots(card)) == 3
    card["optimization"] |= {"floor": 0.995, "least_f1": 79.6}
    assert all_plots(card)[0].caption.endswith("the floor is 79.60.")
    card["optimization"]["settings"]["budget"] = 0.5
    assert "floor" not in all_plots(card)[0].caption


def test_a_missed_floor_is_told(made: Made) -> None:
    card = copy.deepcopy(made[1])
    assert "The floor is not held" not in render_page(card)
    card["optimization"]["held"] = False
    assert "The floor is not held" in render_page(card)


def test_no_card_of_an_optimised_model(made: Made, tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text("{}")
    with pytest.raises(ValueError, match=r"card\.json: not the card of an optimised model"):
        write_page(tmp_path, tmp_path / "page.html")
    (tmp_path / "card.json").write_text('{"optimization": {}}')
    with pytest.raises(ValueError, match=r"card\.json: damaged: no .*; expected the card of spanjet opt"):
        write_page(tmp_path, tmp_path / "page.html")
    with pytest.raises(FileNotFoundError, match=r"card\.json"):
        repeat_measurements(made[0] / CHECKPOINT, made[0] / DATA)


def test_a_card_of_other_settings(made: Made, tmp_path: Path) -> None:
    directory, _ = made
    shutil.copytree(directory / "out", tmp_path / "out")
    changed = copy.deepcopy(read_card(directory / "out"))
    changed["optimization"]["settings"]["colour"] = "blue"
    (tmp_path / "out" / "card.json").write_text(json.dumps(changed))
    with pytest.raises(ValueError, match=r"the card's settings cannot be used: .*colour"):
        repeat_measurements(tmp_path / "out", directory / DATA)


def test_measured_again(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    directory, card = made
    monkeypatch.setattr(candidates, "calibrate", uncalibrated)
    found = repeat_measurements(directory / "out", directory / DATA, checkpoint=directory / CHECKPOINT)
    assert found["repeated"]
    assert found["f1"]["now"] == found["f1"]["card"] == card["optimization"]["held_out"]["optimized"]["f1"]
    assert found["speed"]["card"] == card["speed"]["optimized_over_plain"]
    assert found["speed"]["now"] > 0


def test_measured_again_with_another_result(made: Made, tmp_path: Path) -> None:
    directory, card = made
    shutil.copytree(directory / "out", tmp_path / "out")
    changed = copy.deepcopy(read_card(directory / "out"))
    changed["optimization"]["held_out"]["optimized"]["f1"] = card["optimization"]["chosen"]["f1"] - 3
    (tmp_path / "out" / "card.json").write_text(json.dumps(changed))
    assert not repeat_measurements(tmp_path / "out", directory / DATA)["repeated"]


@pytest.mark.parametrize(("budget", "least"), [(None, 101.0), (0.8, None)])
def test_a_budget_asks_for_no_floor(
    made: Made, tmp_path: Path, budget: float | None, least: float | None
) -> None:
    directory, _ = made
    shutil.copytree(directory / "out", tmp_path / "out")
    card = copy.deepcopy(read_card(directory / "out"))
    card["optimization"]["least_f1"] = 101.0
    card["optimization"]["settings"]["budget"] = budget
    (tmp_path / "out" / "card.json").write_text(json.dumps(card))
    found = repeat_measurements(tmp_path / "out", directory / DATA)
    assert found["f1"]["least"] == least
    assert found["repeated"] == (least is None)


def test_measured_with_other_files(made: Made, tmp_path: Path) -> None:
    directory = made[0]
    data = tmp_path / DATA
    data.write_text((directory / DATA).read_text() + " ")
    with pytest.raises(ValueError, match=r"train\.json: not the data file that the card names"):
        repeat_measurements(directory / "out", data)
    other = tmp_path / "other"
    shutil.copytree(directory / CHECKPOINT, other)
    weights = other / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    with pytest.raises(ValueError, match=r"model\.safetensors: not the checkpoint that the card names"):
        repeat_measurements(directory / "out", directory / DATA, checkpoint=other)
