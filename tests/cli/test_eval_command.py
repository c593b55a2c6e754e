"""`spanjet eval`: questions that cannot be asked, and layouts of data sets."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from spanjet.cli import app
from typer.testing import CliRunner

MODEL = Path(__file__).parents[1] / "golden" / "tiny-bert"
CLARA = [{"text": "Clara", "answer_start": 9}]


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing goes into the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


def run(*arguments: str | Path) -> tuple[int, str, list[str]]:
    """Exit code, standard output and the lines of standard error."""
    result = CliRunner().invoke(app, ["eval", *map(str, arguments), "--model", str(MODEL)])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr.splitlines()


def qa(name: Any, question: str = "Who built it?") -> dict[str, Any]:
    return {"id": name, "question": question, "answers": CLARA}


@pytest.fixture
def squad(tmp_path: Path) -> Path:
    """Three paragraphs with six questions, of which three can be asked."""
    paragraphs = [
        {"context": "Built by Clara.", "qas": [qa("good"), qa("blank", " "), qa("zero width", "\u200b")]},
        {"context": "Built by Clara in 1903.", "qas": [qa("surrogate", "who\ud800"), qa(7)]},
        {"context": "Clara, again.", "qas": [qa(7.5)]},
    ]
    path = tmp_path / "in.json"
    path.write_text(json.dumps({"data": [{"title": "t", "paragraphs": paragraphs}]}))
    return path


EMPTY = "question is empty: it has no tokens, expected some text"
REJECTED = {
    "blank": EMPTY,
    "zero width": EMPTY,
    "surrogate": "question holds a lone surrogate at character 3, expected text that UTF-8 can encode",
}


@pytest.mark.parametrize("options", [[], ["--passages", "2"], ["--articles"]])
def test_questions_that_cannot_be_asked_end_nothing(squad: Path, options: list[str]) -> None:
    code, out, said = run(squad, *options, "--json")
    found = json.loads(out)
    assert (code, found["total"]) == (3, 6)
    assert found["rejected"] == [{"id": name, "reason": reason} for name, reason in REJECTED.items()]
    lines = ["3 questions could not be asked and counted as answered by nothing:"]
    lines += [f"{name}: {reason}" for name, reason in REJECTED.items()]
    assert said == [f"spanjet: {line}" for line in lines]
    code, out, again = run(squad, *options)
    assert (code, again, "rejected" in out) == (3, said, False)


def test_questions_that_cannot_be_asked_are_answered_by_nothing(squad: Path, tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.json" for name in ("predictions", "no-answer", "squad-v2")}
    options = [part for name, path in files.items() for part in (f"--{name}", path)]
    assert run(squad, *options)[0] == 3
    predictions, no_answer, both = (json.loads(path.read_text()) for path in files.values())
    assert list(predictions) == ["good", "blank", "zero width", "surrogate", "7", "7.5"]
    assert [name for name, text in predictions.items() if text == ""] == list(REJECTED)
    assert {no_answer[name] for name in REJECTED} == {1.0}
    assert len(both) == 6


def test_a_context_that_cannot_be_read_ends_nothing(tmp_path: Path) -> None:
    rows = [{**qa("good"), "context": "Built by Clara."}, {**qa("bad"), "context": "\u200b"}]
    path = tmp_path / "in.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    code, _, said = run(path)
    assert (code, said[1]) == (3, "spanjet: bad: context is empty: it has no tokens, expected some text")


def test_every_question_is_blank(tmp_path: Path) -> None:
    path = tmp_path / "in.json"
    path.write_text(json.dumps([{**qa(1, " "), "context": "Built by Clara."}]))
    code, out, _ = run(path, "--json")
    assert (code, json.loads(out)["f1"]) == (3, 0)


@pytest.mark.parametrize("command", ["calibrate", "bench"])
def test_other_commands_refuse_such_a_file_with_the_place(squad: Path, command: str) -> None:
    arguments = [MODEL, "--data", squad] if command == "calibrate" else ["--squad", squad]
    result = CliRunner().invoke(app, [command, *map(str, arguments)])
    place = f"{squad}: data[0].paragraphs[0].qas[1].question: empty, expected some text"
    assert (result.exit_code, result.stderr) == (2, f"spanjet: {place}\n")


@pytest.mark.parametrize("name", ["in.json", "in.jsonl", "in.JSONL"])
@pytest.mark.parametrize("answers", [CLARA, {"text": ["Clara"], "answer_start": [9]}])
def test_rows_and_articles_score_the_same(tmp_path: Path, name: str, answers: Any) -> None:
    question = {**qa("a"), "answers": answers}
    article = {"paragraphs": [{"context": "Built by Clara.", "qas": [question]}]}
    path = tmp_path / "articles.json"
    path.write_text(json.dumps({"data": [article]}))
    rows = tmp_path / name
    rows.write_text(json.dumps({**question, "context": "Built by Clara."}) + "\n")
    found = [json.loads(run(each, "--json")[1]) for each in (path, rows)]
    for each in found:
        del each["seconds"], each["questions_per_second"]
    assert found[0] == found[1]
    assert found[0]["total"] == 1


def test_utf_16_is_evaluated(squad: Path) -> None:
    squad.write_bytes(squad.read_text().encode("utf-16"))
    assert run(squad)[0] == 3


def test_a_compressed_document_is_evaluated(squad: Path) -> None:
    path = squad.with_suffix(".json.gz")
    path.write_bytes(gzip.compress(squad.read_bytes()))
    assert json.loads(run(path, "--json")[1])["total"] == 6


@pytest.mark.parametrize("name", ["in.jsonl.gz", "in.json.gz"])
def test_what_is_not_compressed_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"{}")
    error = f"spanjet: {tmp_path / name}: not a gzip file, or a damaged one"
    assert run(tmp_path / name) == (2, "", [error])


def test_compressed_data_without_the_suffix_is_named(tmp_path: Path) -> None:
    for name in ("in.jsonl", "in.json"):
        (tmp_path / name).write_bytes(gzip.compress(b"{}"))
        assert run(tmp_path / name) == (2, "", [f"spanjet: {tmp_path / name}: not text but gzip data"])


def test_outputs_do_not_overwrite_each_other(squad: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    expected = [f"spanjet: {out}: is given for two outputs; expected a file for each"]
    assert run(squad, "--predictions", out, "--no-answer", out)[::2] == (2, expected)
    assert not out.exists()


@pytest.mark.parametrize("option", [("--passages", "2"), ("--articles",)])
def test_a_threshold_that_would_do_nothing(squad: Path, option: tuple[str, ...]) -> None:
    expected = ["spanjet: --threshold is given with --passages or --articles, which always answer"]
    assert run(squad, *option, "--threshold", "0.9")[::2] == (2, expected)
    assert run(squad, *option, "--threshold", "none", "--json")[0] == 3


def test_the_data_are_not_overwritten(squad: Path) -> None:
    before = squad.read_bytes()
    code, _, said = run(squad, "--predictions", squad)
    assert (code, said) == (2, [f"spanjet: {squad}: is also the input"])
    assert squad.read_bytes() == before
