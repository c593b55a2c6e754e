"""Requests and responses: answers equal the reader's, and what is wrong is named."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from live_server import client_of
from spanjet import QuestionAnsweringPipeline, Reader

TEXT = "The engineer built a tower in Paris, near the river."
UNANSWERABLE = "nobody built the tower?"


@pytest.fixture(scope="module")
def client(reader: Reader) -> Iterator[TestClient]:
    with client_of(reader) as made:
        yield made


def post(client: TestClient, path: str, **body: Any) -> tuple[int, Any]:
    response = client.post(path, json=body)
    return response.status_code, response.json() if response.content else None


def test_ask(client: TestClient, reader: Reader) -> None:
    status, found = post(client, "/v1/ask", question="who built it?", context=TEXT, top_k=3, threshold=None)
    answers = reader.ask("who built it?", TEXT, top_k=3, threshold=None)
    assert status == 200
    assert found == {
        "answers": [{**answer.as_dict(), "is_null": False} for answer in answers],
        "no_answer": answers[0].no_answer,
        "threshold": None,
        "warning": None,
    }
    assert all(TEXT[each["start"] : each["end"]] == each["text"] for each in found["answers"])


@pytest.mark.parametrize("threshold", [0.9, 0, "model", None])
def test_thresholds(client: TestClient, reader: Reader, threshold: Any) -> None:
    _, found = post(client, "/v1/ask", question=UNANSWERABLE, context=TEXT, threshold=threshold)
    answer = reader.ask(UNANSWERABLE, TEXT, threshold=threshold)
    assert found["answers"] == [{**answer.as_dict(), "is_null": answer.is_null}]
    assert found["answers"][0]["is_null"] == (threshold == 0.9)
    assert found["threshold"] == (None if threshold == "model" else threshold)


def test_offsets_count_code_points(client: TestClient) -> None:
    text = "🌉 the tower, e\u0301l río 🗼 river"
    _, found = post(client, "/v1/ask", question="who?", context=text, top_k=5, threshold=None)
    assert len(found["answers"]) > 1
    for each in found["answers"]:
        assert text[each["start"] : each["end"]] == each["text"]
        assert text.encode()[each["byte_start"] : each["byte_end"]].decode() == each["text"]


def test_a_question_that_is_cut_has_a_warning(client: TestClient) -> None:
    status, found = post(client, "/v1/ask", question="who built it? " * 20, context="river", threshold=None)
    assert status == 422
    assert "no room" in found["error"] or "room" in found["error"]


def test_search(client: TestClient, reader: Reader) -> None:
    passages: list[Any] = [
        TEXT,
        {"id": "b", "text": "the king built the bridge"},
        {"id": 7, "text": "river"},
        " ",
    ]
    status, found = post(client, "/v1/search", question="who built it?", passages=passages, threshold=None)
    given = [each if isinstance(each, str) else (each["id"], each["text"]) for each in passages]
    result = reader.search("who built it?", given, threshold=None)
    assert status == 200
    assert found["answers"] == [
        {**answer.as_dict(), "is_null": False, "sentence": answer.sentence} for answer in result
    ]
    assert (found["no_answer"], found["passages"]) == (result.no_answer, 4)
    assert {each["passage_id"] for each in found["answers"]} >= {None, "b"}


def test_documents(client: TestClient, reader: Reader) -> None:
    status, document = post(client, "/v1/documents", text=TEXT)
    assert status == 201
    assert document["characters"] == len(TEXT)
    assert document["tokens"] == len(reader.prepare(TEXT))
    path = f"/v1/documents/{document['id']}"
    assert client.get(path).json() == document
    _, by_id = post(client, "/v1/ask", question="who?", document=document["id"], threshold=None)
    _, by_text = post(client, "/v1/ask", question="who?", context=TEXT, threshold=None)
    assert by_id == by_text
    _, found = post(client, "/v1/search", question="who?", passages=["x"], documents=[document["id"]])
    assert found["passages"] == 2
    assert found["answers"][0]["passage_id"] == document["id"]
    assert found["answers"][0]["passage"] == 1
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == client.delete(path).status_code == 404
    status, fault = post(client, "/v1/ask", question="who?", document=document["id"])
    assert (status, fault["detail"][0]["loc"]) == (404, ["body", "document"])
    status, fault = post(client, "/v1/search", question="who?", documents=["x" * 22, document["id"]])
    assert (status, fault["detail"][0]["loc"]) == (404, ["body", "documents", 0])


EXAMPLE = {"question": "who built it?", "context": TEXT}


@pytest.mark.parametrize("path", ["/", "/predict"])
@pytest.mark.parametrize(
    "parameters",
    [
        None,
        {},
        {"top_k": 1},
        {"top_k": 4, "max_answer_len": 3, "max_seq_len": 32, "doc_stride": 4},
        {"handle_impossible_answer": True, "align_to_words": False, "top_k": 2, "max_question_len": 3},
    ],
)
def test_the_shape_of_transformers(
    client: TestClient, reader: Reader, path: str, parameters: dict[str, Any] | None
) -> None:
    qa = QuestionAnsweringPipeline(reader)
    options = parameters or {}
    assert post(client, path, inputs=EXAMPLE, parameters=parameters) == (200, qa(EXAMPLE, **options))
    several = [EXAMPLE, {"question": "when?", "context": TEXT * 3}]
    assert post(client, path, inputs=several, parameters=parameters) == (200, qa(several, **options))
    assert post(client, path, inputs=[EXAMPLE], parameters=parameters) == (200, qa(EXAMPLE, **options))


def test_unknown_options_of_transformers_are_ignored(client: TestClient) -> None:
    plain = post(client, "/predict", inputs=EXAMPLE)
    assert (
        post(client, "/predict", inputs=EXAMPLE, parameters={"foo": 1}, options={"use_cache": False}) == plain
    )


DOCUMENT = "A" * 22
FAULTS: list[tuple[str, Any, int, list[Any], str]] = [
    ("/v1/ask", {}, 422, ["body", "question"], "Field required"),
    ("/v1/ask", {"question": "", "context": "x"}, 422, ["body", "question"], "at least 1 character"),
    ("/v1/ask", {"question": " ", "context": "x"}, 422, ["body", "question"], "question is empty"),
    ("/v1/ask", {"question": "x", "context": "\u200b"}, 422, ["body", "context"], "context is empty"),
    ("/v1/ask", {"question": "x"}, 422, ["body", "context"], "either a context or a document"),
    ("/v1/ask", {"question": "x", "context": "x", "document": DOCUMENT}, 422, ["body", "context"], "either"),
    ("/v1/ask", {"question": "x", "document": "../etc"}, 422, ["body", "document"], "pattern"),
    (
        "/v1/ask",
        {"question": "x", "document": DOCUMENT},
        404,
        ["body", "document"],
        "no document has this id",
    ),
    (
        "/v1/ask",
        {"question": "x", "context": "x", "top_k": 0},
        422,
        ["body", "top_k"],
        "greater than or equal",
    ),
    (
        "/v1/ask",
        {"question": "x", "context": "x", "top_k": 101},
        422,
        ["body", "top_k"],
        "less than or equal",
    ),
    ("/v1/ask", {"question": "x", "context": "x", "top_k": "3"}, 422, ["body", "top_k"], "valid integer"),
    ("/v1/ask", {"question": "x", "context": "x", "top_k": True}, 422, ["body", "top_k"], "valid integer"),
    ("/v1/ask", {"question": "x", "contxt": "x"}, 422, ["body", "contxt"], "Extra inputs"),
    ("/v1/ask", [], 422, ["body"], "valid dictionary"),
    ("/v1/search", {"question": "x"}, 422, ["body", "passages"], "expected 1 to 8 passages"),
    ("/v1/search", {"question": "x", "passages": ["x"] * 9}, 413, ["body", "passages"], "found 9"),
    ("/v1/search", {"question": " ", "passages": ["x"]}, 422, ["body", "question"], "question is empty"),
    ("/predict", {}, 422, ["body", "inputs"], "Field required"),
    ("/predict", {"inputs": []}, 422, ["body", "inputs"], "at least 1 item"),
    ("/predict", {"inputs": [EXAMPLE] * 9}, 413, ["body", "inputs"], "found 9"),
    (
        "/predict",
        {"inputs": EXAMPLE, "parameters": {"doc_stride": 500}},
        422,
        ["body", "parameters", "doc_stride"],
        "doc_stride is 500; expected at most the max_seq_len",
    ),
    (
        "/predict",
        {"inputs": EXAMPLE, "parameters": {"max_seq_len": 4}},
        422,
        ["body", "parameters", "max_seq_len"],
        "max_seq_len is 4; expected",
    ),
    (
        "/predict",
        {"inputs": EXAMPLE, "parameters": {"top_k": 0}},
        422,
        ["body", "parameters", "top_k"],
        "greater than or equal to 1",
    ),
    ("/v1/documents", {}, 422, ["body", "text"], "Field required"),
    ("/v1/documents", {"text": ""}, 422, ["body", "text"], "at least 1 character"),
]


@pytest.mark.parametrize(("path", "body", "status", "location", "message"), FAULTS)
def test_faults_name_the_field(
    client: TestClient, path: str, body: Any, status: int, location: list[Any], message: str
) -> None:
    response = client.post(path, json=body)
    fault = response.json()
    assert response.status_code == status
    assert location in [detail["loc"][: len(location)] for detail in fault["detail"]]
    assert message in " ".join(detail["msg"] for detail in fault["detail"])
    assert "\n" not in fault["error"]
    assert fault["error"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"nonsense",
        b"\xff\xfe\x00",
        b'{"question": "\\ud800", "context": "x"}',
        b'{"question": "x", "context": "x", "threshold": NaN}',
        b'{"question": "x", "context": "x", "threshold": 1e999}',
        b'{"question": "x", "context": "x", "top_k": 1' + b"0" * 5000 + b"}",
        b"[" * 10_000,
    ],
)
def test_bodies_that_are_no_json_or_no_text(client: TestClient, content: bytes) -> None:
    response = client.post("/v1/ask", content=content, headers={"content-type": "application/json"})
    assert response.status_code in (400, 422)
    assert response.json()["error"]


def test_faults_of_a_document(client: TestClient) -> None:
    response = client.post(
        "/v1/documents", content=b'{"text": "\\udfff"}', headers={"content-type": "application/json"}
    )
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", "text"]
    blank = client.post("/v1/documents", json={"text": "\u200b"})
    assert blank.status_code == 201
    body = {"question": "x", "document": blank.json()["id"]}
    response = client.post("/v1/ask", json=body)
    assert (response.status_code, response.json()["detail"][0]["loc"]) == (422, ["body", "document"])


def test_lone_surrogates(client: TestClient) -> None:
    for body in (
        b'{"question": "x", "context": "\\udfff"}',
        b'{"question": "x", "context": "x", "\\ud800": 1}',
    ):
        response = client.post("/v1/ask", content=body, headers={"content-type": "application/json"})
        assert response.status_code == 422
    body = b'{"question": "x", "passages": [{"id": "\\ud800", "text": "x"}]}'
    response = client.post("/v1/search", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 422
    assert "lone surrogate at 0" in str(response.json()["detail"])


def test_other_paths_and_methods(client: TestClient) -> None:
    assert client.get("/nothing").json() == {"error": "Not Found"}
    response = client.get("/v1/ask")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


def test_health_and_metadata(client: TestClient, reader: Reader) -> None:
    assert client.get("/v2/health/live").json() == {"status": "live"}
    assert client.get("/v2/health/ready").json() == {"status": "ready"}
    for path in ("/v2/health/live", "/v2/health/ready"):
        head = client.head(path)
        assert (head.status_code, head.content) == (200, b"")
    assert client.get("/v2").json()["name"] == "spanjet"
    name = reader.model.path.name
    model = client.get(f"/v2/models/{name}").json()
    assert (model["name"], model["versions"]) == (name, ["1"])
    assert {each["name"] for each in model["inputs"]} == {"question", "context"}
    assert client.get(f"/v2/models/{name}/ready").status_code == 200
    assert client.get("/v2/models/other").status_code == 404


def test_the_schema_describes_every_route(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    assert set(schema["paths"]) == {
        "/",
        "/predict",
        "/v1/ask",
        "/v1/search",
        "/v1/documents",
        "/v1/documents/{document}",
        "/v2",
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/models/{name}",
        "/v2/models/{name}/ready",
        "/metrics",
    }
    for operations in schema["paths"].values():
        for operation in operations.values():
            assert operation["responses"]["422"]["content"]["application/json"]["schema"]["$ref"].endswith(
                "/Problem"
            )
            assert operation["summary"]


def test_the_reference_page_needs_no_script_and_nothing_from_elsewhere(client: TestClient) -> None:
    response = client.get("/docs")
    assert response.status_code == 200
    assert "<script" not in response.text
    assert "http" not in response.text.replace("HTTP", "")
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; frame-ancestors 'none'; style-src 'sha256-")
    for path in ("/v1/ask", "/v1/search", "/predict"):
        assert f"POST {path}" in response.text


def test_responses_may_not_be_sniffed_cached_or_framed(client: TestClient) -> None:
    for response in (client.get("/v2"), client.post("/v1/ask", json={}), client.get("/nothing")):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert "access-control-allow-origin" not in response.headers


def test_requests_of_other_pages_are_not_answered(client: TestClient) -> None:
    """A page elsewhere may send a text without asking first, but no JSON; nor may it read the answer."""
    body = json.dumps({"question": "who?", "context": TEXT})
    response = client.post("/v1/ask", content=body, headers={"content-type": "text/plain"})
    assert response.status_code == 422
    asked = client.options("/v1/ask", headers={"origin": "http://x", "access-control-request-method": "POST"})
    assert asked.status_code == 405
    assert "access-control-allow-origin" not in asked.headers
