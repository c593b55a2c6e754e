"""`--first` and `--reread` of the commands that read."""

import json
import random
from pathlib import Path
from typing import Any

import checkpoints
import pytest
from checkpoints import TINY
from spanjet import CascadeConfig, Reader, RuntimeConfig
from spanjet.cli import app
from spanjet.evaluate import calibrate_cascade, evaluate_articles, evaluate_passages, load_squad
from spanjet.evaluate.long_texts import articles_without_answer, long_articles
from spanjet.model import load_model, write_model_directory
from spanjet.serve.config import ServeConfig
from typer.testing import CliRunner

WORDS = ("the", "city", "was", "on", "a", "river", "by", "first", "king", "who", "had", "there")
QUESTION = "who had the city?"
RUNTIME = RuntimeConfig(cache_dir=None)


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing goes into the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def text() -> str:
    """A text of several windows."""
    return " ".join(random.Random(1).choices(WORDS, k=1500))


@pytest.fixture(scope="module")
def squad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Articles of several windows; a third of the questions has no answer."""
    generator = random.Random(3)
    articles = []
    for number in range(3):
        paragraphs = []
        for index in range(6):
            name = f"{generator.choice('bcdfg')}{generator.choice('aeiou')}{generator.choice('klmnp')}{index}"
            context = " ".join([*generator.choices(WORDS, k=90), name, *generator.choices(WORDS, k=90)])
            start = context.index(name)
            known = index % 3 > 0
            answers = [{"text": name, "answer_start": start}] if known else []
            asked = f"who was {generator.choice(WORDS)} the {generator.choice(WORDS)}?"
            question = {"id": f"{number}-{index}", "question": asked, "answers": answers}
            paragraphs.append({"context": context, "qas": [{**question, "is_impossible": not known}]})
        articles.append({"title": f"A{number}", "paragraphs": paragraphs})
    path = tmp_path_factory.mktemp("squad") / "v2.json"
    path.write_text(json.dumps({"version": "v2.0", "data": articles}))
    return path


def run(*arguments: str | Path, text: str | None = None) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=text)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another checkpoint with random weights."""
    return checkpoints.copy("distilbert", tmp_path_factory.mktemp("first") / "model")


def cascade(first: Path, reread: int, **options: Any) -> Reader:
    config = CascadeConfig(reread=reread)
    return Reader(TINY, first=first, cascade_config=config, runtime_config=RUNTIME, **options)


def test_ask(first: Path, text: str) -> None:
    models = ("--model", TINY, "--first", first)
    code, out, error = run("ask", QUESTION, *models, "--reread", "2", "--top-k", "3", "--json", text=text)
    assert (code, error) == (0, "")
    answers = json.loads(out)["answers"]
    assert answers == [each.as_dict() for each in cascade(first, 2).ask(QUESTION, text, top_k=3)]
    _, out, _ = run("ask", QUESTION, *models, "--top-k", "3", "--json", text=text)
    assert json.loads(out)["answers"] == [
        each.as_dict() for each in cascade(first, 5).ask(QUESTION, text, top_k=3)
    ]


@pytest.mark.parametrize(
    "command",
    [("ask", QUESTION, "the city"), ("search", QUESTION, "-"), ("serve",), ("eval", "in.json")],
)
def test_reread_needs_first(command: tuple[str, ...], tmp_path: Path, squad: Path) -> None:
    arguments = [str(squad) if each == "in.json" else each for each in command]
    code, out, error = run(*arguments, "--reread", "2", text="the city")
    assert (code, out) == (2, "")
    assert error == "spanjet: --reread is given without --first, the model that chooses the windows\n"
    code, _, error = run(*arguments, "--first", tmp_path / "no", "--reread", "0", text="the city")
    assert code == 2
    assert "--reread" in error


