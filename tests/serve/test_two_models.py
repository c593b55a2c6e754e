"""A server with a first model: its answers are the reader's, and both models are counted."""

import random
from pathlib import Path

import toy_model
from live_server import client_of
from spanjet import CascadeConfig, Reader, RuntimeConfig, WindowConfig
from spanjet.model import Model

QUESTION = "who built the tower?"


def test_questions_and_documents(toy: Model, exact: RuntimeConfig, tmp_path: Path) -> None:
    tables = (toy_model.table(7), toy_model.table(8))
    reader = Reader(
        toy,
        first=toy_model.load(tmp_path, toy_model.build(tables=tables)),
        cascade_config=CascadeConfig(reread=2),
        window_config=WindowConfig(max_length=48, doc_stride=16),
        runtime_config=exact,
    )
    text = toy_model.random_text(random.Random(0), 90)
    windows = len(reader.windows([QUESTION], [text]))
    assert windows > 2
    answer = reader.ask(QUESTION, text)
    with client_of(reader) as client:

        def counted() -> float:
            lines = client.get("/metrics").text.splitlines()
            return float(next(line for line in lines if line.startswith("spanjet_windows_total")).split()[1])

        before = counted()
        found = client.post("/v1/ask", json={"question": QUESTION, "context": text}).json()
        assert found["answers"] == [{**answer.as_dict(), "is_null": False}]
        # All windows by the first model, the best two by the second.
        assert counted() - before == windows + 2
        document = client.post("/v1/documents", json={"text": text}).json()["id"]
        found = client.post("/v1/ask", json={"question": QUESTION, "document": document}).json()
        assert found["answers"] == [{**answer.as_dict(), "is_null": False}]
