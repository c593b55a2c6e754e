"""A live server: the public client, many callers, those who leave, those who are slow, and its end."""

import asyncio
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import huggingface_hub
import pytest
import toy_model
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from live_server import Live
from spanjet import QuestionAnsweringPipeline, QueueConfig, Reader, RuntimeConfig, WindowConfig
from spanjet.model import Model

TEXT = "The engineer built a tower in Paris, near the river."


@pytest.fixture(scope="module")
def live(reader: Reader) -> Iterator[Live]:
    """A server with short timeouts."""
    with Live(reader, max_body=200_000, timeout=3.0, keep_alive=1.0, max_wait=60) as server:
        yield server


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.skipif(
    tuple(map(int, huggingface_hub.__version__.split(".")[:2])) < (0, 34),
    reason="before 0.34 the client sends questions that have no inputs",
)
def test_the_public_client(live: Live, reader: Reader) -> None:
    client = InferenceClient(model=live.url)
    qa = QuestionAnsweringPipeline(reader)
    found = client.question_answering(question="who built it?", context=TEXT)
    assert not isinstance(found, list)
    assert {"answer": found.answer, "score": found.score, "start": found.start, "end": found.end} == qa(
        question="who built it?", context=TEXT
    )
    options = {"top_k": 3, "max_answer_len": 4, "doc_stride": 4, "max_seq_len": 40, "align_to_words": False}
    several = client.question_answering(question="who?", context=TEXT * 3, **options)
    assert isinstance(several, list)
    expected = qa(question="who?", context=TEXT * 3, **options)
    assert [(each.answer, each.score, each.start, each.end) for each in several] == [
        (each["answer"], each["score"], each["start"], each["end"]) for each in expected
    ]
    with pytest.raises(HfHubHTTPError, match=r"question: String should have"):
        client.question_answering(question="", context=TEXT)


def test_each_caller_gets_its_own_answer(live: Live, reader: Reader) -> None:
    generator = random.Random(4)
    texts = [toy_model.random_text(generator, generator.choice((3, 8, 20, 90))) for _ in range(60)]

    def ask(text: str) -> bool:
        with httpx.Client(base_url=live.url) as client:
            body = {"question": "who built it?", "context": text, "top_k": 2, "threshold": None}
            found = client.post("/v1/ask", json=body).json()["answers"]
            answers = reader.ask("who built it?", text, top_k=2, threshold=None)
            return bool(found == [{**answer.as_dict(), "is_null": False} for answer in answers])

    with ThreadPoolExecutor(12) as callers:
        assert all(callers.map(ask, texts))


def connect(live: Live) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", live.port))
    connection.settimeout(20)
    return connection