def test_answer(first: Path, text: str, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(text)
    (tmp_path / "in.jsonl").write_text(json.dumps({"question": QUESTION}))
    files = (tmp_path / "in.jsonl", "--context", tmp_path / "text.txt", "--out", tmp_path / "out.jsonl")
    code, _, error = run("answer", *files, "--model", TINY, "--first", first, "--reread", "1")
    assert (code, error) == (0, "")
    answer = json.loads((tmp_path / "out.jsonl").read_text())
    assert answer["answers"][0]["text"] == cascade(first, 1).ask(QUESTION, text).text


@pytest.mark.filterwarnings("ignore::spanjet.Uncalibrated")
def test_search(first: Path, text: str, tmp_path: Path) -> None:
    texts = [text[start : start + 2000] for start in range(0, 6000, 2000)]
    paths = [tmp_path / f"{index}.txt" for index in range(3)]
    for path, part in zip(paths, texts, strict=True):
        path.write_text(part)
    code, out, _ = run(
        "search", QUESTION, *paths, "--model", TINY, "--first", first, "--reread", "2", "--json"
    )
    assert code == 0
    found = cascade(first, 2).search(QUESTION, texts, threshold=None)
    kept = [(each["start"], each["end"]) for each in json.loads(out)["answers"]]
    assert kept == [(each.start, each.end) for each in found]


def test_serve_settings(first: Path) -> None:
    config = ServeConfig(model=TINY, first=first, reread=2)
    reader = config.open_reader()
    assert reader.first is not None
    assert reader.first.model.path == first
    assert reader.cascade_config == CascadeConfig(reread=2)
    assert ServeConfig().open_reader().first is None
    with pytest.raises(ValueError, match=r"ServeConfig\.reread is 0"):
        ServeConfig(reread=0)


@pytest.mark.filterwarnings("ignore::spanjet.Uncalibrated")
def test_eval(first: Path, squad: Path) -> None:
    options = ("--model", TINY, "--first", first, "--reread", "1", "--json")
    reader, dataset = cascade(first, 1), load_squad(squad)
    code, out, error = run("eval", squad, "--articles", *options)
    assert (code, error) == (0, "")
    assert json.loads(out)["f1"] == evaluate_articles(reader, dataset).f1
    code, out, error = run("eval", squad, "--passages", "3", *options)
    assert (code, error) == (0, "")
    passages = evaluate_passages(reader, dataset, passages=3)
    assert json.loads(out)["right_passage"] == passages.right_passage
    alone = evaluate_passages(Reader(TINY, runtime_config=RUNTIME), dataset, passages=3)
    all_of_them = evaluate_passages(cascade(first, 100), dataset, passages=3)
    assert (all_of_them.f1, all_of_them.right_passage) == (alone.f1, alone.right_passage)


@pytest.fixture(scope="module")
def answered(squad: Path, first: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same articles; in each, most questions that the models doubt least have answers, and one other."""
    reader, data = cascade(first, 1), json.loads(squad.read_text())
    found = {
        question.id: reader.ask(question.question, question.context, threshold=None)
        for question in long_articles(reader, load_squad(squad)).questions
    }
    answerable: set[str] = set()
    for article in data["data"]:
        names = [paragraph["qas"][0]["id"] for paragraph in article["paragraphs"]]
        # Article by article, which calibration is fitted by: margins differ more between them.
        ranked = sorted(names, key=lambda name: -found[name].margin)
        answerable |= {name for rank, name in enumerate(ranked) if rank in (0, 1, 2, 4)}
        for paragraph in article["paragraphs"]:
            (question,) = paragraph["qas"]
            is_sure = question["id"] in answerable
            question["answers"] = [{"text": found[question["id"]].text}] if is_sure else []
            question["is_impossible"] = not is_sure
    path = tmp_path_factory.mktemp("answered") / "v2.json"
    path.write_text(json.dumps(data))
    return path


def test_calibrate(first: Path, answered: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    companions = {name: TINY / name for name in ("config.json", "vocab.txt")}
    card = {"name": "tiny", "cascades": [{"first_sha256": "another", "reread": 1}]}
    write_model_directory(model, load_model(TINY).model, card=card, companions=companions)
    # All of the questions: a part of them has other shares of answers in each article, whose margins differ.
    options = ("--first", first, "--reread", "1", "--negatives", "0", "--json")
    assert run("calibrate", model, "--data", answered, *options, "--limit", "1")[0] == 2
    for _ in range(2):  # the second time replaces the first
        code, out, error = run("calibrate", model, "--data", answered, *options, "--limit", "18")
        assert (code, error) == (0, ""), error
    kept = json.loads((model / "card.json").read_text())
    assert "calibration" not in kept
    other, entry = kept["cascades"]
    assert other == card["cascades"][0]
    key = {"first": "model", "first_sha256": load_model(first).digest, "reread": 1}
    assert entry == {**key, **json.loads(out)["calibration"]}
    assert entry["data"] == "v2.json"
    assert entry["answerable"] > 0
    config = CascadeConfig(reread=1)
    reader = Reader(model, first=first, cascade_config=config, runtime_config=RUNTIME, threshold=None)
    fitted = reader.cascade_calibration
    assert fitted is not None
    assert fitted.slope == entry["slope"] != 1
    report = calibrate_cascade(reader, load_squad(answered), limit=18, negatives=0)
    assert report.calibration == fitted
    assert Reader(model, first=first, runtime_config=RUNTIME, threshold=None).cascade_calibration is None


def test_long_articles(first: Path, squad: Path) -> None:
    reader, dataset = cascade(first, 1), load_squad(squad)
    long = long_articles(reader, dataset)
    assert len(long) == len(dataset)
    for question in long.questions:
        assert question.context == "\n\n".join(dataset.articles[question.article])
    without = list(articles_without_answer(reader, long, 1.0))
    answered = [question for question in long.questions if question.answers]
    assert [each.id for each in without] == [f"{each.id}/without" for each in answered]
    for question, whole in zip(without, answered, strict=True):
        assert not question.answers
        assert whole.answers[0] in whole.context
        assert whole.answers[0] not in question.context
    with pytest.raises(ValueError, match="no question has an article of more than 100 windows"):
        long_articles(cascade(first, 100), dataset)
    with pytest.raises(ValueError, match="the reader has no first model"):
        calibrate_cascade(Reader(TINY, runtime_config=RUNTIME), dataset, limit=5)
    with pytest.raises(ValueError, match="negatives is 2; expected a share"):
        list(articles_without_answer(reader, long, 2))
