"""`spanjet answer`: what files may look like, and what is said of those that look otherwise."""

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from spanjet.cli import app
from typer.testing import CliRunner

MODEL = Path(__file__).parents[1] / "golden" / "tiny-bert"
ROW = {"question": "Who built it?", "context": "Clara Höß built it in 1903."}
ROWS = b"question,context\nWho built it?,Clara built it.\n"


@pytest.fixture(autouse=True)
def directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A current directory of its own; nothing goes into the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.chdir(tmp_path)


def run(*arguments: str, text: bytes | None = None) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `spanjet answer` with the tiny model."""
    result = CliRunner().invoke(app, ["answer", *arguments, "--model", str(MODEL)], input=text)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


def answered(name: str, content: bytes, *options: str) -> list[dict[str, Any]]:
    """The rows of the output; there is nothing else to say."""
    Path(name).write_bytes(content)
    code, _, error = run(name, "--out", "out.jsonl", "--overwrite", *options)
    assert (code, error) == (0, "")
    return [json.loads(line) for line in Path("out.jsonl").read_bytes().splitlines()]


def refused(name: str, content: bytes, *options: str) -> str:
    """The one line that says why the file is refused."""
    Path(name).write_bytes(content)
    code, out, error = run(name, "--out", "out.jsonl", *options)
    assert (code, out, error.count("\n")) == (2, "", 1)
    return error.removeprefix("spanjet: ").rstrip()


@pytest.mark.parametrize("given", ["7.0", "NaN", "true", "[1]", "null"])
def test_an_id_of_any_type_loses_no_answer(given: str) -> None:
    (row,) = answered("in.jsonl", f'{{"id": {given}, "question": "Who?", "context": "Clara."}}'.encode())
    assert row["id"] == {"7.0": 7, "NaN": None, "null": None}.get(given, given)


@pytest.mark.parametrize("column", [[7.0], [[1]], pa.array([0], pa.timestamp("ns")), pa.nulls(1)])
def test_an_id_of_any_type_in_parquet(column: Any) -> None:
    pq.write_table(pa.table({"id": column, **{name: [text] for name, text in ROW.items()}}), "in.parquet")
    assert run("in.parquet", "--out", "out.jsonl")[0] == 0


def test_bytes_in_parquet_are_text() -> None:
    texts = {name: pa.array([text.encode(), b"\xff"], pa.binary()) for name, text in ROW.items()}
    pq.write_table(pa.table(texts), "in.parquet")
    code, _, error = run("in.parquet", "--out", "out.jsonl")
    assert code == 3
    assert error.startswith("spanjet: 1 rejected, first row 1: column 'question': not UTF-8: 0xFF at byte 0")


def test_a_parquet_column_of_nulls_rejects_its_rows() -> None:
    pq.write_table(pa.table({"question": pa.nulls(1), "context": ["c"]}), "in.parquet")
    code, _, error = run("in.parquet", "--out", "out.jsonl")
    reason = "column 'question': expected a string, found null"
    assert (code, error) == (3, f"spanjet: 1 rejected, first row 0: {reason}\n")


def test_squad_without_ids_has_null_in_their_place() -> None:
    root = {"data": [{"paragraphs": [{"context": "Built by Clara.", "qas": [{"question": "Who?"}]}]}]}
    assert [row["id"] for row in answered("in.json", json.dumps(root).encode())] == [None]


@pytest.mark.parametrize("layout", ["lines", "array", "indented"])
def test_json_is_read_by_what_it_holds(layout: str) -> None:
    lines = f"{json.dumps(ROW)}\n{json.dumps(ROW)}\n"
    content = (
        lines if layout == "lines" else json.dumps([ROW, ROW], indent=2 if layout == "indented" else None)
    )
    assert [row["question"] for row in answered("in.json", content.encode())] == [ROW["question"]] * 2


def test_an_array_that_is_called_jsonl_is_hinted_at() -> None:
    Path("in.jsonl").write_text(json.dumps([ROW]))
    code, _, error = run("in.jsonl", "--out", "out.jsonl")
    hint = "expected an object, found an array; --format json reads a file that is one JSON document"
    assert (code, error) == (3, f"spanjet: 1 rejected, first line 1: {hint}\n")
    assert len(answered("in.jsonl", json.dumps([ROW]).encode(), "--format", "json")) == 1


@pytest.mark.parametrize("name", ["in.csv", "in.CSV", "in.jsonl", "in.JSONL", "in.json"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_text_with_a_byte_order_mark_and_utf_16(name: str, encoding: str) -> None:
    content = ROWS.decode() if name.lower().endswith("csv") else f"{json.dumps(ROW)}\n"
    assert len(answered(name, content.encode(encoding))) == 1


def test_utf_16_from_standard_input() -> None:
    code, out, error = run("-", "--out", "-", text=f"{json.dumps(ROW)}\n".encode("utf-16"))
    assert (code, json.loads(out)["question"], error) == (
        0,
        ROW["question"],
        "spanjet: 1 answered, 0 rejected\n",
    )


def test_lines_that_end_with_carriage_returns() -> None:
    assert len(answered("in.csv", ROWS.replace(b"\n", b"\r"))) == 1


def test_another_encoding_is_named_with_how_to_convert_it() -> None:
    Path("in.csv").write_bytes("question,context\nWho?,Clara Höß.\n".encode("cp1252"))
    code, _, error = run("in.csv", "--out", "out.jsonl")
    said = "not UTF-8: 0xF6 at byte 7; if it is Windows-1252, convert it: iconv -f WINDOWS-1252 -t UTF-8"
    assert (code, error) == (3, f"spanjet: 1 rejected, first line 2: column 'context': {said}\n")


@pytest.mark.parametrize("name", ["in.csv", "in.jsonl", "in.json"])
def test_byte_order_marks_of_files_that_were_joined(name: str) -> None:
    mark = b"\xef\xbb\xbf"
    line = f"{json.dumps(ROW)}\n".encode()
    assert len(answered(name, mark * 2 + ROWS if name == "in.csv" else (mark + line) * 2)) in (1, 2)
    if name == "in.jsonl":
        assert len(answered(name, (mark + line) * 3)) == 3


def test_the_delimiter_of_a_header_is_hinted_at() -> None:
    table = ROWS.replace(b",", b"\t")
    assert refused("in.csv", table).endswith(r"it has 'question\tcontext'; expected --delimiter '\t'?")
    assert refused("in.csv", ROWS.replace(b",", b";")).endswith("expected --delimiter ';'?")
    for name, options in (("in.csv", ["--delimiter", "\\t"]), ("in.tsv", []), ("in.tab", [])):
        assert len(answered(name, table, *options)) == 1


def test_files_that_are_no_text() -> None:
    assert refused("in.csv", b"\x1f\x8b\x08\x00\xff").endswith("the header is not text but gzip data")
    assert refused("in.json", b"PK\x03\x04\xff").endswith(
        "not text but a zip archive, such as .docx or .xlsx"
    )
    assert refused("in.json", b"\0\0\0\x18ftypmp42\xff").endswith("not text: it holds zero bytes")
    assert refused("in.json", b"").endswith("not JSON: there is nothing but white space")


def test_only_formats_that_can_be_written_are_listed() -> None:
    Path("in.csv").write_bytes(ROWS)
    code, _, error = run("in.csv", "--out", "b.txt")
    suffixes = error.rstrip().partition("a name that ends in ")[2].split(", ")
    assert (code, ".csv" in suffixes, ".json" in suffixes, ".squad" in suffixes) == (2, True, False, False)
    for suffix in suffixes:
        assert run("in.csv", "--out", f"b{suffix}")[0] == 0


def test_the_first_reason_is_said() -> None:
    Path("in.jsonl").write_text(f"{json.dumps(ROW)}\n" * 3)
    code, _, error = run("in.jsonl", "--out", "out.jsonl", "--question-column", "ask")
    reason = "no column 'ask' (--question-column); the row has 'question', 'context'"
    assert (code, error) == (3, f"spanjet: 3 rejected, first line 1: {reason}\n")


def test_a_text_without_tokens_is_rejected_without_an_index() -> None:
    """BERT drops the replacement character, and only the tokenizer knows."""
    rows = [ROW, {**ROW, "question": "\ufffd"}, {**ROW, "context": "\ufffd"}]
    Path("in.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert run("in.jsonl", "--out", "out.jsonl")[0] == 3
    found = [json.loads(line) for line in Path("out.jsonl.rejected.jsonl").read_text().splitlines()]
    assert [(row["place"], row["reason"]) for row in found] == [
        ("line 2", "question is empty: it has no tokens, expected some text"),
        ("line 3", "context is empty: it has no tokens, expected some text"),
    ]


def test_existing_outputs_name_the_options() -> None:
    Path("in.csv").write_bytes(ROWS)
    assert run("in.csv", "--out", "out.jsonl")[0] == 0
    assert (
        "or permission to replace it (--overwrite, overwrite=True)" in run("in.csv", "--out", "out.jsonl")[2]
    )
    Path("b.jsonl.partial").mkdir()
    Path("b.jsonl.partial/state.json").write_text("{}")
    for option, expected in (
        ("--strict", "--resume, resume=True"),
        ("--resume", "damaged; start the run again"),
    ):
        code, out, error = run("in.csv", "--out", "b.jsonl", option)
        assert (code, out, error.count("\n"), expected in error) == (2, "", 1, True)


OTHER_SETTINGS = {
    "--mode": "squad",
    "--max-length": "200",
    "--doc-stride": "100",
    "--convention": "overlap",
    "--max-question-length": "20",
    "--n-best": "5",
    "--max-answer-length": "9",
    "--threshold": "0.5",
    "--top-k": "2",
    "--look-ahead": "2",
    "--question-column": "context",
    "--context-column": "question",
    "--id-column": "question",
    "--context": "in.csv",
    "--delimiter": ",",
    "--out-format": "csv",
}


@pytest.mark.parametrize("option", [*OTHER_SETTINGS, "--overlap"])
def test_a_run_is_resumed_with_the_same_settings_alone(option: str) -> None:
    Path("in.csv").write_bytes(ROWS)
    assert run("in.csv", "--out", "out.jsonl")[0] == 0
    value = [OTHER_SETTINGS[option]] if option in OTHER_SETTINGS else []
    code, _, error = run("in.csv", "--out", "out.jsonl", "--resume", option, *value)
    assert (code, error.count("\n"), "belongs to a different run: " in error) == (2, 1, True)
    assert run("in.csv", "--out", "out.jsonl", "--resume", "--threads", "1")[0] == 0


@pytest.mark.filterwarnings("default::spanjet.reader.warnings.QuestionCut")
@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_a_row_says_that_its_question_was_cut(form: str) -> None:
    long = {**ROW, "question": "who built it " * 40}
    Path("in.jsonl").write_text(f"{json.dumps(ROW)}\n{json.dumps(long)}\n")
    code, _, error = run("in.jsonl", "--out", f"out.{form}")
    assert (code, error.count("\n")) == (0, 1)
    if form == "parquet":
        found = pq.read_table(f"out.{form}").column("warning").to_pylist()
    elif form == "csv":
        with Path("out.csv").open(newline="", encoding="utf-8") as file:
            found = [row["warning"] or None for row in csv.DictReader(file)]
    else:
        found = [json.loads(line).get("warning") for line in Path("out.jsonl").read_text().splitlines()]
    warning = "the question has 280 tokens and is cut to 64, the max_question_length"
    assert found == [None, warning]
    assert warning.removeprefix("the question ") in error
    whole = run("in.jsonl", "--out", "whole.jsonl", "--max-question-length", "300")
    assert whole[2] == ""
