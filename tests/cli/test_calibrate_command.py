"""`spanjet calibrate` and `quantize --calibrate`: the card, the table, and readers that use them."""

import json
import random
import shutil
from dataclasses import asdict
from errno import EACCES
from pathlib import Path
from typing import Any

import pytest
from checkpoints import TINY
from spanjet import DecodeConfig, Reader, RuntimeConfig, WindowConfig
from spanjet.cli import app
from spanjet.compress.quantize import run
from spanjet.evaluate import evaluate, load_squad
from spanjet.model import card, load_model, write_model_directory
from typer.testing import CliRunner

RUNTIME = RuntimeConfig(precision="f32", cache_dir=None)


@pytest.fixture(scope="module")
def squad2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Questions without an answer are those that the tiny model doubts most; the others have its answers."""
    generator = random.Random(2)
    words = ("the", "city", "was", "on", "a", "river", "by", "first", "king", "who", "had", "there")
    articles: list[dict[str, Any]] = [{"title": f"A{number}", "paragraphs": []} for number in range(4)]
    for index in range(40):
        question: dict[str, Any] = {"id": str(index), "question": " ".join(generator.choices(words, k=5))}
        question |= {"answers": [], "is_impossible": True}
        paragraph = {"context": " ".join(generator.choices(words, k=30)), "qas": [question]}
        articles[index % 4]["paragraphs"].append(paragraph)
    path = tmp_path_factory.mktemp("squad2") / "v2.json"
    path.write_text(json.dumps({"data": articles}))
    found = evaluate(Reader(TINY, runtime_config=RUNTIME), load_squad(path))
    sure = sorted(found.no_answer, key=found.no_answer.__getitem__)[:20]
    for article in articles:
        for paragraph in article["paragraphs"]:
            (question,) = paragraph["qas"]
            if question["id"] in sure and generator.random() < 0.9:
                question |= {"is_impossible": False, "answers": [{"text": found.spans[question["id"]]}]}
    path.write_text(json.dumps({"data": articles}))
    return path


def command(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "model"
    companions = {name: TINY / name for name in ("config.json", "vocab.txt")}
    write_model_directory(path, load_model(TINY).model, card={"name": "tiny"}, companions=companions)
    return path


def test_command(squad2: Path, model: Path) -> None:
    code, out, error = command("calibrate", model, "--data", squad2, "--negatives", "0")
    assert (code, error) == (0, "")
    rows = dict(line.split("\t", 1) for line in out.splitlines())
    assert rows["measure"] == "before\tafter"
    card = json.loads((model / "card.json").read_text())
    kept = card["calibration"]
    assert (card["name"], kept["data"], kept["negatives"], kept["seed"]) == ("tiny", "v2.json", 0, 0)
    assert (kept["articles"], kept["other_paragraphs"]) == (4, 0)
    assert kept["answerable"] == kept["unanswerable"] > 0
    assert rows["ece"].split("\t")[1] == f"{kept['cross_fitted']['ece']:.4f}"
    assert rows["calibration.threshold"] == f"{kept['threshold']:.4f}"
    assert (kept["windows"], kept["decode"]) == (asdict(WindowConfig()), asdict(DecodeConfig()))
    loaded = load_model(model)
    assert loaded.calibration is not None
    assert loaded.calibration.slope == kept["slope"] != 1
    reader = Reader(model, runtime_config=RuntimeConfig(cache_dir=None))
    assert (reader.threshold, reader.calibration) == (kept["threshold"], loaded.calibration)
    assert {file.name for file in model.iterdir()} == set(card["bytes"]) | {"card.json"}
    # What was fitted is what a second run finds there.
    code, out, _ = command("calibrate", model, "--data", squad2, "--negatives", "0", "--json")
    second = json.loads(out)
    assert code == 0
    assert second["calibration"] == kept
    assert second["before"]["ece"] != float(rows["ece"].split("\t")[0])


def test_command_takes_articles_negatives_and_seed(squad2: Path, model: Path, tmp_path: Path) -> None:
    titles = tmp_path / "titles.json"
    titles.write_text('{"titles": ["A0", "A1", "A3"]}')
    options = ("--data", squad2, "--json", "--threads", "1")

    def kept(*more: str | Path) -> dict[str, Any]:
        code, out, error = command("calibrate", model, *options, *more)
        assert (code, error) == (0, "")
        found: dict[str, Any] = json.loads(out)["calibration"]
        return found

    everything, some = kept("--seed", "1"), kept("--articles", titles, "--negatives", "0.5")
    assert (everything["articles"], some["articles"]) == (4, 3)
    assert (everything["seed"], some["seed"]) == (1, 0)
    for found in (everything, some):
        assert found["answerable"] == found["unanswerable"] + found["other_paragraphs"]
    assert everything["other_paragraphs"] > some["other_paragraphs"] > 0
    # Which questions, and which paragraphs, is the seed's choice.
    half = [kept("--negatives", "0.5", "--seed", seed)["slope"] for seed in ("1", "1", "2")]
    assert half[0] == half[1] != half[2]


def test_command_refuses(squad2: Path, model: Path, data: Path, tmp_path: Path) -> None:
    before = (model / "card.json").read_bytes()
    code, _, error = command("calibrate", model, "--data", data / "squad" / "v1.1.json")
    assert (code, (model / "card.json").read_bytes()) == (2, before)
    assert error.startswith("spanjet: every question has an answer")
    (tmp_path / "titles.json").write_text('{"titles": ["Atlantis"]}')
    code, _, error = command("calibrate", model, "--data", squad2, "--articles", tmp_path / "titles.json")
    assert (code, error) == (
        2,
        "spanjet: article 'Atlantis': not in the data; expected titles of its articles\n",
    )
    checkpoint = shutil.copytree(TINY, tmp_path / "checkpoint")
    code, _, error = command("calibrate", checkpoint, "--data", squad2)
    assert code == 2
    assert "a checkpoint has no card; make a model directory of it with spanjet quantize" in error
    assert not (tmp_path / "checkpoint" / "card.json").exists()


def test_a_card_that_cannot_be_written_is_refused_before_the_work(
    squad2: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(EACCES, "no permission to write", str(path))

    monkeypatch.setattr(card, "check_writable", refuse)  # root may write everywhere
    for name in ("calibrate_reader", "update_card"):
        monkeypatch.setattr(
            f"spanjet.cli.calibrate.{name}", lambda *_, **__: pytest.fail("the work has begun")
        )
    code, out, error = command("calibrate", model, "--data", squad2)
    assert (code, out, error) == (2, "", f"spanjet: {model / 'card.json'}: no permission to write\n")


@pytest.mark.parametrize("slope", ["1e308", "1e39", "1e400"])
def test_a_card_with_a_number_that_is_too_large(model: Path, slope: str) -> None:
    text = (model / "card.json").read_text()
    (model / "card.json").write_text(f'{{"calibration": {{"slope": {slope}}}, {text.strip()[1:]}')
    code, _, error = command("ask", "who?", "by clara", "--model", model)
    found = f'spanjet: {model / "card.json"}: "calibration": slope is {float(slope)}; expected'
    assert (code, error) == (2, f"{found} a finite number of at least 0 and at most 1e+30\n")


def test_quantize_calibrates_and_keeps_it(
    squad2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "measure_speed", lambda *_, **__: {})
    out = tmp_path / "int8"
    options = ("--calibrate", squad2, "--eval", squad2, "--samples", "4", "--seed", "3")
    assert command("quantize", TINY, "--data", squad2, "--out", out, *options)[0] == 0
    card = json.loads((out / "card.json").read_text())
    kept = card["calibration"]
    assert (kept["data"], kept["articles"], kept["seed"], kept["negatives"]) == ("v2.json", 4, 3, 1.0)
    assert kept["other_paragraphs"] > 0
    evaluation = card["evaluation"]
    assert evaluation["threshold"] == kept["threshold"]
    assert evaluation["int8"]["f1"] == evaluation["int8"]["best_f1"] > 50
    assert evaluation["int8"]["NoAns_f1"] > 0
    # As it was measured, also where readers would compute in floating point.
    reader = Reader(out, runtime_config=RuntimeConfig(cache_dir=None, int8=True))
    assert reader.threshold == kept["threshold"]
    assert evaluate(reader, load_squad(squad2)).scores.f1 == pytest.approx(evaluation["int8"]["f1"], abs=0.01)