def request(body: bytes, **headers: str) -> bytes:
    named = {"host": "x", "content-type": "application/json", "content-length": len(body), **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"POST /v1/ask HTTP/1.1\r\n{lines}\r\n".encode() + body


BODY = json.dumps({"question": "who?", "context": TEXT, "threshold": None}).encode()


def received(connection: socket.socket) -> bytes:
    """Everything until the server closes."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def one_response(connection: socket.socket) -> bytes:
    """The next response, whose body is JSON."""
    found = b""
    while not found.endswith(b"}"):
        part = connection.recv(65536)
        assert part
        found += part
    return found


def test_those_who_leave_take_their_questions_with_them(live: Live, reader: Reader) -> None:
    text = "the tower by the river " * 6000
    body = json.dumps({"question": "who?", "context": text}).encode()
    for _ in range(5):
        with connect(live) as connection:
            connection.sendall(request(body))
            until(lambda: reader.batcher.waiting()[0] > 0)
        until(lambda: reader.batcher.waiting()[0] == 0, 2)


def test_heads_that_come_too_slowly(live: Live) -> None:
    begun = time.monotonic()
    with connect(live) as silent, connect(live) as slow:
        slow.sendall(b"POST /v1/ask HTTP/1.1\r\n")
        assert received(silent) == b""
        assert received(slow) == b""
    assert 0.5 < time.monotonic() - begun < 10


def test_bodies_that_come_too_slowly(live: Live) -> None:
    with connect(live) as connection:
        connection.sendall(request(BODY)[:-5])
        response = received(connection)
    assert response.startswith(b"HTTP/1.1 408 ")


def test_heads_that_are_too_large(live: Live) -> None:
    with connect(live) as connection:
        connection.sendall(b"GET /v2 HTTP/1.1\r\nhost: x\r\nx: ")
        try:
            for _ in range(100):
                connection.sendall(b"x" * 10_000)
            response = received(connection)
        except OSError:  # the server has closed meanwhile
            response = b""
    assert not response or response.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "content", [b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"\x00" * 100, b"GET / HTTP/9.9\r\n\r\n"]
)
def test_what_is_no_http(live: Live, content: bytes) -> None:
    with connect(live) as connection:
        connection.sendall(content)
        response = received(connection)
    assert response == b"" or response.startswith(b"HTTP/1.1 40")


def test_requests_behind_each_other_on_one_connection(live: Live) -> None:
    with connect(live) as connection:
        connection.sendall(request(BODY) * 3 + request(BODY, connection="close"))
        response = received(connection)
    assert response.count(b"HTTP/1.1 200 ") == 4


def test_bodies_that_are_too_large(live: Live) -> None:
    with httpx.Client(base_url=live.url) as client:
        response = client.post("/v1/ask", content=b"x" * 200_001)
        assert response.status_code == 413
        assert client.post("/v1/ask", content=b" " * 200_000).status_code == 422
    with connect(live) as connection:
        head = request(b"", expect="100-continue").replace(b"content-length: 0", b"content-length: 999999999")
        connection.sendall(head)
        assert received(connection).startswith(b"HTTP/1.1 413 ")


def test_nothing_is_left_behind(live: Live) -> None:
    """After all these, no connection is open and no task runs."""
    until(lambda: not live.server.server_state.connections and not live.server.server_state.tasks)


def test_a_full_queue_refuses_at_the_door(toy: Model, exact: RuntimeConfig) -> None:
    reader = Reader(
        toy,
        window_config=WindowConfig(max_length=48, doc_stride=16),
        runtime_config=exact,
        queue_config=QueueConfig(max_queue_tokens=200),
    )

    async def flood() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(base_url=server.url, limits=limits, timeout=30) as client:
            long = {"question": "who?", "context": TEXT * 40, "threshold": None}
            return list(await asyncio.gather(*(client.post("/v1/ask", json=long) for _ in range(100))))

    with Live(reader) as server:
        responses = asyncio.run(flood())
        statuses = {response.status_code for response in responses}
        assert statuses == {200, 429}
        for response in responses:
            if response.status_code == 429:
                assert int(response.headers["retry-after"]) >= 1
                assert "max_queue_tokens is 200" in response.json()["error"]
            else:
                found = response.json()["answers"][0]
                assert found["text"] == reader.ask("who?", TEXT * 40, threshold=None).text
        json_type = {"content-type": "application/json"}
        assert httpx.post(f"{server.url}/v1/ask", content=BODY, headers=json_type).status_code == 200
        assert httpx.get(f"{server.url}/metrics").text.count('spanjet_refusals_total{reason="overload"}') == 1


def test_the_last_requests_of_open_connections(reader: Reader) -> None:
    """After the end has begun, one more is answered on each, and nobody else can connect."""
    with Live(reader) as server, connect(server) as idle, connect(server) as other:
        for connection in (idle, other):
            connection.sendall(request(BODY))
            assert one_response(connection).startswith(b"HTTP/1.1 200 ")
        ending = threading.Thread(target=server.stop)
        ending.start()
        until(lambda: server.http.is_ending)
        time.sleep(0.2)
        with pytest.raises(ConnectionRefusedError):
            connect(server)
        idle.sendall(request(BODY))
        response = received(idle)
        assert response.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in response
        assert received(other) == b""
        ending.join()


def test_connections_that_are_not_accepted_yet_are_not_lost(reader: Reader) -> None:
    server = Live(reader)
    with server:
        loop_is_held, release = threading.Event(), threading.Event()

        async def hold() -> None:
            loop_is_held.set()
            release.wait(20)

        asyncio.run_coroutine_threadsafe(hold(), server.loop)
        assert loop_is_held.wait(20)
        connections = [connect(server) for _ in range(5)]
        for connection in connections:
            connection.sendall(request(BODY))
        server.server.should_exit = True
        release.set()
        for connection in connections:
            assert received(connection).startswith(b"HTTP/1.1 200 ")
            connection.close()
