"""What is counted and logged, and that no text of a request is."""

import json
import logging
import sys
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from live_server import client_of
from prometheus_client.parser import text_string_to_metric_families
from spanjet import Reader
from spanjet.serve.guard import Served
from spanjet.serve.log import ACCESS, JsonLines, log_config

TEXT = "The engineer built a secret tower in Paris."


@pytest.fixture(scope="module")
def client(reader: Reader) -> Iterator[TestClient]:
    with client_of(reader) as made:
        yield made


def samples(client: TestClient) -> dict[tuple[str, ...], float]:
    """Values by name and labels."""
    page = client.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain; version=")
    assert "secret" not in page.text
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(page.text)
        for sample in family.samples
    }


def test_what_is_counted(client: TestClient) -> None:
    before = samples(client)
    for _ in range(3):
        assert client.post("/v1/ask", json={"question": "secret?", "context": TEXT}).status_code == 200
    client.post("/v1/ask", json={"question": "secret?"})
    client.post("/v1/ask", content=b"x" * 30_000)
    client.get("/secret/path?secret")
    client.request("SECRET", "/v1/ask")
    after = samples(client)

    def added(*key: str) -> float:
        return after[key] - before.get(key, 0)

    assert added("spanjet_requests_total", "/v1/ask", "200", "POST") == 3
    assert added("spanjet_requests_total", "/v1/ask", "422", "POST") == 1
    assert added("spanjet_requests_total", "", "404", "GET") == 1
    assert added("spanjet_request_seconds_count", "/v1/ask") >= 4
    assert added("spanjet_refusals_total", "size") == 1
    for stage in ("prepare", "queue", "infer", "decode"):
        assert added("spanjet_stage_seconds_count", stage) == 3
    assert 1 <= added("spanjet_batch_tokens_count") <= 3
    assert added("spanjet_windows_total") == 3
    assert added("spanjet_tokens_total") + added("spanjet_padding_tokens_total") == added(
        "spanjet_batch_tokens_sum"
    )
    assert after["spanjet_queue_tokens",] == 0
    assert after["spanjet_running_batches",] == 0


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """Lines of the log of requests."""
    found: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(self.format(record))

    handler = Handler()
    handler.setFormatter(JsonLines())
    logger = logging.getLogger(ACCESS)
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield found
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_the_log_of_requests(client: TestClient, lines: list[str]) -> None:
    client.post("/v1/ask", json={"question": "secret?", "context": TEXT})
    client.post("/v1/ask?secret", json={"question": "", "context": TEXT})
    client.get(f"/v1/documents/{'s' * 22}")
    client.get("/secret")
    found = [json.loads(line) for line in lines]
    assert [(each["method"], each["route"], each["status"]) for each in found] == [
        ("POST", "/v1/ask", 200),
        ("POST", "/v1/ask", 422),
        ("GET", "/v1/documents/{document}", 404),
        ("GET", "", 404),
    ]
    assert set(found[0]) == {
        *("time", "level", "method", "route", "status", "seconds", "bytes_in", "bytes_out", "client")
    }
    assert "secret" not in " ".join(lines)
    assert found[0]["bytes_in"] > len(TEXT)


def test_an_exception_is_logged_without_its_message() -> None:
    try:
        raise ValueError("the text of a secret question")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 1, "a request failed\n", (), sys.exc_info())
    line = json.loads(JsonLines().format(record))
    assert (line["level"], line["message"], line["exception"]) == ("error", "a request failed", "ValueError")
    assert "test_an_exception_is_logged" in line["stack"][0]
    assert "text of a secret" not in json.dumps({**line, "stack": []})


def test_no_request_is_logged_if_it_is_not_wanted() -> None:
    assert log_config(access_log=False)["loggers"][ACCESS]["handlers"] == []
    assert log_config(access_log=True)["loggers"][ACCESS]["handlers"] == ["requests"]


def test_served_requests_have_no_text() -> None:
    assert Served._fields == ("method", "route", "status", "seconds", "bytes_in", "bytes_out", "client")
