"""Questions are refused before their bodies are parsed, where the queue would refuse them anyway."""

from typing import Any, cast

import pytest
from spanjet.reader.dynamic_batching.batcher import DynamicBatcher
from spanjet.reader.dynamic_batching.config import Overloaded
from spanjet.serve.admission import admit


class Busy:
    """A queue in which calls of some sizes would wait too long."""

    def __init__(self, *refused: range) -> None:
        self.refused, self.asked = refused, list[int]()

    def check(self, tokens: int = 1) -> None:
        self.asked.append(tokens)
        if any(tokens in each for each in self.refused):
            raise Overloaded("too much waits", 2.0)


def is_refused(busy: Busy, body: bytes, *, method: str = "POST", path: str = "/v1/ask") -> bool:
    scope: dict[str, Any] = {"type": "http", "method": method, "path": path}
    try:
        admit(cast(DynamicBatcher, busy), scope, body)
    except Overloaded:
        return True
    return False


@pytest.mark.parametrize("path", ["/", "/predict", "/v1/ask"])
def test_a_question_is_refused_if_it_would_be_at_any_length(path: str) -> None:
    body = b"x" * 800
    assert is_refused(Busy(range(10_000)), body, path=path)
    assert not is_refused(Busy(), body, path=path)
    few, many = Busy(range(200)), Busy(range(200, 10_000))
    assert not is_refused(few, body, path=path)
    assert not is_refused(many, body, path=path)
    assert few.asked == [100, 400]
    assert many.asked == [100]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/", b""),
        ("POST", "/v1/documents", b"x" * 800),
        ("GET", "/v2/health/ready", b""),
        ("POST", "/v1/ask", b'{"question": "who?", "document": "a"}'),
        ("POST", "/v1/search", b'{"question": "who?", "passages": ["a"]}'),
    ],
)
def test_what_else_comes_is_not_looked_at(method: str, path: str, body: bytes) -> None:
    busy = Busy(range(10_000))
    assert not is_refused(busy, body, method=method, path=path)
    assert busy.asked == []
