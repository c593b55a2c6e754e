"""What a person sees on a terminal, and what a program reads from a pipe."""

import re
import sys
from typing import Any

import pytest
import spanjet
from spanjet import Answer, PassageAnswer
from spanjet.cli.terminal.errors import show_error
from spanjet.cli.terminal.progress import progress_bar
from spanjet.cli.terminal.tables import sentence, show_answers, show_found, show_table, show_values

TEXT = 'It was "built in 1889." The tower is high!  Who\tasked?\n\nA new\nparagraph here'


def answer(text: str, span: str) -> Answer:
    start = text.index(span)
    return Answer(span, start, start + len(span), 0, 0, 0.25, 1.5, -3.0, 0.5)


@pytest.fixture
def terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output and standard error, as captured, look like a terminal with colours."""
    capsys.readouterr()
    # The streams of the test are made after this, so their classes are changed.
    for stream in {type(sys.stdout), type(sys.stderr)}:
        monkeypatch.setattr(stream, "isatty", lambda _: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("span", "before", "after"),
    [
        ("1889", 'It was "built in ', '."'),
        ("It", "", ' was "built in 1889."'),
        ("tower", "The ", " is high!"),
        ("asked", "Who ", "?"),
        ("new\nparagraph", "A ", " here"),
        ("here", "A new paragraph ", ""),
        ('1889." The', 'It was "built in ', " tower is high!"),
    ],
)
def test_sentence(span: str, before: str, after: str) -> None:
    start = TEXT.index(span)
    found = sentence(TEXT, start, start + len(span))
    assert found == (before, span.replace("\n", " "), after)


def test_sentences_without_spaces() -> None:
    text = "彼は東京に住む。塔は高い。川は長い。"
    assert sentence(text, text.index("塔"), text.index("塔") + 1) == ("", "塔", "は高い。")


def test_a_very_long_sentence_is_shown_in_part() -> None:
    text = "word " * 500 + "HERE" + " word" * 500
    before, span, after = sentence(text, text.index("HERE"), text.index("HERE") + 4)
    assert (before[0], before[1:]) == ("…", ("word " * 500)[-200:])
    assert span == "HERE"
    assert (after[-1], after[:-1]) == ("…", (" word" * 500)[:200])


def test_piped_answers_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    show_answers(TEXT, [answer(TEXT, "tower"), answer(TEXT, "new\nparagraph")])
    assert capsys.readouterr().out == "tower\nnew paragraph\n"


@pytest.mark.usefixtures("terminal")
def test_answers_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show_answers(TEXT, [answer(TEXT, "tower"), answer(TEXT, "1889")])
    shown = capsys.readouterr().out
    assert "The \x1b[1;7;32mtower\x1b[0m is high!\n" in shown
    assert 'It was "built in \x1b[1;7;32m1889\x1b[0m."\n' in shown
    assert "score 0.250, characters 28-33" in shown


@pytest.mark.usefixtures("terminal")
def test_the_null_answer_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show_answers(TEXT, [Answer("", 0, 0, 0, 0, 0.5, 1.0, 1.0, 0.5)])
    assert "The text does not answer the question." in capsys.readouterr().out


@pytest.mark.usefixtures("terminal")
def test_a_text_cannot_control_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    text = "a \x1b[2J\x07\x9b tower [red]x[/red] \r here"
    show_answers(text, [answer(text, "tower"), answer(text, "\x1b[2J\x07\x9b tower")])
    shown = capsys.readouterr().out
    assert "\x1b[2J" not in shown
    assert not {"\x07", "\x9b", "\r"} & set(shown)
    assert "[red]x[/red]" in shown


def found(text: str, span: str) -> PassageAnswer:
    start = text.index(span)
    first, last = spanjet.sentence(text, start, start + len(span))
    return PassageAnswer(
        **answer(text, span).as_dict(),
        passage=0,
        passage_id="x",
        passage_text=text,
        sentence_start=first,
        sentence_end=last,
    )


def test_piped_places_answers_and_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    show_found([("a\tb.txt:1:5", found(TEXT, "tower")), ("c.txt:9:1", found(TEXT, "Who\tasked"))])
    assert (
        capsys.readouterr().out
        == "a b.txt:1:5\ttower\tThe tower is high!\nc.txt:9:1\tWho asked\tWho asked?\n"
    )


@pytest.mark.usefixtures("terminal")
def test_places_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Long places stay on one line, and nothing of a name or a text controls the terminal."""
    text = "A \x1b[2J\x07\x9b tower [red]x[/red] is here."
    show_found(
        [(f"{'long' * 25}\x1b[3J[b].txt:1:5", found(text, "tower")), ("b.txt:2:1", found(TEXT, "1889"))]
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"\x1b[1m{'long' * 25} [3J[b].txt:1:5\x1b[0m")
    assert "score 0.250" in lines[0]
    assert lines[1] == "A  [2J   \x1b[1;7;32mtower\x1b[0m [red]x[/red] is here."
    assert lines[2].startswith("\x1b[1mb.txt:2:1\x1b[0m")
    assert lines[3] == 'It was "built in \x1b[1;7;32m1889\x1b[0m."'


