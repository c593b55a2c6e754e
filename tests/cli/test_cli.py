"""The command: what it prints, its exit codes, and one line for what goes wrong."""

import gzip
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
from spanjet.model.random_weights import Shape, write_checkpoint
from spanjet.runtime.cpu import inference_paths
from typer.testing import CliRunner

TEXT = "The tower was built in 1889 by an engineer. 東京 has a tower too.\n"
WINDOWS = "if it is Windows-1252, convert it: iconv -f WINDOWS-1252 -t UTF-8"
QUESTION = "When was the tower built?"


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing goes into the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module")
def model() -> Path:
    """A checkpoint with random weights."""
    return Path(__file__).parents[1] / "golden" / "tiny-bert"


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


def test_a_piped_answer_of_nothing_is_an_empty_line(model: Path) -> None:
    assert run("ask", QUESTION, TEXT, "-m", model, "--threshold", "1") == (0, "\n", "")
    assert "an empty line says that the text does not" in " ".join(run("ask", "--help")[1].split())


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_a_text_with_a_byte_order_mark(model: Path, tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(TEXT.encode(encoding))
    expected = answers(QUESTION, TEXT, "-m", model)
    assert answers(QUESTION, "--file", path, "-m", model) == expected
    assert answers(QUESTION, "-m", model, text=path.read_bytes()) == expected


@pytest.mark.filterwarnings("default::spanjet.reader.warnings.QuestionCut")
@pytest.mark.parametrize("command", ["ask", "search"])
def test_json_says_that_a_question_was_cut(model: Path, tmp_path: Path, command: str) -> None:
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    place = ["--file", path] if command == "ask" else [path]
    code, out, error = run(command, "who built it " * 40, *place, "-m", model, "--json")
    warning = "the question has 280 tokens and is cut to 64, the max_question_length"
    assert (code, json.loads(out)["warning"]) == (0, warning)
    assert warning.removeprefix("the question ") in error


@pytest.mark.parametrize("name", ["deep.json", "deep.jsonl"])
def test_a_file_that_is_nested_too_deeply_is_refused_in_a_line(
    model: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("[" * 200_000)
    code, _, error = run("eval", tmp_path / name, "-m", model)
    assert (code, len(error.splitlines())) == (2, 1)
    assert name in error


def test_a_number_that_is_too_large_is_refused_in_a_line(model: Path) -> None:
    code, _, error = run("ask", QUESTION, TEXT, "-m", model, "--top-k", str(2**63))
    assert (code, len(error.splitlines())) == (2, 1)
    assert "spanjet: --top-k is 9223372036854775808; expected an integer from 1 to 2147483647" in error


@pytest.mark.filterwarnings("default::spanjet.reader.warnings.QuestionCut")
def test_a_question_that_is_cut_is_said_in_one_line(model: Path) -> None:
    code, out, error = run("ask", "who built it " * 40, TEXT, "-m", model)
    assert (code, len(out.splitlines())) == (0, 1)
    expected = r"spanjet: the question 'who built it who.*…' has 280 tokens and is cut to 64, the max_.*\n"
    assert re.fullmatch(expected, error)


def test_ask_in_squad_mode(model: Path) -> None:
    (found,) = answers(QUESTION, TEXT, "-m", model, "--mode", "squad")
    assert found["text"] in TEXT


def test_eval(model: Path, squad: Path, tmp_path: Path) -> None:
    predictions, no_answer, both = (tmp_path / f"{name}.json" for name in ("answers", "na_prob", "squad_v2"))
    options = ("--limit", "5", "--max-length", "128", "--doc-stride", "32", "--threads", "1")
    files = ("--predictions", predictions, "--no-answer", no_answer, "--squad-v2", both)
    code, out, error = run("eval", squad, "-m", model, *options, *files, "--json")
    assert (code, error) == (0, "")
    found = json.loads(out)
    confidence = {"ece", "brier", "aurc", "exact_at_coverage", "f1_at_coverage"}
    assert set(found) == {"exact_match", "f1", "total", *confidence, "seconds", "questions_per_second"}
    assert found["total"] == 5
    answers, probabilities = (json.loads(path.read_text()) for path in (predictions, no_answer))
    assert len(answers) == 5
    assert json.loads(both.read_text()) == [
        {"id": name, "prediction_text": text, "no_answer_probability": probabilities[name]}
        for name, text in answers.items()
    ]


def test_eval_prints_names_and_values(model: Path, data: Path) -> None:
    squad2 = data / "squad" / "v2.0.json"
    code, out, error = run("eval", squad2, "-m", model, "--threshold", "1")
    assert (code, error) == (0, "")
    values = dict(line.split("\t") for line in out.splitlines())
    assert (values["NoAns_f1"], values["HasAns_exact"], values["exact"], values["f1"]) == (
        "100.00",
        "0.00",
        "33.33",
        "33.33",
    )
    assert values["exact_at_coverage.100%"] == "0.00"
    assert {"auc", "best_f1", "best_f1_thresh"} <= set(values)
    # A model without a threshold gives a span always, as it does when asked to.
    always = [run("eval", squad2, "-m", model, *more, "--json")[1] for more in ((), ("--threshold", "none"))]
    assert [json.loads(each)["NoAns_f1"] for each in always] == [0, 0]


def test_eval_threshold_of_v1(model: Path, squad: Path) -> None:
    """Only one that is given counts where all questions have an answer."""
    scores = [
        json.loads(run("eval", squad, "-m", model, "--limit", "4", "--json", *more)[1])["f1"]
        for more in ((), ("--threshold", "1"))
    ]
    assert scores[0] > scores[1] == 0


def test_eval_of_mrqa(model: Path, squad: Path, tmp_path: Path) -> None:
    (article, *_) = json.loads(squad.read_text())["data"]
    lines: list[dict[str, Any]] = [{"header": {"dataset": "x", "split": "dev"}}]
    for paragraph in article["paragraphs"]:
        questions = [
            {"qid": each["id"], "question": each["question"], "answers": [a["text"] for a in each["answers"]]}
            for each in paragraph["qas"]
        ]
        lines.append({"context": paragraph["context"], "qas": questions})
    path = tmp_path / "dev.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    one = tmp_path / "one.json"
    one.write_text(json.dumps({"data": [article]}))
    found = [json.loads(run("eval", each, "-m", model, "--json")[1]) for each in (path, one)]
    for each in found:
        del each["seconds"], each["questions_per_second"]
    assert found[0] == found[1]


def test_eval_writes_a_page(model: Path, squad: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert run("eval", squad, "-m", model, "--limit", "5", "--html", page)[0] == 0
    text = page.read_text()
    assert f"{model.name} on {squad.name}" in text
    assert "5 questions" in text
    assert text.count("<svg") == 2


@pytest.fixture(scope="module")
def articles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two articles of three paragraphs, each with a question."""
    data = [
        {
            "title": title,
            "paragraphs": [
                {
                    "context": f"The {title} of the {place} was first built in {year}.",
                    "qas": [{"id": f"{title}{year}", "question": "when?", "answers": [{"text": f"{year}"}]}],
                }
                for place, year in (("city", 1903), ("river", 1920), ("king", 1875))
            ],
        }
        for title in ("bridge", "tower")
    ]
    path = tmp_path_factory.mktemp("articles") / "articles.json"
    path.write_text(json.dumps({"data": data}))
    return path


def test_eval_over_passages(model: Path, articles: Path, tmp_path: Path) -> None:
    def found(*more: str | Path) -> dict[str, Any]:
        code, out, error = run("eval", articles, "-m", model, "--passages", "2", "--json", *more)
        assert (code, error) == (0, "")
        values: dict[str, Any] = json.loads(out)
        for name in ("seconds", "questions_per_second"):
            assert values.pop(name) > 0
        return values

    everything = found()
    assert (everything["passages"], everything["total"], everything["reference_elsewhere"]) == (2, 6, 0)
    assert 0 <= everything["right_passage"] <= 100
    assert found() == everything
    assert any(found("--seed", str(seed)) != everything for seed in range(1, 6))
    page = tmp_path / "page.html"
    assert found("--limit", "4", "--html", page)["total"] == 4
    assert "right_passage" in page.read_text()


def test_eval_over_articles(model: Path, articles: Path) -> None:
    code, out, error = run("eval", articles, "-m", model, "--articles", "--limit", "5", "--json")
    assert (code, error) == (0, "")
    found = json.loads(out)
    assert found["total"] == 5
    assert "right_passage" not in found
    assert {"exact", "f1", "ece", "seconds"} <= set(found)


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


@pytest.mark.parametrize(
    "command", [[], ["answer"], ["ask"], ["calibrate"], ["eval"], ["info"], ["quantize"]]
)
def test_help(command: list[str]) -> None:
    code, out, _ = run(*command, "--help")
    assert code == 0
    assert "Usage:" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ask", "", "text"), "question is empty: it has no tokens, expected some text"),
        (("ask", "who?", " "), "context is empty: it has no tokens, expected some text"),
        (("ask", "who?", "--file", "nowhere"), "nowhere: No such file or directory"),
        (("ask", "who?", "text", "--file", "x"), "the text is given twice, as an argument and with --file"),
        (("ask", "who?", "text", "--model", "nowhere"), "nowhere: no such directory"),
        (("ask", "who?", "text", "--mode", "best"), "--mode is 'best'; expected 'global' or 'squad' or 'hf'"),
        (("eval", "nowhere.json"), "nowhere.json: No such file or directory"),
        (("eval", "SQUAD", "--max-length", "385"), "--max-length is 385; expected at most 384"),
        (("eval", "SQUAD", "--predictions", "/nowhere/x.json"), "/nowhere: no such directory"),
        (("eval", "SQUAD", "--predictions", "/"), "/: is a directory"),
        (("eval", "SQUAD", "--squad-v2", "/"), "/: is a directory"),
        (("eval", "SQUAD", "--no-answer", "/nowhere/x"), "/nowhere: no such directory"),
        (("eval", "SQUAD", "--html", "/"), "/: is a directory"),
        (
            ("eval", "SQUAD", "--threshold", "1.5"),
            "--threshold is '1.5'; expected model, none or a probability",
        ),
        (
            ("eval", "SQUAD", "--passages", "2", "--articles"),
            "--passages and --articles are given; expected one",
        ),
        (
            ("eval", "SQUAD", "--articles", "--no-answer", "x"),
            "--no-answer is given with --passages or --articles",
        ),
        (("eval", "SQUAD", "--passages", "9"), "no question has an answer and an article of at least 9"),
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
    assert (code, error) == (2, f"spanjet: standard input: not UTF-8: 0xFF at byte 3; {WINDOWS}\n")


def test_texts_of_other_encodings(model: Path, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_bytes(TEXT.encode("utf-16"))
    assert answers(QUESTION, "-f", tmp_path / "text.txt", "-m", model) == answers(QUESTION, TEXT, "-m", model)
    assert run("ask", "wh\udcff?", "x", "-m", model) == (2, "", "spanjet: the question is not UTF-8\n")
    assert run("ask", "who?", "x\udcff", "-m", model) == (2, "", "spanjet: the text is not UTF-8\n")
    assert run("search", "wh\udcff?", "x", "-m", model) == (2, "", "spanjet: the question is not UTF-8\n")
    # An argument in UTF-8 is read as such also where the locale's encoding is another.
    misread = TEXT.encode().decode("ascii", "surrogateescape")
    assert answers(QUESTION, misread, "-m", model) == answers(QUESTION, TEXT, "-m", model)


def test_a_model_of_short_windows_can_be_asked(squad: Path, tmp_path: Path) -> None:
    short = tmp_path / "short"
    write_checkpoint(short, Shape(width=32, layers=1, heads=2, positions=128, vocabulary=200))
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    assert run("ask", QUESTION, TEXT, "-m", short, "--threshold", "none")[0] == 0
    assert run("search", QUESTION, tmp_path / "text.txt", "-m", short, "--threshold", "none")[0] == 0
    code, _, error = run("eval", squad, "-m", short)
    assert code == 2
    assert error.startswith("spanjet: --max-length is 384; expected at most 128, the positions of the model")


def test_outputs_that_cannot_be_written(model: Path, squad: Path) -> None:
    """The file is named, and a device stays one."""
    code, out, error = run("eval", squad, "-m", model, "--limit", "2", "--predictions", "/dev/full")
    assert (code, out, error) == (2, "", "spanjet: /dev/full: No space left on device\n")
    assert run("eval", squad, "-m", model, "--limit", "2", "--predictions", "/dev/null")[0] == 0
    assert Path("/dev/null").is_char_device()


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
