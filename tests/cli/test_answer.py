"""`spanjet answer`: files in, files out, and a process that is killed again and again."""

import csv
import json
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from job_inputs import write_json_lines
from spanjet import Reader
from spanjet.cli import app
from typer.testing import CliRunner

MODEL = Path(__file__).parents[1] / "golden" / "tiny-bert"
TEXT = "The tower was built in 1889 by an engineer. 東京 has a tower too."
QUESTIONS = ["When was the tower built?", "Who built it?", "What has 東京?"]


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing goes into the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    """A JSON Lines file."""
    path = tmp_path / "in.jsonl"
    rows = [{"id": index, "question": text, "context": TEXT} for index, text in enumerate(QUESTIONS)]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def run(*arguments: str | Path, text: str | bytes | None = None) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `spanjet answer` with the tiny model."""
    given = ["answer", *map(str, arguments), "--model", str(MODEL)]
    result = CliRunner().invoke(app, given, input=text)
    return result.exit_code, result.stdout, result.stderr


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def expected(top_k: int = 1) -> list[dict[str, Any]]:
    found = Reader(MODEL).ask_many(QUESTIONS, TEXT, top_k=top_k)
    return [
        {"row": index, "id": index, "question": text, "answers": [answer.as_dict() for answer in answers]}
        for index, (text, answers) in enumerate(zip(QUESTIONS, found, strict=True))
    ]


def test_json_lines(questions: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    code, printed, error = run(questions, "--out", out, "--top-k", "3")
    assert (code, error) == (0, "")
    assert rows_of(out) == expected(3)
    values = dict(line.split("\t") for line in printed.splitlines())
    assert (values["answered"], values["rejected"], values["output"]) == ("3", "0", str(out))
    assert "rejected_rows" not in values
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl", "out.jsonl.run.json"]


def test_bad_rows(questions: Path, tmp_path: Path) -> None:
    lines = questions.read_bytes().splitlines(keepends=True)
    tokenless = '{"question": "who?", "context": "\\u200b"}\n'
    questions.write_bytes(lines[0] + b"{\n" + lines[1] + tokenless.encode() + lines[2])
    out = tmp_path / "out.jsonl"
    code, printed, error = run(questions, "--out", out, "--json")
    assert code == 3
    assert error.startswith("spanjet: 2 rejected, first line 2: not JSON: ")
    summary = json.loads(printed)
    assert (summary["answered"], summary["rejected"]) == (3, 2)
    assert [row["row"] for row in rows_of(out)] == [0, 2, 4]
    assert [row["answers"] for row in rows_of(out)] == [row["answers"] for row in expected()]
    rejected = rows_of(Path(summary["rejected_rows"]))
    assert [(row["row"], row["place"]) for row in rejected] == [(1, "line 2"), (3, "line 4")]
    assert rejected[0]["reason"].startswith("not JSON: ")
    assert rejected[1]["reason"] == "column 'context': empty, expected some text"


def test_strict_keeps_the_rows_before(questions: Path, tmp_path: Path) -> None:
    lines = questions.read_bytes().splitlines(keepends=True)
    questions.write_bytes(lines[0] + b"{\n" + lines[1])
    out = tmp_path / "out.jsonl"
    code, printed, error = run(questions, "--out", out, "--strict", "--look-ahead", "2")
    assert (code, printed) == (2, "")
    assert error.startswith("spanjet: line 2: not JSON: ")
    code, printed, _ = run(questions, "--out", out, "--resume", "--look-ahead", "2", "--json")
    assert code == 3
    assert json.loads(printed)["resumed_at_row"] == 1
    assert [row["row"] for row in rows_of(out)] == [0, 2]


def test_csv_with_one_context(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("key;ask\n" + "".join(f"{i};{q}\n" for i, q in enumerate(QUESTIONS)))
    (tmp_path / "text.txt").write_text(TEXT)
    columns = ("--question-column", "ask", "--id-column", "key", "--delimiter", ";")
    out = tmp_path / "out.jsonl"
    code, _, error = run(tmp_path / "in.csv", "-o", out, *columns, "--context", tmp_path / "text.txt")
    assert (code, error) == (0, "")
    assert rows_of(out) == [{**row, "id": str(row["id"])} for row in expected()]


def test_squad(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    code, _, error = run(data / "squad" / "v2.0.json", "--out", out, "--mode", "squad")
    assert (code, error) == (0, "")
    root = json.loads((data / "squad" / "v2.0.json").read_text())
    asked = [q["id"] for a in root["data"] for p in a["paragraphs"] for q in p["qas"]]
    assert [row["id"] for row in rows_of(out)] == asked


def test_parquet(questions: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    assert run(questions, "--out", out)[0] == 0
    found = pq.read_table(out).to_pylist()
    assert found == [{**row, "id": str(row["id"]), "warning": None} for row in expected()]
    again = tmp_path / "again.jsonl"
    assert run(out, "--out", again, "--context-column", "question")[0] == 0
    assert [row["id"] for row in rows_of(again)] == ["0", "1", "2"]


def test_csv_out(questions: Path, tmp_path: Path) -> None:
    """By its name, or by the option; what was read before can be read again."""
    out, named = tmp_path / "out.csv", tmp_path / "out"
    assert run(questions, "--out", out, "--top-k", "2")[0] == 0
    assert run(questions, "--out", named, "--top-k", "2", "--out-format", "csv")[0] == 0
    assert out.read_bytes() == named.read_bytes()
    with out.open(encoding="utf-8", newline="") as file:
        found = [(row["id"], row["rank"], row["text"]) for row in csv.DictReader(file)]
    assert found == [
        (str(row["id"]), str(rank), answer["text"])
        for row in expected(2)
        for rank, answer in enumerate(row["answers"], start=1)
    ]
    again = tmp_path / "again.jsonl"
    assert run(out, "--out", again, "--context-column", "question")[0] == 0
    assert [row["id"] for row in rows_of(again)] == [name for name, _, _ in found]


def test_pipes(questions: Path) -> None:
    text = questions.read_bytes() + b"{\n"
    code, printed, error = run("-", "--out", "-", text=text)
    assert code == 3
    assert [json.loads(line) for line in printed.splitlines()] == expected()
    rejected, summary = error.splitlines()
    assert json.loads(rejected)["place"] == "line 4"
    assert summary == "spanjet: 3 answered, 1 rejected"


def test_resume(questions: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    assert run(questions, "--out", out, "--resume")[0] == 0
    before = out.read_bytes()
    code, printed, _ = run(questions, "--out", out, "--resume", "--threads", "1", "--json")
    assert code == 0
    assert json.loads(printed)["questions_per_second"] == 0
    code, _, error = run(questions, "--out", out, "--resume", "--top-k", "2")
    assert code == 2
    assert error.endswith("belongs to a different run: top_k was 1, is 2\n")
    questions.write_bytes(questions.read_bytes() + b" ")
    code, _, error = run(questions, "--out", out, "--resume")
    assert code == 2
    assert "belongs to a different run: input was '" in error
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere.jsonl", "--out", "OUT"), "nowhere.jsonl: No such file or directory"),
        (
            ("IN", "--out", "out.json"),
            "out.json: unknown format; expected a name that ends in .jsonl, .csv, ",
        ),
        (("IN", "--out", "OUT", "--out-format", "squad"), "format is 'squad'; expected jsonl, csv, tsv, par"),
        (("IN", "--out", "OUT", "--delimiter", ";"), "a delimiter is given; expected none, as the format is"),
        (("IN", "--out", "-", "--out-format", "csv"), "standard output is written as JSON Lines only"),
        (("IN", "--out", "out.txt"), "out.txt: unknown format; expected a name that ends in .jsonl"),
        (("IN", "--out", "/nowhere/out.jsonl"), "/nowhere: no such directory"),
        (("IN", "--out", "IN", "--overwrite"), "is also the input"),
        (
            ("IN", "--out", "OUT", "--format", "xml"),
            "format is 'xml'; expected jsonl, csv, tsv, parquet, json, squad",
        ),
        (
            ("IN", "--out", "OUT", "--resume", "--overwrite"),
            "resume and overwrite are both True; expected at most one",
        ),
        (("IN", "--out", "-", "--resume"), "resume needs files for both the input and the output"),
        (("-", "--out", "OUT", "--resume"), "resume needs files for both the input and the output"),
        (("-", "--out", "OUT", "--format", "csv"), "standard input is read as JSON Lines only, not as csv"),
        (
            ("SQUAD", "--out", "OUT", "--context", "IN"),
            "v1.1.json: the questions of a SQuAD file have their own",
        ),
        (
            ("IN", "--out", "OUT", "--context", "EMPTY"),
            "the text of all questions has no tokens, expected some text",
        ),
        (("IN", "--out", "OUT", "--format", "csv"), "no column 'question' in the header"),
        (("IN", "--out", "OUT", "--max-length", "385"), "--max-length is 385"),
    ],
)
def test_bad_input(
    questions: Path, tmp_path: Path, data: Path, arguments: tuple[str, ...], message: str
) -> None:
    empty = tmp_path / "EMPTY"
    empty.touch()
    files = {"IN": questions, "OUT": tmp_path / "out.jsonl", "EMPTY": empty}
    files["SQUAD"] = data / "squad" / "v1.1.json"
    before = sorted(tmp_path.iterdir())
    code, printed, error = run(*(files.get(argument, argument) for argument in arguments))
    assert (code, printed) == (2, "")
    assert message in error
    assert error.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_an_output_is_not_replaced(questions: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("precious")
    code, _, error = run(questions, "--out", out)
    wanted = "expected a new file, or permission to replace it (--overwrite, overwrite=True)"
    assert (code, error) == (2, f"spanjet: {out}: exists already; {wanted}\n")
    assert out.read_text() == "precious"
    assert run(questions, "--out", out, "--overwrite")[0] == 0
    assert rows_of(out) == expected()


def test_without_pyarrow(questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    code, _, error = run(questions, "--out", tmp_path / "out.parquet")
    assert code == 1
    assert error.startswith("spanjet: Parquet needs pyarrow: pip install 'spanjet[arrow]'")


# Commits often and answers slowly, so that kills find every stage of a run.
SLOW = """
import signal, sys, time
from spanjet import Reader
from spanjet.cli import app
from spanjet.files import journal

