"""`spanjet search`: files and patterns, places, what is printed where, exit codes."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from spanjet import Reader
from spanjet.cli import app
from typer.testing import CliRunner

TOWER = "A city.\n\nThe tower was built in 1889 by an engineer. 東京 has a tower too.\n"
BRIDGE = "The bridge was built in 1903.\r\n"
WINDOWS = "if it is Windows-1252, convert it: iconv -f WINDOWS-1252 -t UTF-8"
QUESTION = "When was the tower built?"


@pytest.fixture(autouse=True)
def directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The current directory, with texts in it; nothing goes into the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "here" / "more").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    Path("tower.txt").write_text(TOWER, encoding="utf-8")
    Path("more/bridge.txt").write_bytes(BRIDGE.encode())
    Path("blank.txt").write_text(" \n", encoding="utf-8")
    Path("latin.txt").write_bytes(b"abc\xff")
    return Path.cwd()


@pytest.fixture(scope="module")
def model() -> Path:
    """A checkpoint with random weights."""
    return Path(__file__).parents[1] / "golden" / "tiny-bert"


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(model: Path) -> Run:
    """Exit code, standard output and standard error of a search."""

    def invoke(*arguments: str, text: str | bytes | None = None) -> tuple[int, str, str]:
        result = CliRunner().invoke(app, ["search", QUESTION, *arguments, "--model", str(model)], input=text)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.exit_code, result.stdout, result.stderr

    return invoke


def found(run: Run, *arguments: str, text: str | None = None) -> dict[str, Any]:
    code, out, error = run(*arguments, "--json", text=text)
    assert (code, error) == (0, "")
    value: dict[str, Any] = json.loads(out)
    return value


def line_and_column(text: str, start: int) -> tuple[int, int]:
    lines = text[: start + 1].split("\n")
    return len(lines), len(lines[-1])


def test_equals_the_reader_s_search(run: Run, model: Path) -> None:
    value = found(run, "tower.txt", "blank.txt", "more/bridge.txt", "-k", "12", "--threshold", "none")
    passages = [("tower.txt", TOWER), ("blank.txt", " "), ("more/bridge.txt", BRIDGE)]
    expected = Reader(model).search(QUESTION, passages, top_k=12, threshold=None)
    assert list(value) == ["question", "files", "no_answer", "answers"]
    assert (value["question"], value["files"], value["no_answer"]) == (QUESTION, 3, expected.no_answer)
    assert {answer.passage for answer in expected} == {0, 2}
    for printed, answer in zip(value["answers"], expected, strict=True):
        text = dict(passages)[printed["file"]]
        line, column = line_and_column(text, answer.start)
        assert text.split("\n")[line - 1][column - 1 :].startswith(answer.text.split("\n")[0])
        values = answer.as_dict()
        del values["passage"], values["passage_id"]
        place = {"file": answer.passage_id, "line": line, "column": column}
        assert printed == {**place, **values, "sentence": answer.sentence}


def test_piped_answers_are_lines_of_place_answer_and_sentence(run: Run) -> None:
    answers = found(run, "tower.txt", "more/bridge.txt", "-k", "9")["answers"]
    code, out, error = run("tower.txt", "more/bridge.txt", "-k", "9")
    assert (code, error) == (0, "")
    rows = [line.split("\t") for line in out.splitlines()]
    assert [row[0] for row in rows] == ["{file}:{line}:{column}".format(**answer) for answer in answers]
    spaced = [(answer["text"].replace("\n", " "), answer["sentence"]) for answer in answers]
    assert [row[1] for row in rows] == [text for text, _ in spaced]
    assert all(row[1] in row[2] for row in rows)
    assert any(row[2] == sentence != row[1] for row, (_, sentence) in zip(rows, spaced, strict=True))


def test_five_answers_unless_asked_otherwise(run: Run) -> None:
    assert len(found(run, "tower.txt")["answers"]) == 5
    assert len(found(run, "tower.txt", "--top-k", "2")["answers"]) == 2


@pytest.mark.parametrize(
    ("patterns", "files"),
    [
        (["*.md", "t*.txt"], None),
        (["t*.txt"], {"tower.txt"}),
        (["more/*"], {"more/bridge.txt"}),
        (["**/*r*e*"], {"more/bridge.txt"}),
        (["**/*[re].txt"], {"tower.txt", "more/bridge.txt"}),
        (["tower.txt", "./tower.txt", "t*", "more/../tower.txt", "link.txt"], {"tower.txt"}),
        (["tower.txt", "-"], {"tower.txt", "(standard input)"}),
        (["-", "-"], {"(standard input)"}),
        (["[1].txt"], {"[1].txt"}),
    ],
)
def test_patterns(run: Run, patterns: list[str], files: set[str] | None) -> None:
    Path("link.txt").symlink_to("tower.txt")
    Path("[1].txt").write_text(BRIDGE, encoding="utf-8")
    code, out, error = run(*patterns, "--json", "-k", "1000", text="The king of Paris.")
    value = json.loads(out)
    assert {answer["file"] for answer in value["answers"]} == (files or {"tower.txt"})
    assert value["files"] == len(files or {"tower.txt"})
    assert (code, error) == ((0, "") if files else (2, "spanjet: *.md: no file matches\n"))


def test_matching_files_are_in_order(run: Run) -> None:
    for name in "bdeac":
        Path(f"same-{name}.txt").write_text(BRIDGE, encoding="utf-8")
    answers = found(run, "same-*.txt", "-k", "5")["answers"]
    assert len({answer["text"] for answer in answers}) == 1
    assert [answer["file"] for answer in answers] == [f"same-{name}.txt" for name in "abcde"]


def test_absolute_patterns(run: Run, directory: Path) -> None:
    value = found(run, f"{directory}/t*.txt", "-k", "1")
    assert value["answers"][0]["file"] == f"{directory}/tower.txt"


def test_what_cannot_be_read_is_reported_and_left_out(run: Run) -> None:
    Path("loop.txt").symlink_to("loop.txt")
    code, out, error = run("nowhere", "latin.txt", "more", "x*", "loop.txt", "tower.txt", "-k", "1")
    assert code == 2
    assert out.startswith("tower.txt:")
    assert error.splitlines() == [
        "spanjet: nowhere: No such file or directory",
        f"spanjet: latin.txt: not UTF-8: 0xFF at byte 3; {WINDOWS}",
        "spanjet: more: is a directory; expected files, such as 'more/*' or 'more/**/*.txt'",
        "spanjet: x*: no file matches",
        "spanjet: loop.txt: Too many levels of symbolic links",
    ]


def test_when_no_file_can_be_read(run: Run) -> None:
    error = f"spanjet: latin.txt: not UTF-8: 0xFF at byte 3; {WINDOWS}\n"
    assert run("latin.txt") == (2, "", error)
    code, out, _ = run("latin.txt", "--json")
    assert (code, json.loads(out)["answers"], json.loads(out)["files"]) == (2, [], 0)


def test_nothing_found(run: Run) -> None:
    """As with grep, the exit code is 1, and 2 where a file could not be read."""
    assert run("blank.txt") == (1, "", "spanjet: no answer found in 1 file\n")
    Path("empty.txt").write_bytes(b"")
    assert run("blank.txt", "empty.txt") == (1, "", "spanjet: no answer found in 2 files\n")
    assert run("blank.txt", "nowhere")[0] == 2
    code, out, error = run("blank.txt", "--json")
    assert (code, error) == (1, "")
    assert json.loads(out) == {"question": QUESTION, "files": 1, "no_answer": 1.0, "answers": []}


def test_help() -> None:
    result = CliRunner().invoke(app, ["search", "--help"])
    assert result.exit_code == 0
    said = " ".join(result.stdout.split())
    assert "exit code is 1 if no file answers the question" in said
    assert "Text files, or patterns such as 'docs/**/*.txt'" in said


def test_threshold(run: Run) -> None:
    assert run("tower.txt", "--threshold", "0")[0] == 0
    assert run("tower.txt", "--threshold", "none")[0] == 0
    no_answer = found(run, "tower.txt", "--threshold", "none")["no_answer"]
    assert run("tower.txt", "--threshold", "1")[0] == (0 if no_answer == 0 else 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "nowhere"), "nowhere: no such directory"),
        (("--threshold", "often"), "--threshold"),
        (("--top-k", "0"), "--top-k"),
        ((), "FILE"),
    ],
)
def test_bad_usage(model: Path, arguments: tuple[str, ...], message: str) -> None:
    files = ["tower.txt", "--model", str(model)] if arguments else []
    result = CliRunner().invoke(app, ["search", QUESTION, *files, *arguments])
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_names_that_are_no_text(run: Run) -> None:
    name = os.fsdecode(b"a\xff\t.txt")
    Path(name).write_text(BRIDGE, encoding="utf-8")
    assert found(run, name, "-k", "1")["answers"][0]["file"] == "a\ufffd\t.txt"
    code, out, _ = run(name, "-k", "1")
    assert code == 0
    assert out.startswith("a\ufffd .txt:1:")
    assert out.count("\t") == 2


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_column(run: Run, encoding: str) -> None:
    Path("marked.txt").write_bytes(BRIDGE.encode(encoding))
    (plain,) = found(run, "more/bridge.txt", "--top-k", "1")["answers"]
    (marked,) = found(run, "marked.txt", "--top-k", "1")["answers"]
    assert {**marked, "file": "more/bridge.txt"} == plain
