"""Help and wrong command lines: plain words on lines that fit, and one line for what is wrong."""

import re
import warnings
from copy import copy
from pathlib import Path

import pytest
from spanjet.cli import app
from spanjet.cli.terminal.commands import COMMANDS
from spanjet.cli.terminal.texts import argument_text
from spanjet.config import WindowConfig
from spanjet.validation import SettingError
from typer.testing import CliRunner

MODEL = Path(__file__).parents[1] / "golden" / "tiny-bert"
SQUAD = Path(__file__).parents[1] / "data" / "squad" / "v1.1.json"

GROUPS = {"mlperf": ("run", "submission", "table"), "optimize": ("run", "report", "verify")}
HELPS = [
    (),
    *((name,) for name in COMMANDS),
    *((group, name) for group, names in GROUPS.items() for name in names),
]


def run(*arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the command."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("width", ["40", "80"])
@pytest.mark.parametrize("command", HELPS)
def test_help_is_whole_in_any_terminal(
    monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], width: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    code, out, error = run(*command, "--help")
    assert (code, error) == (0, "")
    assert out.isascii()
    assert "..." not in re.sub(r"\w+\.\.\.|\]\.\.\.|\}\.\.\.|MODEL \.\.\.|\[\.\.\.\]", "", out)
    assert "completion" not in out
    assert run(*command, "-h") == (0, out, "")
    assert all(len(line) <= 110 for line in out.splitlines())


def test_help_names_every_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    options = {
        "--max-question-length N",
        "--doc-stride N",
        "--threshold model|none|P",
        "--out-format jsonl|csv",
    }
    _, out, _ = run("answer", "--help")
    assert all(option in out for option in options)
    said = " ".join(out.split())
    assert "Stride between windows in tokens: distance (advance) or overlap (overlap)." in said


def test_the_commands_are_listed_with_their_whole_first_lines() -> None:
    _, out, _ = run("--help")
    said = " ".join(out.split())
    assert all(text in said for text in COMMANDS.values())
    for group, names in GROUPS.items():
        _, out, _ = run(group, "--help")
        first = [run(group, name, "--help")[1].split("\n\n")[1] for name in names]
        assert all(" ".join(text.split()) in " ".join(out.split()) for text in first)


def test_no_arguments_show_the_help() -> None:
    for command in ((), ("mlperf",), ("optimize",)):
        code, out, error = run(*command)
        assert (code, out) == (2, "")
        assert error == run(*command, "--help")[1] + "\n" * (not error.endswith("\n"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ask", "--foo"), "no such option: --foo; see root ask --help"),
        (("evl",), "no such command 'evl'. Did you mean 'eval'?; see root --help"),
        (("ask",), "missing argument 'QUESTION'; see root ask --help"),
        (
            ("ask", "a", "b", "c\x1b[2J\nd"),
            r"got unexpected extra argument(s) (c\x1b[2J\x0ad); see root ask --help",
        ),
        (("ask", "a", "b", "-k", "x"), "invalid value for '--top-k' / '-k': expected a valid integer; see"),
        (
            ("ask", "a", "b", "-k", "0"),
            "invalid value for '--top-k' / '-k': expected a number greater than or",
        ),
        (("ask", "a", "b", "-k"), "option '-k' requires an argument"),
        (("mlperf", MODEL), "missing option '--squad'; see root mlperf run --help"),
        (
            ("mlperf", "--squad", SQUAD, "--seconds", "nan"),
            "invalid value for '--seconds': expected a number",
        ),
        (("optimize", MODEL, "--out", "x"), "missing option '--data'; see root optimize run --help"),
    ],
)
def test_wrong_command_lines_are_said_in_one_line(arguments: tuple[str, ...], message: str) -> None:
    code, out, error = run(*arguments)
    assert (code, out, error.count("\n")) == (2, "", 1)
    assert error.startswith(f"spanjet: {message}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ask", "a", "b", "--mode", "best"), "--mode is 'best'; expected 'global' or 'squad' or 'hf'"),
        (("ask", "a", "b", "-k", "9" * 20), "--top-k is 99999999999999999999; expected an integer from 1 to"),
        (
            ("eval", SQUAD, "--convention", "overlap", "--doc-stride", "400"),
            "--doc-stride is 400; expected less than 380, the text of a window of 384 tokens",
        ),
        (
            ("answer", "IN", "--out", "x.csv", "--convention", "overlap", "--doc-stride", "380"),
            "--doc-stride is 380; expected less than 380, the text of a window of 384 tokens",
        ),
        (("eval", SQUAD, "--convention", "x"), "--convention is 'x'; expected 'advance' or 'overlap'"),
        (("eval", SQUAD, "--n-best", "0"), "--n-best is 0; expected an integer of at least 1"),
        (("eval", SQUAD, "--threads", "-1"), "--threads is -1; expected an integer of at least 1"),
        (("bench", "--limit", "9" * 11), "--limit is 99999999999; expected an integer of at most 2147483647"),
        (("bench", "--single-questions", "9" * 11), "--single-questions is 99999999999; expected an integer"),
        (("quantize", MODEL, "--data", SQUAD, "-o", "x", "--floor", "2"), "--floor is 2.0; expected a share"),
        (("tune", "--rounds", "9" * 11), "--rounds is 99999999999; expected an integer from 1 to 2147483647"),
        (("tune", "--limit", "9" * 11), "--limit is 99999999999; expected an integer from 1 to 2147483647"),
        (("tune", "--max-memory", "nan"), "--max-memory is nan; expected a number of at least 0"),
        (("answer", "IN", "-o", "x.csv", "--look-ahead", "9" * 11), "--look-ahead is 99999999999; expected"),
        (
            ("mlperf", "submission", "x", "-o", "y", "--submitter", "a/b"),
            "--submitter is 'a/b'; expected the",
        ),
        (("quantize", MODEL, "--data", SQUAD, "-o", "x", "--cpu", "z"), "--cpu is 'z'; expected 'auto' or"),
        (
            ("optimize", MODEL, "--data", SQUAD, "-o", "x", "--budget", "0"),
            "--budget is 0.0; expected a share",
        ),
        (("mlperf", "--squad", SQUAD, "--scenario", "x"), "--scenario is 'x'; expected 'Offline' or"),
        (
            ("mlperf", "--squad", SQUAD, "--target-latency", "5"),
            "--target-latency is 5.0; expected none with",
        ),
        (("mlperf", "table", "--squad", SQUAD, "--rounds", "0"), "--rounds is 0; expected an integer"),
    ],
)
def test_settings_are_named_as_options(arguments: tuple[str, ...], message: str) -> None:
    code, out, error = run(*arguments)
    assert (code, out, error.count("\n")) == (2, "", 1)
    assert error.startswith(f"spanjet: {message}")


