"""Rows of every format: what is read, what is rejected, and what the output says."""

import csv
import io
import json
import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from job_inputs import ANSWER, output_row, read, reasons, write_table
from spanjet.evaluate import load_squad
from spanjet.files import (
    READERS,
    WRITERS,
    Columns,
    Record,
    Rejected,
    answers_line,
    find_format,
    lines,
    open_rows,
    rejected_line,
)
from spanjet.files.formats import row_writer
from spanjet.files.job_state import differences

ROWS = [
    ("a", "Who built it?", "An engineer\nbuilt it, in 1889."),
    ("b", 'With "quotes", commas?', "東京 “tower”\r\n;\ttab 😀"),
    ("c", " spaces ", "x"),
]
EXPECTED = [Record(row, "", *values) for row, values in enumerate(ROWS)]


def without_places(rows: list[Record | Rejected]) -> list[Record | Rejected]:
    return [replace(row, place="") for row in rows]


def places(rows: list[Record | Rejected]) -> list[str]:
    return [row.place for row in rows]


def write_csv(path: Path, rows: list[list[str]], delimiter: str = ",", encoding: str = "utf-8") -> Path:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))
    return path


def input_file(tmp_path: Path, form: str) -> Path:
    """`ROWS` in a format, with columns that are not read."""
    path = tmp_path / f"in.{form}"
    if form == "jsonl":
        values = [{"id": i, "other": [1], "question": q, "context": c} for i, q, c in ROWS]
        path.write_text("".join(f"{json.dumps(value)}\n" for value in values), encoding="utf-8")
    elif form in ("csv", "tsv"):
        rows = [["context", "other", "question", "id"], *([c, "-", q, i] for i, q, c in ROWS)]
        write_csv(path, rows, "," if form == "csv" else "\t")
    elif form == "squad":
        paragraphs = [{"context": c, "qas": [{"id": i, "question": q}]} for i, q, c in ROWS]
        path.write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}), encoding="utf-8")
    else:
        names, columns = ("id", "question", "context"), list(zip(*ROWS, strict=True))
        write_table(path, {"other": [1, 2, 3], **dict(zip(names, columns, strict=True))})
    return path


@pytest.mark.parametrize("form", ["jsonl", "csv", "tsv", "squad", "parquet"])
def test_the_same_rows_in_every_format(tmp_path: Path, form: str) -> None:
    source = open_rows(input_file(tmp_path, form), form, Columns())
    found = list(source)
    assert without_places(found) == EXPECTED
    assert list(source) == found
    assert source.count() == 3
    expected = {
        "jsonl": ["line 1", "line 2", "line 3"],
        "csv": ["line 2", "line 4", "line 6"],
        "tsv": ["line 2", "line 4", "line 6"],
        "squad": [f"data[0].paragraphs[{index}].qas[0]" for index in range(3)],
        "parquet": ["row 0", "row 1", "row 2"],
    }
    assert places(found) == expected[form]


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_columns_of_other_names(tmp_path: Path, form: str) -> None:
    path = tmp_path / "in"
    if form == "jsonl":
        path.write_text('{"q": "who?", "key": 7}\n{"q": "who?", "key": true}\n{"q": "who?"}\n')
    elif form == "csv":
        write_csv(path, [["key", "q"], ["7", "who?"]], ";")
    else:
        write_table(path, {"key": [7, None], "q": ["who?", "when?"]})
    columns = Columns(question="q", context=None, id="key")
    found = read(path, form, columns, delimiter=";" if form == "csv" else None)
    assert without_places(found[:1]) == [Record(0, "", "7" if form == "csv" else 7, "who?", "")]
    if form == "jsonl":
        assert found[1] == Record(1, "line 2", "true", "who?", "")
        assert reasons(found) == [(2, "line 3", "no column 'key' (--id-column); the row has 'q'")]
    if form == "parquet":
        assert reasons(found) == [(1, "row 1", "column 'key': expected an id, found none")]