# A shell that starts the tests in the background has them ignore the signal, and what they start too.
signal.signal(signal.SIGINT, signal.default_int_handler)
stream = Reader.stream

def slow(self, pairs, **options):
    for answers in stream(self, pairs, **options):
        time.sleep(0.001)
        yield answers

Reader.stream = slow
journal.COMMIT_SECONDS = 0.005
app()
"""


OPTIONS = ("--look-ahead", "16")


def start(source: Path, out: Path) -> subprocess.Popen[str]:
    arguments = ["answer", source, "--out", out, "--resume", *OPTIONS, "--model", MODEL, "--json"]
    command = [sys.executable, "-c", SLOW, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def rows_done(out: Path) -> int:
    state = out.with_name(f"{out.name}.partial") / "state.json"
    return int(json.loads(state.read_bytes())["rows"]) if state.exists() else 0


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_killed_again_and_again(tmp_path: Path, form: str) -> None:
    """SIGKILL at random moments: the output of many runs is that of one, byte for byte."""
    source = tmp_path / "in.jsonl"
    write_json_lines(source, 900)
    whole = tmp_path / f"whole.{form}"
    assert run(source, "--out", whole, *OPTIONS)[0] == 3
    generator = random.Random(form)
    out = tmp_path / f"out.{form}"
    kills = 0
    for _ in range(100):
        before = rows_done(out)
        process = start(source, out)
        if generator.random() < 0.8:  # else: before it is ready, perhaps
            while process.poll() is None and rows_done(out) == before:
                time.sleep(0.005)
        try:
            printed, error = process.communicate(timeout=generator.uniform(0, 0.4))
        except subprocess.TimeoutExpired:
            process.kill()
            printed, error = process.communicate()
            if process.returncode == -signal.SIGKILL:  # else: it ended by itself just before
                kills += 1
                continue
        assert (process.returncode, error.count("\n")) == (3, 1)
        assert re.fullmatch(r"spanjet: \d+ rejected, first line 6: not UTF-8: 0xFF at byte 0; .*\n", error)
        assert json.loads(printed)["resumed_at_row"] > 0
        break
    assert kills > 0
    assert not out.with_name(f"{out.name}.partial").exists()
    for suffix in ("", ".rejected.jsonl"):
        found = out.with_name(out.name + suffix).read_bytes()
        assert found == whole.with_name(whole.name + suffix).read_bytes()


def test_interrupted(tmp_path: Path) -> None:
    """Ctrl-C keeps what is done and says so."""
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    write_json_lines(source, 3000)
    process = start(source, out)
    while process.poll() is None and not rows_done(out):
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    printed, error = process.communicate()
    assert (process.returncode, printed) == (130, "")
    said = re.fullmatch(r"spanjet: stopped after (\d+) rows(?:, of which (\d+) are kept)?\n", error)
    assert said is not None
    done = int(said[1])
    kept = done if said[2] is None else int(said[2])
    assert 0 < done < 3000
    assert done - 16 < rows_done(out) <= done
    assert kept == rows_done(out)