def test_a_warning_has_no_place_in_the_source() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        code, _, error = run("ask", "who built it " * 40, "Clara built it.", "-m", MODEL)
    assert code == 0
    assert ".py" not in error
    assert all(line.startswith("spanjet: ") for line in error.splitlines())


def test_a_setting_error_says_all_it_knows() -> None:
    error = SettingError("threads", 0, "an integer of at least 1", "RuntimeConfig")
    assert str(error) == "RuntimeConfig.threads is 0; expected an integer of at least 1"
    assert str(copy(error)) == str(error)  # as pickle does it
    assert str(SettingError("top_k", 0, "more")) == "top_k is 0; expected more"
    assert WindowConfig(convention="overlap", doc_stride=379).doc_stride == 379


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_what_the_command_says_of_itself(name: str) -> None:
    code, said, _ = run(name, "--help")
    assert code == 0
    assert COMMANDS[name] in " ".join(said.split())


def test_tune_checks_first_that_it_can_save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Minutes of measuring are not to be lost."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("it measures")

    monkeypatch.setattr("spanjet.cli.tune.measure", refuse)
    (tmp_path / "spanjet").write_text("a file in the directory's place")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    code, out, error = run("tune", MODEL)
    assert (code, out, error.count("\n")) == (2, "", 1)
    assert str(tmp_path / "spanjet") in error


def test_a_text_of_the_command_line_is_utf_8(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the locale is Latin-1, in which the two bytes of an accented letter are two letters."""
    monkeypatch.setattr("os.fsencode", lambda text: text.encode("latin-1"))
    assert argument_text("the question", "Où est l'été ?".encode().decode("latin-1")) == "Où est l'été ?"
    with pytest.raises(ValueError, match="the question is not UTF-8"):
        argument_text("the question", "été")