VALUES: dict[str, Any] = {
    "f1": 78.363,
    "none": None,
    "card": {"source": {"name": "x" * 70, "count": 3}, "ok": True},
}


def test_piped_values(capsys: pytest.CaptureFixture[str]) -> None:
    show_values(VALUES)
    expected = f"f1\t78.36\ncard.source.name\t{'x' * 70}\ncard.source.count\t3\ncard.ok\tTrue\n"
    assert capsys.readouterr().out == expected


def test_digits_of_values(capsys: pytest.CaptureFixture[str]) -> None:
    """Shares have four decimals; a percentage below one has as many."""
    show_values({"ece": 0.01234, "least": -0.5, "nothing": 0.0, "one": 1.0, "many": 12.345})
    assert capsys.readouterr().out == "ece\t0.0123\nleast\t-0.5000\nnothing\t0.00\none\t1.00\nmany\t12.35\n"


@pytest.mark.usefixtures("terminal")
def test_values_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    show_values(VALUES)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0].split() == ["f1", "78.36"]
    assert lines[1:3] == ["card", "  source"]
    # How wide the first column is depends on the version of rich.
    assert re.match(r"    name +xxx", lines[3])
    assert "".join(lines).count("x") == 70
    assert lines[-1].split() == ["ok", "True"]


def test_piped_progress_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("questions") as bar:
        bar(0, 7)
        bar(7, 7)
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("terminal")
def test_progress_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("questions") as bar:
        bar(0, 7)
        bar(7, 7)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "questions" in shown.err
    assert "7/7" in shown.err
    assert "100%" in shown.err


@pytest.mark.usefixtures("terminal")
def test_progress_of_what_has_no_known_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was finished before the beginning is no part of the rate."""
    monkeypatch.setenv("COLUMNS", "120")
    now = [100.0]
    with progress_bar("questions", clock=lambda: now[0]) as bar:
        bar(5000, None)
        now[0] += 2
        bar(5100, None)
    shown = capsys.readouterr().err
    assert "5100/?" in shown
    assert "50.0 it/s" in shown
    assert "0:00:02" in shown


def test_texts_cannot_turn_a_line_around(capsys: pytest.CaptureFixture[str]) -> None:
    """Bidirectional overrides and isolates are removed; marks, which only stand between words, stay."""
    text = "The \u202etower\u2066 is\u2028high\u200f."
    show_answers(text, [answer(text, "\u202etower\u2066 is\u2028high\u200f")])
    show_found([("a\u202etxt.exe:1:1", found(text, "tower"))])
    show_values({"na\u202eme": "va\u2066lue\n"})
    show_error(ValueError("\u202efile: \x1b[2Jbad\nline"))
    shown = capsys.readouterr()
    assert shown.out == ("tower is high\u200f\natxt.exe:1:1\ttower\tThe tower is high\u200f.\nname\tvalue \n")
    assert shown.err == "spanjet: file: [2Jbad line\n"


@pytest.mark.usefixtures("terminal")
def test_numbers_are_whole_in_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    show_table(
        ("measure", "median", "unit"), [("a long name of it", "123,456.789", "questions/s")], left=(0, 2)
    )
    assert "123,456.789" in capsys.readouterr().out


@pytest.mark.usefixtures("terminal")
def test_errors_have_no_colour_where_none_is_wanted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    show_error(ValueError("bad"))
    assert capsys.readouterr().err == "\x1b[31mspanjet: bad\x1b[0m\n"
    monkeypatch.setenv("NO_COLOR", "1")
    show_error(ValueError("bad"))
    assert capsys.readouterr().err == "spanjet: bad\n"
