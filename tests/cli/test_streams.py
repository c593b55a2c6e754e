"""The command in its process: standard streams that are closed, full or of another encoding, and signals."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from spanjet.cli.terminal.streams import open_streams

MODEL = Path(__file__).parents[1] / "golden" / "tiny-bert"
TEXT = "The tower was built in 1889. 東京😀 has a tower too."
COMMAND = "import sys; sys.argv[0] = 'spanjet'; from spanjet.cli import app; app()"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**kept, "XDG_CACHE_HOME": str(tmp_path / "cache")}


def start(*arguments: str | Path, redirected: str = "", **options: object) -> "subprocess.Popen[bytes]":
    """Start the command; ``redirected`` is for its streams, as a shell has it."""
    command = [sys.executable, "-c", COMMAND, *map(str, arguments)]
    if redirected:
        command = ["sh", "-c", f'exec "$@" {redirected}', "sh", *command]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, **pipes, **options)  # type: ignore[call-overload,no-any-return]


def run(*arguments: str | Path, redirected: str = "", **options: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    process = start(*arguments, redirected=redirected, **options)
    out, error = process.communicate(timeout=60)
    return process.returncode, out.decode(), error.decode()


ASK = ("ask", "Where?", TEXT, "-m", MODEL, "--threshold", "none", "-k", "40", "--overlap")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_an_encoding_lacks_is_escaped(environment: dict[str, str], encoding: str) -> None:
    environment["PYTHONIOENCODING"] = encoding
    code, out, error = run(*ASK, env=environment)
    assert (code, error) == (0, "")
    assert r"\u6771\u4eac" in out
    code, out, error = run(*ASK, "--json", env=environment)
    assert (code, error) == (0, "")
    assert out.isascii()
    assert any("東京😀" in answer["text"] for answer in json.loads(out)["answers"])
    code, _, error = run("ask", "Where?", "--file", "nowhere-東京", env=environment)
    assert (code, error) == (2, "spanjet: nowhere-\\u6771\\u4eac: No such file or directory\n")


class Console(io.RawIOBase):
    """A stream that turns text into its system's own form, as Windows's console does."""

    def fileno(self) -> int:
        return 1

    def writable(self) -> bool:
        return True


def test_a_console_keeps_its_own_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bytes would come out in another encoding."""
    console = io.TextIOWrapper(io.BufferedWriter(Console()), encoding="utf-8")
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, console if name == "stdout" else None)
    open_streams()
    assert sys.stdout is console
    assert (console.errors, sys.stdin.readable()) == ("backslashreplace", True)


WRITING = [
    ASK,
    (*ASK, "--json"),
    ("info", MODEL),
    ("--help",),
    ("ask", "--help"),
    ("--version",),
    ("mlperf",),
]


@pytest.mark.parametrize("arguments", WRITING[:-1])
def test_an_output_that_fails_is_said_in_one_line(
    environment: dict[str, str], arguments: tuple[str | Path, ...]
) -> None:
    full = run(*arguments, redirected=">/dev/full", env=environment)
    assert full == (2, "", "spanjet: standard output: No space left on device\n")
    closed = run(*arguments, redirected=">&-", env=environment)
    assert closed == (2, "", "spanjet: standard output: is closed\n")


@pytest.mark.parametrize("arguments", WRITING)
def test_a_reader_that_leaves_is_no_error_to_print(
    environment: dict[str, str], arguments: tuple[str | Path, ...]
) -> None:
    process = start(*arguments, env=environment)
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, error = process.communicate(timeout=60)
    assert b"Error" not in error
    assert process.returncode in (1, 2)


def test_closed_input_and_closed_errors(environment: dict[str, str]) -> None:
    for arguments in (("ask", "Who?"), ("search", "Who?", "-"), ("answer", "-", "--out", "-")):
        code, out, error = run(*arguments, redirected="<&-", env=environment)
        assert (code, out, error) == (2, "", "spanjet: standard input: is closed\n")
    assert run("ask", "Who?", "x", "-m", "nowhere", redirected="2>&-", env=environment) == (2, "", "")
    assert run(*ASK, redirected="2>&- <&-", env=environment)[0] == 0


def test_a_user_without_a_home_gets_none(environment: dict[str, str], tmp_path: Path) -> None:
    del environment["XDG_CACHE_HOME"]
    for home in (str(tmp_path / "nowhere"), "relative", ""):
        environment["HOME"] = home
        assert run(*ASK, env=environment, cwd=tmp_path)[::2] == (0, "")
        assert list(tmp_path.iterdir()) == []


def test_an_unusable_cache_is_said_in_one_line(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    environment["XDG_CACHE_HOME"] = str(tmp_path / "file")
    code, _, error = run(*ASK, env=environment)
    assert code == 0
    assert error == f"spanjet: compiled models are not kept: {tmp_path}/file/spanjet: Not a directory\n"


@pytest.mark.parametrize(
    ("number", "expected"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)]
)
def test_signals_end_a_command_in_silence(
    environment: dict[str, str], number: signal.Signals, expected: int
) -> None:
    # A shell that starts the tests in the background has them ignore the signal, and what they start too.
    heeding = f"import signal; signal.signal({int(number)}, signal.default_int_handler); "
    default = heeding if number == signal.SIGINT else heeding.replace("default_int_handler", "SIG_DFL")
    process = subprocess.Popen(
        [sys.executable, "-c", default + COMMAND, "ask", "Who?"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    while process.poll() is None and "pipe" not in Path(f"/proc/{process.pid}/wchan").read_text():
        time.sleep(0.01)
    process.send_signal(number)
    assert process.communicate(timeout=60) == (b"", b"")
    assert process.returncode == expected
