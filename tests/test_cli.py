"""The command: what it prints, its exit codes, and one line for what goes wrong."""

import json
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from spanjet import Reader, __version__
from spanjet.cli import app
from spanjet.machine import inference_paths
from typer.testing import CliRunner

TEXT = "The tower was built in 1889 by an engineer. 東京 has a tower too.\n"
QUESTION = "When was the tower built?"


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing goes into the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module")
def model() -> Path:
    """A checkpoint with random weights."""
    return Path(__file__).parent / "golden" / "tiny-bert"


@pytest.fixture(scope="module")
def squad(data: Path) -> Path:
    return data / "squad" / "v1.1.json"


def run(*arguments: str | Path, text: str | bytes | None = None) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the command."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=text)
    return result.exit_code, result.stdout, result.stderr


def answers(*arguments: str | Path, text: str | bytes | None = None) -> list[dict[str, Any]]:
    code, out, error = run("ask", *arguments, "--json", text=text)
    assert (code, error) == (0, "")
    value = json.loads(out)
    assert list(value) == ["question", "answers"]
    assert isinstance(value["answers"], list)
    return value["answers"]


def test_ask_three_ways(model: Path, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    expected = [Reader(model).ask(QUESTION, TEXT).as_dict()]
    assert answers(QUESTION, TEXT, "--model", model) == expected
    assert answers(QUESTION, "--file", tmp_path / "text.txt", "-m", model) == expected
    assert answers(QUESTION, "-m", model, text=TEXT) == expected


def test_ask_prints_one_answer_a_line(model: Path) -> None:
    found = answers(QUESTION, TEXT, "-m", model, "--top-k", "25", "--overlap")
    assert len(found) == 25
    code, out, _ = run("ask", QUESTION, TEXT, "-m", model, "-k", "25", "--overlap")
    assert code == 0
    assert out.splitlines() == [answer["text"].replace("\n", " ") for answer in found]


def test_answers_do_not_overlap(model: Path) -> None:
    found = answers(QUESTION, TEXT, "-m", model, "--top-k", "25")
    assert 1 < len(found) < 25
    spans = sorted((answer["start"], answer["end"]) for answer in found)
    assert all(first[1] <= second[0] for first, second in pairwise(spans))


def test_threshold(model: Path) -> None:
    (best,) = answers(QUESTION, TEXT, "-m", model)
    (null,) = answers(QUESTION, TEXT, "-m", model, "--threshold", "1")
    assert (null["text"], null["score"]) == ("", best["no_answer"])
    assert answers(QUESTION, TEXT, "-m", model, "--threshold", "none") == [best]
    code, _, error = run("ask", QUESTION, TEXT, "-m", model, "--threshold", "high")
    assert (code, "--threshold is 'high'; expected model, none or a probability, 0 to 1" in error) == (
        2,
        True,
    )


@pytest.mark.filterwarnings("default::spanjet.pipeline.QuestionCut")
def test_a_question_that_is_cut_is_said_in_one_line(model: Path) -> None:
    code, out, error = run("ask", "who built it " * 40, TEXT, "-m", model)
    assert (code, len(out.splitlines())) == (0, 1)
    expected = r"spanjet: the question 'who built it who.*…' has 280 tokens and is cut to 64, the max_.*\n"
    assert re.fullmatch(expected, error)


def test_ask_in_squad_mode(model: Path) -> None:
    (found,) = answers(QUESTION, TEXT, "-m", model, "--mode", "squad")
    assert found["text"] in TEXT


def test_eval(model: Path, squad: Path, tmp_path: Path) -> None:
    predictions, odds = tmp_path / "predictions.json", tmp_path / "odds.json"
    options = ("--limit", "5", "--max-length", "128", "--doc-stride", "32", "--threads", "1")
    code, out, error = run(
        "eval", squad, "-m", model, *options, "--predictions", predictions, "--null-odds", odds, "--json"
    )
    assert (code, error) == (0, "")
    found = json.loads(out)
    assert set(found) == {"exact_match", "f1", "total", "seconds", "questions_per_second"}
    assert found["total"] == 5
    assert list(json.loads(predictions.read_text())) == list(json.loads(odds.read_text()))
    assert len(json.loads(predictions.read_text())) == 5


def test_eval_prints_names_and_values(model: Path, data: Path) -> None:
    code, out, error = run("eval", data / "squad" / "v2.0.json", "-m", model, "--null-threshold", "-100")
    assert (code, error) == (0, "")
    values = dict(line.split("\t") for line in out.splitlines())
    assert values["no_answer.f1"] == "100.00"
    assert values["f1"] == "33.33"


def test_info(model: Path) -> None:
    code, out, error = run("info", model)
    assert (code, error) == (0, "")
    values = dict(line.split("\t") for line in out.splitlines())
    assert values["spanjet"] == __version__
    assert values["model.directory"] == str(model)
    assert values["arithmetic.int8"] == inference_paths()["int8"]
    code, out, _ = run("info", model, "--json")
    assert code == 0
    about = json.loads(out)["model"]
    assert (about["directory"], about["max_length"], about["card"]) == (str(model), 384, None)
    assert about["architecture"] == "bert"


def test_version() -> None:
    assert run("--version") == (0, f"spanjet {__version__}\n", "")


@pytest.mark.parametrize("command", [[], ["answer"], ["ask"], ["eval"], ["info"], ["quantize"]])
def test_help(command: list[str]) -> None:
    code, out, _ = run(*command, "--help")
    assert code == 0
    assert "Usage:" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ask", "", "text"), "question 0 is empty: it has no tokens, expected some text"),
        (("ask", "who?", " "), "context 0 is empty: it has no tokens, expected some text"),
        (("ask", "who?", "--file", "nowhere"), "nowhere: No such file or directory"),
        (("ask", "who?", "text", "--file", "x"), "the text is given twice, as an argument and with --file"),
        (("ask", "who?", "text", "--model", "nowhere"), "nowhere: no such directory"),
        (("ask", "who?", "text", "--mode", "hf"), "DecodeConfig.mode is 'hf'; expected 'global' or 'squad'"),
        (("eval", "nowhere.json"), "nowhere.json: No such file or directory"),
        (("eval", "SQUAD", "--max-length", "385"), "WindowConfig.max_length is 385; expected at most 384"),
        (("eval", "SQUAD", "--predictions", "/nowhere/x.json"), "/nowhere: no such directory"),
        (("eval", "SQUAD", "--predictions", "/"), "/: is a directory"),
        (("info", "nowhere"), "nowhere: no such directory"),
        (("quantize", "nowhere", "--data", "SQUAD", "--out", "nowhere/x"), "nowhere"),
    ],
)
def test_bad_input(model: Path, squad: Path, arguments: tuple[str, ...], message: str) -> None:
    given = [str(squad) if argument == "SQUAD" else argument for argument in arguments]
    if arguments[0] in ("ask", "eval") and "--model" not in given:
        given += ["--model", str(model)]
    code, out, error = run(*given)
    assert (code, out) == (2, "")
    assert error.startswith(f"spanjet: {message}")
    assert error.count("\n") == 1


def test_text_that_is_not_utf8(model: Path) -> None:
    code, _, error = run("ask", "who?", "-m", model, text=b"abc\xff")
    assert (code, error) == (2, "spanjet: standard input: not UTF-8: invalid start byte at byte 3\n")


def test_the_machine_s_failures(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("Exception from here\nand there")

    monkeypatch.setattr(Reader, "ask_many", fail)
    assert run("ask", "who?", "text", "-m", model) == (1, "", "spanjet: Exception from here and there\n")


def test_bugs_are_not_hidden(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise KeyError("bug")

    monkeypatch.setattr(Reader, "ask_many", fail)
    result = CliRunner().invoke(app, ["ask", "who?", "text", "-m", str(model)])
    assert isinstance(result.exception, KeyError)


def test_nothing_heavy_is_imported() -> None:
    """`import spanjet` and `spanjet --help` stay quick."""
    heavy = {"openvino", "rich", "nncf", "torch", "pyarrow"}
    script = f"import sys, spanjet, spanjet.cli; print(*{heavy} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout == "\n"
    script = "import sys, spanjet; print('typer' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout == "False\n"
