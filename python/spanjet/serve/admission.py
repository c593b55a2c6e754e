"""Refuse questions before their bodies are parsed, while too much waits."""

from starlette.types import Scope

from spanjet.reader.dynamic_batching.batcher import DynamicBatcher
from spanjet.reader.dynamic_batching.config import Overloaded

__all__ = ["admit"]

ANSWERING = frozenset({"/", "/predict", "/v1/ask"})
"""Paths of questions about texts. In a search each passage has the question again, whose tokens add up."""

BYTES = (2, 8)
"""Bytes of a body for each token, at least and at most as a rule."""

DOCUMENT = b'"document"'
"""Part of a body that names an uploaded document, whose tokens are not in it."""


def admit(batcher: DynamicBatcher, scope: Scope, body: bytes) -> None:
    """Check that a question would probably be let into the queue, which decides in the end.

    A refusal costs less before a body is parsed, so that more is left for answers.

    Args:
        batcher: batcher of the reader.
        scope: the request.
        body: its body.

    Raises:
        Overloaded: the question would be refused, whether its text has few or many tokens.
    """
    if scope["method"] != "POST" or scope["path"] not in ANSWERING or DOCUMENT in body:
        return
    least, most = (len(body) // each for each in reversed(BYTES))
    try:
        batcher.check(least)
    except Overloaded:
        batcher.check(most)