def test_an_id_is_not_needed(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_text('{"question": "q", "context": "c"}\n{"question": "q", "context": "c", "id": null}')
    assert [row.id for row in read(path, "jsonl") if isinstance(row, Record)] == [None, None]
    assert read(write_csv(path, [["question", "context"], ["q", "c"]]), "csv") == [
        Record(0, "line 2", None, "q", "c")
    ]
    table = write_table(path, {"question": ["q"], "context": ["c"]})
    assert read(table, "parquet") == [Record(0, "row 0", None, "q", "c")]


WINDOWS = "if it is Windows-1252, convert it: iconv -f WINDOWS-1252 -t UTF-8"
DOCUMENT = "; --format json reads a file that is one JSON document"
BAD_LINES: list[tuple[bytes, str]] = [
    (b"\xff", f"not UTF-8: 0xFF at byte 0; {WINDOWS}"),
    (b"\x81", "not UTF-8: 0x81 at byte 0; convert it: iconv -f ENCODING -t UTF-8"),
    ("Кто?".encode("cp1251"), "not UTF-8: 0xCA at byte 0; convert it: iconv -f ENCODING -t UTF-8"),
    (b"1" * 5000, "not JSON that can be read: an integer has too many digits"),
    (b"{", f"not JSON: Expecting property name enclosed in double quotes at character 1{DOCUMENT}"),
    (b'{"question": "q"} {}', "not JSON: Extra data at character 18"),
    (b"[" * 200_000, f"not JSON that can be read: nested too deeply{DOCUMENT}"),
    (b'{"a":' * 200_000, "not JSON that can be read: nested too deeply"),
    (b"[]", f"expected an object, found an array{DOCUMENT}"),
    (b"null", "expected an object, found null"),
    (b"7", "expected an object, found a number"),
    (b"{}", "no column 'question' (--question-column); the row has none"),
    (b'{"question": "q", "x": 1}', "no column 'context' (--context-column); the row has 'question', 'x'"),
    (b'{"question": null, "context": "c"}', "column 'question': expected a string, found null"),
    (b'{"question": ["q"], "context": "c"}', "column 'question': expected a string, found an array"),
    (b'{"question": " \\n", "context": "c"}', "column 'question': empty, expected some text"),
    (b'{"question": "q", "context": ""}', "column 'context': empty, expected some text"),
    (b'{"question": "q", "context": "a\\ud800"}', "column 'context': not valid Unicode at character 1"),
    (
        '{"question": "\u200b\u2060 ", "context": "c"}'.encode(),
        "column 'question': empty, expected some text",
    ),
]


def test_bad_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "in"
    good = b'{"question": "q", "context": "c"}'
    path.write_bytes(b"\n".join(line for bad, _ in BAD_LINES for line in (bad, b"  ", good)))
    found = read(path, "jsonl")
    expected = [(2 * index, f"line {3 * index + 1}", reason) for index, (_, reason) in enumerate(BAD_LINES)]
    assert reasons(found) == expected
    assert found[1::2] == [
        Record(2 * index + 1, f"line {3 * index + 3}", None, "q", "c") for index in range(len(BAD_LINES))
    ]


def test_bad_csv(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_bytes(b'question,context\nq,c\nq\nq,c,d\n\n"q"x,c\nq,\xff\nq,""\n"q\nq","c\n\nc"\nq,c\nq,"c\n')
    found = read(path, "csv")
    assert [row.row for row in found] == list(range(9))
    good = [row for row in found if isinstance(row, Record)]
    assert [(row.row, row.place, row.context) for row in good] == [
        (0, "line 2", "c"),
        (6, "line 9", "c\n\nc"),
        (7, "line 13", "c"),
    ]
    assert reasons(found) == [
        (1, "line 3", "1 fields; expected 2, as in the header"),
        (2, "line 4", "3 fields; expected 2, as in the header"),
        (3, "line 6", "not CSV: ',' expected after '\"'"),
        (4, "line 7", f"column 'context': not UTF-8: 0xFF at byte 0; {WINDOWS}"),
        (5, "line 8", "column 'context': empty, expected some text"),
        (8, "line 14", "not CSV: a quoted field has no end"),
    ]


@pytest.mark.parametrize(
    ("form", "content", "message"),
    [
        ("csv", b"", "no header: the file is empty"),
        (
            "csv",
            b"q,context\n",
            r"no column 'question' in the header \(--question-column\); it has 'q', 'context'$",
        ),
        ("csv", b"question;context\n", r"it has 'question;context'; expected --delimiter ';'\?"),
        ("csv", b"question\tcontext\n", r"it has 'question\\tcontext'; expected --delimiter '\\t'\?"),
        ("tsv", b"question,context\n", r"it has 'question,context'; expected --delimiter ','\?"),
        (
            "csv",
            b"question,\xfcber\n",
            "the header is not UTF-8: 0xFC at byte 0; if it is Windows-1252, conv",
        ),
        ("csv", b"\x1f\x8b\x08\xff", "the header is not text but gzip data"),
        ("jsonl", b"\x1f\x8b\x08\xff", "not text but gzip data; expected JSON Lines, not compressed"),
        ("jsonl", b"\xff\xfea", "not UTF-16: truncated data"),
        ("squad", b"%PDF-1.7 \xff", "not text but a PDF"),
        ("csv", b"question,context,question\n", "the header has the column 'question' more than once"),
        ("csv", b'"question', "not CSV: a quoted field has no end"),
        ("squad", b"{", "in: not JSON: Expecting property name enclosed in double quotes at character 1"),
        ("squad", b"[" * 100_000, "in: not JSON that can be read: nested too deeply"),
        ("squad", b"3", "the file: expected an object, found a number"),
        ("squad", b'{"data": [{}]}', r"data\[0\]: key 'paragraphs' is missing"),
        ("parquet", b"", "not a Parquet file"),
        ("parquet", b"PAR1" * 10, "not a Parquet file"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, form: str, content: bytes, message: str) -> None:
    path = tmp_path / "in"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        read(path, form)
    assert str(path) in str(error.value)


def test_what_is_no_input(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_rows(tmp_path / "nowhere", "jsonl", Columns())
    with pytest.raises(ValueError, match="format is 'xml'; expected jsonl, csv, tsv, parquet, json, squad"):
        open_rows(tmp_path, "xml", Columns())
    with pytest.raises(ValueError, match="standard input is read as JSON Lines only, not as csv"):
        open_rows(None, "csv", Columns())
    for delimiter in ("ab", "", '"', "\n"):
        with pytest.raises(
            ValueError, match=r"delimiter is .*; expected one character, no quote and no line e"
        ):
            read(input_file(tmp_path, "csv"), "csv", delimiter=delimiter)
    with pytest.raises(ValueError, match=r"a delimiter is given; expected none, as the format is jsonl"):
        read(input_file(tmp_path, "jsonl"), "jsonl", delimiter=",")


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    """It would be empty when it is read for the second time."""
    os.mkfifo(tmp_path / "in.jsonl")
    with pytest.raises(ValueError, match=r"in\.jsonl: a pipe or a device"):
        open_rows(tmp_path / "in.jsonl", "jsonl", Columns())
    with pytest.raises(ValueError, match=r"in\.jsonl: a pipe or a device"):
        load_squad(tmp_path / "in.jsonl")


def test_formats_by_name() -> None:
    names = ("a.JSONL", "a.NDJSON", "a.csv", "a.TSV", "a.tab", "a.parquet", "a.pq", "a.json")
    found = [find_format(Path(name), READERS) for name in names]
    assert found == ["jsonl", "jsonl", "csv", "tsv", "tsv", "parquet", "parquet", "json"]
    with pytest.raises(ValueError, match=r"a\.txt: unknown format; expected a name that ends in \.jsonl, "):
        find_format(Path("a.txt"), READERS)
    assert [find_format(Path(name), WRITERS) for name in names[:-1]] == found[:-1]
    expected = r"ends in \.jsonl, \.csv, \.tsv, \.parquet, \.ndjson, \.tab, \.pq$"
    with pytest.raises(ValueError, match=expected):
        find_format(Path("a.json"), WRITERS)


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_byte_order_mark(tmp_path: Path, form: str) -> None:
    path = input_file(tmp_path, form)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert without_places(read(path, form)) == EXPECTED


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_line_too_long_is_rejected(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_CHARACTERS", 50)
    path = tmp_path / "in"
    if form == "jsonl":
        good, bad = (
            b'{"question": "q", "context": "c"}\n',
            b'{"question": "q", "context": "%b"}\n' % (b"c" * 999),
        )
        path.write_bytes(good + bad + good)
    else:
        path.write_bytes(b"question,context\nq,c\nq,%b\nq,c\n" % (b"c" * 999))
    found = read(path, form)
    assert [type(row) for row in found] == [Record, Rejected, Record]
    assert reasons(found)[0][2] == "line longer than 50 characters"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("form", ["jsonl", "csv", "tsv", "squad"])
def test_utf_16_is_read(tmp_path: Path, form: str, encoding: str) -> None:
    path = input_file(tmp_path, form)
    path.write_bytes(path.read_bytes().decode().encode(encoding))
    source = open_rows(path, form, Columns())
    assert without_places(list(source)) == EXPECTED
    assert source.count() == 3


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_lines_that_end_with_carriage_returns_are_read(tmp_path: Path, form: str) -> None:
    path = tmp_path / "in"
    lines = (
        ['{"question": "q", "context": "c"}'] * 3 if form == "jsonl" else ["question,context", *["q,c"] * 3]
    )
    path.write_bytes("".join(f"{line}\r" for line in lines).encode())
    source = open_rows(path, form, Columns())
    first = 1 if form == "jsonl" else 2
    assert list(source) == [Record(row, f"line {first + row}", None, "q", "c") for row in range(3)]
    assert source.count() == 3


def test_a_lone_surrogate_in_utf_16_is_one_row(tmp_path: Path) -> None:
    path = tmp_path / "in"
    text = 'question,context\nq,"a\ud800"\nq,c\n'
    path.write_bytes(text.encode("utf-16", "surrogatepass"))
    found = read(path, "csv")
    assert reasons(found) == [(0, "line 2", "column 'context': not valid Unicode at character 1")]
    assert found[1] == Record(1, "line 3", None, "q", "c")


IDS: list[tuple[str, str | int | None]] = [
    ("7.0", 7),
    ("1.5", "1.5"),
    ("1e400", "inf"),
    ("NaN", None),
    ("null", None),
    ("true", "true"),
    ("[1, null]", "[1, null]"),
    ('{"a": "é"}', '{"a": "é"}'),
    ('"\\udcff"', "\\udcff"),
    (str(10**40), 10**40),
]


@pytest.mark.parametrize(("given", "expected"), IDS)
def test_no_row_is_rejected_for_its_id(tmp_path: Path, given: str, expected: Any) -> None:
    path = tmp_path / "in"
    path.write_text(f'{{"id": {given}, "question": "q", "context": "c"}}')
    assert read(path, "jsonl") == [Record(0, "line 1", expected, "q", "c")]


def test_an_id_in_csv_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_bytes(b"id,question,context\nM\xfc,q,c\n")
    assert read(path, "csv") == [Record(0, "line 2", "M\\xfc", "q", "c")]


@pytest.mark.parametrize("delimiter", ["\t", "\\t", "tab"])
@pytest.mark.parametrize("form", ["csv", "tsv"])
def test_a_tab_as_delimiter(tmp_path: Path, form: str, delimiter: str) -> None:
    assert without_places(read(input_file(tmp_path, "tsv"), form, delimiter=delimiter)) == EXPECTED


@pytest.mark.parametrize("layout", ["lines", "one line", "array", "indented array", "data", "one object"])
def test_json_by_what_it_holds(tmp_path: Path, layout: str) -> None:
    rows = [{"id": i, "question": q, "context": c} for i, q, c in ROWS]
    rows = rows[:1] if layout.startswith("one") else rows
    contents = {
        "array": json.dumps(rows),
        "indented array": json.dumps(rows, indent=2),
        "data": json.dumps({"version": 1, "data": rows}),
        "one object": json.dumps(rows[0], indent=2),
    }
    path = tmp_path / "in.json"
    lines = "".join(f"{json.dumps(row)}\n\n" for row in rows)
    path.write_text(contents.get(layout, lines))
    assert find_format(path, READERS) == "json"
    source = open_rows(path, "json", Columns())
    assert without_places(list(source)) == EXPECTED[: len(rows)]
    assert source.count() in (len(rows), 2 * len(rows))


def test_rows_of_an_array(tmp_path: Path) -> None:
    path = tmp_path / "in.json"
    path.write_text('[{"ask": "q", "key": 1}, 3, {"key": 2}, {"ask": "", "key": 3}]')
    found = read(path, "json", Columns(question="ask", context=None, id="key"))
    assert found[0] == Record(0, "[0]", 1, "q", "")
    assert reasons(found) == [
        (1, "[1]", "expected an object, found a number"),
        (2, "[2]", "no column 'ask' (--question-column); the row has 'key'"),
        (3, "[3]", "column 'ask': empty, expected some text"),
    ]
    path.write_text("[]")
    assert read(path, "json") == []


def test_a_long_context_in_csv(tmp_path: Path) -> None:
    """The csv module's own limit is 131,072 characters."""
    context = "word\n" * 100_000
    path = write_csv(tmp_path / "in", [["question", "context"], ["q", context]])
    assert read(path, "csv") == [Record(0, "line 2", None, "q", context)]


def test_the_count_of_csv_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Line ends inside quotes do not count, wherever a block ends."""
    generator = random.Random(3)
    texts = ["".join(generator.choices('ab",\n', k=generator.randrange(1, 30))) + "x" for _ in range(200)]
    path = write_csv(tmp_path / "in", [["question", "context"], *([text, "c"] for text in texts)])
    for block in (1, 7, 1 << 20):
        monkeypatch.setattr("spanjet.files.csv.BLOCK", block)
        assert open_rows(path, "csv", Columns()).count() == 200
    assert len(read(path, "csv")) == 200


def test_memory_is_bounded_by_a_row(tmp_path: Path) -> None:
    """Rows come before the file has been read to its end."""

    class Counting(io.FileIO):
        size = 0

        def readinto(self, buffer: Any) -> int | None:
            count = super().readinto(buffer)
            Counting.size += count or 0
            return count

    path = tmp_path / "in"
    path.write_bytes(b'{"question": "q", "context": "c"}\n' * 100_000)
    with io.TextIOWrapper(io.BufferedReader(Counting(path))) as file:
        assert next(lines.Lines(file)) == '{"question": "q", "context": "c"}\n'
    assert Counting.size < path.stat().st_size / 10


def test_lines_of_the_output() -> None:
    line = answers_line(Record(3, "line 4", "a", "wo?", "東京 c"), [ANSWER])
    assert (
        line
        == (
            '{"row": 3, "id": "a", "question": "wo?", "answers": [{"text": "東京", "start": 0, "end": 2, '
            '"byte_start": 0, "byte_end": 6, "score": 0.25, "logit": 1.5, "null_logit": -3.0, '
            '"no_answer": 0.125}]}\n'
        ).encode()
    )
    rejected = Rejected(5, "line 6", 'no "\ud800"\n')
    line = rejected_line(rejected)
    assert line.count(b"\n") == 1
    assert json.loads(line) == {"row": 5, "place": "line 6", "reason": 'no "\ud800"\n'}


@pytest.mark.parametrize(("form", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_csv_out(tmp_path: Path, form: str, delimiter: str) -> None:
    """A line for each answer, as RFC 4180 has it."""
    path = tmp_path / "out"
    null = replace(ANSWER, text="", start=0, end=0)
    rows = [
        output_row(Record(0, "", "a", 'With "quotes",\r\n\ttabs', "東京"), [ANSWER, null]),
        output_row(Record(2, "", 7, "q", "東京"), []),
        output_row(Record(3, "", None, "東?", "東京", warning="cut"), [ANSWER]),
    ]
    writer = row_writer(form)
    assert writer is not None
    writer(rows, path)
    names = ["row", "id", "question", "rank", *ANSWER.as_dict(), "warning"]
    values = [str(value) for value in ANSWER.as_dict().values()]
    nulls = [str(value) for value in null.as_dict().values()]
    with path.open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file, delimiter=delimiter, strict=True)) == [
            names,
            ["0", "a", 'With "quotes",\r\n\ttabs', "1", *values, ""],
            ["0", "a", 'With "quotes",\r\n\ttabs', "2", *nulls, ""],
            ["3", "", "東?", "1", *values, "cut"],
        ]
    head = delimiter.join(names)
    assert path.read_bytes().startswith(f'{head}\r\n0{delimiter}a{delimiter}"With ""quotes"",\r\n'.encode())


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = input_file(tmp_path, "parquet")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(ImportError, match=r"Parquet needs pyarrow: pip install 'spanjet\[arrow\]'"):
        open_rows(path, "parquet", Columns())
    with pytest.raises(ImportError, match=r"Parquet needs pyarrow: pip install 'spanjet\[arrow\]'"):
        row_writer("parquet")
    for form in ("jsonl", "csv", "squad"):
        assert len(read(input_file(tmp_path, form), form)) == 3


def test_differences() -> None:
    before = {"input": "x" * 64, "decode": {"mode": "squad", "n_best": 20}, "top_k": 1}
    assert differences(before, json.loads(json.dumps(before))) == []
    now = {"input": "x" * 64, "decode": {"mode": "global", "n_best": 20}, "new": 3}
    assert differences(before, now) == [
        "decode.mode was 'squad', is 'global'",
        "top_k was 1, is None",
        "new was None, is 3",
    ]
