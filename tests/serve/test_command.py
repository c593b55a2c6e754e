"""`spanjet serve`: processes that start, answer, are killed, and end in order."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from spanjet import Reader, RuntimeConfig
from spanjet.cli import app
from spanjet.serve.config import ServeConfig
from typer.testing import CliRunner

MODEL = Path(__file__).parents[1] / "golden" / "tiny-bert"
BODY = {"question": "who built it?", "context": "it was built by clara hansen in 1903.", "threshold": None}


class Command:
    """The command in a process of its own.

    Attributes:
        process: the process.
        events: lines of its log of events.
        requests: lines of its log of requests.
    """

    def __init__(self, cache: Path, *options: str, **variables: str) -> None:
        arguments = ["serve", "--model", str(MODEL), "--port", "0", *options]
        script = f"from spanjet.cli import app; app({arguments!r})"
        environment = {**os.environ, "XDG_CACHE_HOME": str(cache), **variables}
        self.process = subprocess.Popen(
            [sys.executable, "-c", script],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.events: list[dict[str, Any]] = []
        self.requests: list[dict[str, Any]] = []
        self._readers = [
            threading.Thread(target=self._read, args=(stream, lines), daemon=True)
            for stream, lines in ((self.process.stderr, self.events), (self.process.stdout, self.requests))
        ]
        for reader in self._readers:
            reader.start()
        self.until(lambda: self.said("starts at"))
        self.url = self.said("starts at")[0].rpartition(" ")[2]

    @staticmethod
    def _read(stream: Any, lines: list[dict[str, Any]]) -> None:
        lines.extend(json.loads(line) for line in stream)

    def said(self, part: str) -> list[str]:
        """Messages that have a part."""
        return [event["message"] for event in list(self.events) if part in event.get("message", "")]

    def until(self, condition: Callable[[], object], seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.events
            assert self.process.poll() is None, self.events
            time.sleep(0.02)

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for reader in self._readers:
            reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    """Start the command; it is killed at the end."""
    started: list[Command] = []

    def make(*options: str, **variables: str) -> Command:
        started.append(Command(tmp_path, *options, **variables))
        return started[-1]

    yield make
    for command in started:
        command.kill()


async def load(
    command: Command, expected: str, during: Callable[[], Any], *, callers: int = 8
) -> Counter[str]:
    """Ask all the time, and meanwhile do something; return how the requests ended.

    A request that could not be sent, because nobody listens any more, is "refused"; one whose connection was
    closed before its answer is "lost".
    """
    outcomes: Counter[str] = Counter()
    is_over = asyncio.Event()

    async def call(client: httpx.AsyncClient) -> str:
        try:
            response = await client.post("/v1/ask", json=BODY)
        except httpx.ConnectError:
            await asyncio.sleep(0.01)
            return "refused"
        except httpx.TransportError:
            return "lost"
        if response.status_code == 200:
            assert response.json()["answers"][0]["text"] == expected
        return str(response.status_code)

    async def call_often() -> None:
        async with httpx.AsyncClient(base_url=command.url, timeout=30) as client:
            while not is_over.is_set():
                outcomes[await call(client)] += 1

    calls = [asyncio.ensure_future(call_often()) for _ in range(callers)]
    while outcomes["200"] < 4 * callers:
        await asyncio.sleep(0.01)
    await asyncio.to_thread(during)
    is_over.set()
    await asyncio.gather(*calls)
    return outcomes


@pytest.fixture(scope="module")
def expected() -> str:
    reader = Reader(MODEL, runtime_config=RuntimeConfig(cache_dir=None))
    return reader.ask(BODY["question"], BODY["context"], threshold=None).text  # type: ignore[arg-type]


def test_sigterm_loses_nothing(start: Callable[..., Command], expected: str) -> None:
    command = start("--grace", "20")
    command.until(lambda: command.said("ready: tiny-bert"))
    assert httpx.get(f"{command.url}/v2/health/ready").status_code == 200
    long = {"question": f"who built it {'clara ' * 100}?", "context": BODY["context"], "threshold": 0.5}
    warned = httpx.post(f"{command.url}/v1/ask", json=long).json()["warning"]
    assert warned.startswith("the question has 5")
    codes: list[int] = []
    outcomes = asyncio.run(load(command, expected, lambda: codes.append(command.end())))
    assert codes == [0]
    assert outcomes["200"] > 10
    assert outcomes["refused"] > 0
    assert set(outcomes) == {"200", "refused"}
    answered = [line for line in command.requests if line["route"] == "/v1/ask"]
    assert len(answered) == outcomes["200"] + 1
    assert {line["status"] for line in answered} == {200}
    assert "clara" not in json.dumps([command.requests, command.events])


def test_workers(start: Callable[..., Command], expected: str, tmp_path: Path) -> None:
    """A killed worker loses its own requests and is replaced, and SIGTERM loses none."""
    command = start("--workers", "2", "--threads", "2", TMPDIR=str(tmp_path))
    command.until(lambda: len(command.said("is ready")) == 2)
    document = httpx.post(f"{command.url}/v1/documents", json={"text": BODY["context"]}).json()["id"]

    def ask_document() -> None:
        """On new connections, so that both workers are asked."""
        for _ in range(12):
            body = {"question": BODY["question"], "document": document, "threshold": None}
            assert httpx.post(f"{command.url}/v1/ask", json=body).json()["answers"][0]["text"] == expected

    ask_document()
    victim = int(command.said("is ready")[0].split()[1])

    def kill() -> None:
        os.kill(victim, signal.SIGKILL)
        command.until(lambda: len(command.said("is ready")) == 3)

    outcomes = asyncio.run(load(command, expected, kill))
    assert 0 <= outcomes.pop("lost", 0) <= 8
    assert set(outcomes) == {"200"}
    assert command.said(f"worker {victim} ended with -9")
    ask_document()
    page = httpx.get(f"{command.url}/metrics").text
    counted = sum(
        float(line.rpartition(" ")[2])
        for line in page.splitlines()
        if line.startswith("spanjet_requests_total{") and 'route="/v1/ask",status="200"' in line
    )
    assert counted >= outcomes["200"] + 24 - 8
    outcomes = asyncio.run(load(command, expected, command.end))
    assert command.process.returncode == 0
    assert set(outcomes) == {"200", "refused"}
    assert [path for path in tmp_path.iterdir() if path.name.startswith("spanjet-")] == []


def test_bad_options_and_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPANJET_TOKEN", raising=False)

    def run(*options: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["serve", *options])
        return result.exit_code, result.stderr.strip()

    code, error = run("--port", "70000")
    assert (code, error) == (2, "spanjet: --port is 70000; expected at most 65535")
    code, error = run("--workers", "0")
    assert (code, error) == (2, "spanjet: --workers is 0; expected an integer of at least 1")
    code, error = run("--port", "0", "--model", str(tmp_path / "none"))
    assert code == 2
    assert "none" in error
    code, error = run("--host", "192.0.2.1", "--port", "0")
    assert (code, error) == (2, "spanjet: 192.0.2.1:0: Cannot assign requested address")
    empty = tmp_path / "token"
    empty.write_text("\n")
    code, error = run("--token-file", str(empty))
    assert (code, error) == (2, f"spanjet: {empty}: is empty; expected a token")
    empty.write_bytes(b"\xff")
    code, error = run("--token-file", str(empty))
    assert code == 2
    assert error.startswith(f"spanjet: {empty}: ")
    monkeypatch.setenv("SPANJET_TOKEN", " ")
    code, error = run("--port", "0")
    assert (code, error) == (2, "spanjet: SPANJET_TOKEN: is empty; expected a token")
    code, error = run("--host", "a..b", "--port", "0")
    assert (code, error) == (2, "spanjet: a..b:0: not an address")
    code, error = run("--grace", "3000000")
    assert code == 2
    assert error.startswith("spanjet: --grace is 3000000.0; expected a finite number of at least 0")
    code, error = run("--token-file", str(tmp_path / "missing"))
    assert (code, error) == (2, f"spanjet: {tmp_path / 'missing'}: No such file or directory")


def test_tokens_come_from_files_and_variables(start: Callable[..., Command], tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("\ufeffs3cret\n")
    for command in (start("--token-file", str(file)), start(SPANJET_TOKEN="s3cret")):  # noqa: S106  (it is none)
        command.until(lambda command=command: command.said("ready: tiny-bert"))  # type: ignore[misc]
        url = f"{command.url}/v1/ask"
        assert httpx.post(url, json=BODY).status_code == 401
        header = {"authorization": "Bearer s3cret"}
        assert httpx.post(url, json=BODY, headers=header).status_code == 200
        assert httpx.get(f"{command.url}/v2/health/ready").status_code == 200
        assert "s3cret" not in Path(f"/proc/{command.process.pid}/cmdline").read_text()
        assert command.end() == 0


def test_it_listens_at_home_unless_told() -> None:
    assert ServeConfig().host == "127.0.0.1"


@pytest.mark.parametrize("name", ["token", "host", "model", "first", "spool"])
def test_settings_of_other_types(name: str) -> None:
    settings: dict[str, Any] = {name: 5}
    with pytest.raises(TypeError, match=rf"^ServeConfig\.{name}: expected (str|Path), found int$"):
        ServeConfig(**settings)


@pytest.mark.parametrize("module", ["fastapi", "uvicorn"])
def test_a_missing_package_names_the_extra(module: str) -> None:
    script = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from spanjet.cli import app\napp(['serve', '--port', '0'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    said = "spanjet serve needs FastAPI and uvicorn: pip install 'spanjet[serve]'"
    assert done.stderr.startswith(f"spanjet: {said}")
    assert done.stderr.count("\n") == 1
